/* The run of one scenario, iteration by iteration, and the three windows that the iterations fall
 * into. */
#ifndef HKL_WINDOWS_H
#define HKL_WINDOWS_H

#include "harness/allocator_stats.h"
#include "harness/perf_control.h"
#include "harness/process.h"
#include "scenarios/scenario.h"

#include <stdbool.h>
#include <stdint.h>

/* cold: iteration 0; warm-up: 1 .. warmup-1; steady: the rest. */
enum hkl_window_id { HKL_COLD, HKL_WARMUP, HKL_STEADY, HKL_WINDOWS };

/* Sums over the iterations of a window; a window without iterations has iters 0. */
struct hkl_window {
    uint64_t iters;
    uint64_t ops;
    uint64_t ns;
    struct hkl_usage usage;
};

struct hkl_run {
    /* Set by the caller; timeline has room for `total` times in ns. */
    const struct hkl_scenario *scenario;
    struct hkl_params params;
    uint64_t warmup;
    uint64_t total; /* warmup + iters */
    struct hkl_perf_control perf;
    bool callgrind; /* whether an enclosing callgrind is to be told what to count */
    uint64_t *timeline;
    struct hkl_allocator_stats stats;

    /* Filled by hkl_run_iteration(). */
    void *state;   /* of the scenario */
    uint64_t next; /* iteration */
    struct hkl_window windows[HKL_WINDOWS];
    struct hkl_memory memory_start, memory_steady, memory_end;
    uint64_t live_bytes;                /* at the end; set where the scenario tells */
    struct hkl_disturbance disturbance; /* in the steady window; -1 where unknown */
    double load1;
    bool load1_known;

    struct hkl_memory memory_after; /* of teardown; set by the caller */
};

/* Does the next iteration of the run and returns its time in ns. The first call sets the scenario
 * up before it, calls at the borders of a window do the border's work before or after it, all of
 * that outside of the time; the harness allocates nothing. `context` is a struct hkl_run. */
uint64_t hkl_run_iteration(void *context);

#endif
