/* The clock of single calls: the processor's own counter where it runs at one rate, else
 * CLOCK_MONOTONIC. How long a tick is, the user finds out by comparing with hkl_clock_ns(). */
#ifndef HKL_TICKS_H
#define HKL_TICKS_H

#include "allocator/src/debug/cycles.h"
#include "harness/clock.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether the counter serves: it neither stops nor changes its rate. */
static inline bool hkl_ticks_are_cycles(void) {
    return hkm_cycles_are_steady();
}

/* Ticks before a call: nothing that comes before it is still going on. `cycles` is what
 * hkl_ticks_are_cycles() said. */
static inline uint64_t hkl_ticks_before(bool cycles) {
    return cycles ? hkm_cycles_before() : hkl_clock_ns();
}

/* Ticks after a call: the call has finished. */
static inline uint64_t hkl_ticks_after(bool cycles) {
    return cycles ? hkm_cycles_after() : hkl_clock_ns();
}

/* Name of the clock. */
static inline const char *hkl_ticks_name(bool cycles) {
    return cycles ? HKM_CYCLES_NAME : "monotonic";
}

#endif
