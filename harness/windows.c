/* Times the iterations and does the work at the borders of the windows.
 *
 * At a border, what is precise stands closest to the iterations: getrusage is the last thing before
 * a window's first iteration and the first thing after its last one, then come perf's counters,
 * then the allocator's own statistics, then the reading of /proc, which disturbs most. */
#include "harness/windows.h"

#include "harness/callgrind.h"
#include "harness/clock.h"
#include "harness/fail.h"
#include "harness/latency.h"
#include "harness/limit.h"

#include <errno.h>
#include <string.h>

static enum hkl_window_id window_of(const struct hkl_run *run, uint64_t iteration) {
    if (iteration == 0)
        return HKL_COLD;
    return iteration < run->warmup ? HKL_WARMUP : HKL_STEADY;
}

static void begin_run(struct hkl_run *run) {
    run->load1_known = hkl_process_load1(&run->load1);
    run->memory_start = hkl_process_memory();
    run->state = run->scenario->setup(&run->params);
    if (!run->state)
        hkl_fail(HKL_EXIT_FAILED, "scenario %s: setup failed: %s", run->scenario->name,
                 strerror(errno));
    hkl_allocator_stats_take(&run->stats, HKL_STATS_FIRST);
}

static void open_window(struct hkl_run *run, enum hkl_window_id id) {
    if (id == HKL_STEADY) {
        run->memory_steady = hkl_process_memory();
        run->disturbance = hkl_process_disturbance();
        hkl_allocator_stats_take(&run->stats, HKL_STATS_STEADY);
        hkl_perf_control_switch(&run->perf, true);
        hkl_latency_start();
        if (run->callgrind)
            hkl_callgrind_forget();
    }
    run->windows[id].usage = hkl_process_usage();
}

static void close_window(struct hkl_run *run, enum hkl_window_id id) {
    const struct hkl_usage usage = hkl_process_usage();
    run->windows[id].usage = hkl_usage_since(&usage, &run->windows[id].usage);
    if (id == HKL_STEADY) {
        hkl_latency_stop();
        if (run->callgrind)
            hkl_callgrind_stop();
        hkl_perf_control_switch(&run->perf, false);
    }
}

static int64_t since(int64_t later, int64_t earlier) {
    return later < 0 || earlier < 0 ? -1 : later - earlier;
}

static void end_run(struct hkl_run *run) {
    hkl_limit_lift(); /* what follows, Google Benchmark too, is no longer measured */
    hkl_allocator_stats_take(&run->stats, HKL_STATS_END);
    run->memory_end = hkl_process_memory();
    if (run->scenario->live_bytes)
        run->live_bytes = run->scenario->live_bytes(run->state);
    const struct hkl_disturbance end = hkl_process_disturbance();
    run->disturbance.steal_ticks = since(end.steal_ticks, run->disturbance.steal_ticks);
    run->disturbance.migrations = since(end.migrations, run->disturbance.migrations);
}

uint64_t hkl_run_iteration(void *context) {
    struct hkl_run *run = context;
    const uint64_t iteration = run->next++;
    const enum hkl_window_id id = window_of(run, iteration);
    struct hkl_window *window = &run->windows[id];

    if (iteration == 0)
        begin_run(run);
    if (window->iters == 0)
        open_window(run, id);
    if (run->callgrind && id != HKL_STEADY && window_of(run, run->next) == HKL_STEADY)
        hkl_callgrind_simulate();

    const bool counted = run->callgrind && id == HKL_STEADY;
    const uint64_t start = hkl_clock_ns();
    if (counted)
        hkl_callgrind_toggle();
    const uint64_t ops = run->scenario->iterate(run->state);
    if (counted)
        hkl_callgrind_toggle();
    const uint64_t ns = hkl_clock_ns() - start;

    run->timeline[iteration] = ns;
    window->iters++;
    window->ops += ops;
    window->ns += ns;

    const bool last = run->next == run->total;
    if (last || window_of(run, run->next) != id)
        close_window(run, id);
    if (last)
        end_run(run);
    return ns;
}
