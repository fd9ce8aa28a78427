/* The clock of all timings. */
#ifndef HKL_CLOCK_H
#define HKL_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since some fixed moment; never goes back, not slewed into jumps, no system call. */
static inline uint64_t hkl_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
