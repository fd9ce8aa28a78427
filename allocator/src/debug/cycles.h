/*
 * The processor's own counter. Everything that only one kind of processor has is in this file; the
 * lab's driver (harness/ticks.h) includes it, too.
 *
 * x86: the time stamp counter. aarch64: the virtual count of the generic timer, which ticks more
 * slowly than the processor. Elsewhere there is none that programs may read: HKM_HAS_CYCLES is 0.
 * How long a tick is, the user finds out by comparing with a clock.
 */
#ifndef HKM_DEBUG_CYCLES_H
#define HKM_DEBUG_CYCLES_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)

#include <cpuid.h>
#include <x86intrin.h>

#define HKM_HAS_CYCLES  1
#define HKM_CYCLES_NAME "tsc"

/* Whether the counter neither stops nor changes its rate. */
static inline bool hkm_cycles_are_steady(void) {
    enum { POWER_LEAF = (int)0x80000007, INVARIANT_TSC = 1 << 8 };
    unsigned a, b, c, d;
    return __get_cpuid((unsigned)POWER_LEAF, &a, &b, &c, &d) && (d & INVARIANT_TSC);
}

/* The counter, at about this place. */
static inline uint64_t hkm_cycles(void) {
    return __rdtsc();
}

/* Before a call: nothing that comes before it is still going on. */
static inline uint64_t hkm_cycles_before(void) {
    _mm_lfence();
    const uint64_t now = __rdtsc();
    _mm_lfence();
    return now;
}

/* After a call: the call has finished. */
static inline uint64_t hkm_cycles_after(void) {
    unsigned cpu;
    const uint64_t now = __rdtscp(&cpu);
    _mm_lfence();
    return now;
}

#elif defined(__aarch64__)

#define HKM_HAS_CYCLES  1
#define HKM_CYCLES_NAME "cntvct"

/* The architecture says so. */
static inline bool hkm_cycles_are_steady(void) {
    return true;
}

static inline uint64_t hkm_cycles(void) {
    uint64_t now;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
    return now;
}

static inline uint64_t hkm_cycles_before(void) {
    uint64_t now;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(now) : : "memory");
    return now;
}

static inline uint64_t hkm_cycles_after(void) {
    return hkm_cycles_before();
}

#else

#define HKM_HAS_CYCLES  0
#define HKM_CYCLES_NAME "none"

static inline bool hkm_cycles_are_steady(void) {
    return false;
}

static inline uint64_t hkm_cycles(void) {
    return 0;
}

static inline uint64_t hkm_cycles_before(void) {
    return 0;
}

static inline uint64_t hkm_cycles_after(void) {
    return 0;
}

#endif

#endif
