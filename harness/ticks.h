/* The clock of single calls: the processor's time stamp counter where it runs at one rate, else
 * CLOCK_MONOTONIC. How long a tick is, the user finds out by comparing with hkl_clock_ns(). */
#ifndef HKL_TICKS_H
#define HKL_TICKS_H

#include "harness/clock.h"

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

/* Whether the time stamp counter serves: it neither stops nor changes its rate. */
static inline bool hkl_ticks_are_tsc(void) {
#if defined(__x86_64__)
    enum { POWER_LEAF = (int)0x80000007, INVARIANT_TSC = 1 << 8 };
    unsigned a, b, c, d;
    return __get_cpuid((unsigned)POWER_LEAF, &a, &b, &c, &d) && (d & INVARIANT_TSC);
#else
    return false;
#endif
}

/* Ticks before a call: nothing that comes before it is still going on. `tsc` is what
 * hkl_ticks_are_tsc() said. */
static inline uint64_t hkl_ticks_before(bool tsc) {
#if defined(__x86_64__)
    if (tsc) {
        _mm_lfence();
        const uint64_t now = __rdtsc();
        _mm_lfence();
        return now;
    }
#endif
    (void)tsc;
    return hkl_clock_ns();
}

/* Ticks after a call: the call has finished. */
static inline uint64_t hkl_ticks_after(bool tsc) {
#if defined(__x86_64__)
    if (tsc) {
        unsigned cpu;
        const uint64_t now = __rdtscp(&cpu);
        _mm_lfence();
        return now;
    }
#endif
    (void)tsc;
    return hkl_clock_ns();
}

#endif
