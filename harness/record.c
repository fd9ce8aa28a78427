/* Puts a finished run into the words of results/schema/trial.schema.json. */
#include "harness/record.h"

#include "harness/json.h"
#include "harness/latency.h"
#include "harness/limit.h"
#include "scenarios/trace_reader.h"

#include <endian.h>
#include <errno.h>
#include <unistd.h>

int hkl_record_timeline(const struct hkl_run *run, int fd) {
    enum { CHUNK = 512 };
    uint64_t chunk[CHUNK];
    for (uint64_t first = 0; first < run->total; first += CHUNK) {
        const uint64_t left = run->total - first;
        const size_t count = left < CHUNK ? left : CHUNK;
        for (size_t i = 0; i < count; i++)
            chunk[i] = htole64(run->timeline[first + i]);
        const char *bytes = (const char *)chunk;
        for (size_t done = 0; done < count * sizeof *chunk;) {
            ssize_t written = write(fd, bytes + done, count * sizeof *chunk - done);
            if (written >= 0)
                done += (size_t)written;
            else if (errno != EINTR)
                return errno;
        }
    }
    return 0;
}

static void write_params(struct hkl_json *json, const struct hkl_run *run) {
    hkl_json_open(json, "params", '{');
    hkl_json_unsigned(json, "iters", run->total - run->warmup);
    hkl_json_unsigned(json, "warmup", run->warmup);
    hkl_json_unsigned(json, "size", run->params.size);
    hkl_json_unsigned(json, "seed", run->params.seed);
    hkl_json_unsigned(json, "threads", run->params.threads);
    hkl_json_unsigned(json, "slots", run->params.slots);
    hkl_json_unsigned(json, "batch", run->params.batch);
    if (run->params.limit)
        hkl_json_unsigned(json, "limit", run->params.limit);
    if (run->params.trace)
        hkl_json_string(json, "trace", run->params.trace->file);
    hkl_json_close(json, '}');
}

static void write_window(struct hkl_json *json, const char *key, const struct hkl_window *window) {
    if (!window->iters) {
        hkl_json_null(json, key);
        return;
    }
    hkl_json_open(json, key, '{');
    hkl_json_unsigned(json, "iters", window->iters);
    hkl_json_unsigned(json, "ops", window->ops);
    hkl_json_unsigned(json, "ns", window->ns);
    hkl_json_real(json, "ns_per_op", window->ops ? (double)window->ns / (double)window->ops : 0);
    hkl_json_signed(json, "minflt", window->usage.minflt);
    hkl_json_signed(json, "majflt", window->usage.majflt);
    hkl_json_signed(json, "nvcsw", window->usage.nvcsw);
    hkl_json_signed(json, "nivcsw", window->usage.nivcsw);
    hkl_json_signed(json, "user_ns", window->usage.user_ns);
    hkl_json_signed(json, "sys_ns", window->usage.sys_ns);
    hkl_json_close(json, '}');
}

static void write_known(struct hkl_json *json, const char *key, bool known, int64_t value) {
    if (known)
        hkl_json_signed(json, key, value);
    else
        hkl_json_null(json, key);
}

static void write_memory(struct hkl_json *json, const struct hkl_run *run, bool steady) {
    hkl_json_open(json, "rss", '{');
    hkl_json_signed(json, "start_kib", run->memory_start.rss_kib);
    write_known(json, "steady_kib", steady, run->memory_steady.rss_kib);
    hkl_json_signed(json, "end_kib", run->memory_end.rss_kib);
    hkl_json_signed(json, "peak_kib", run->memory_end.peak_kib);
    hkl_json_signed(json, "after_kib", run->memory_after.rss_kib);
    hkl_json_close(json, '}');
    hkl_json_open(json, "maps", '{');
    hkl_json_signed(json, "start", run->memory_start.maps);
    write_known(json, "steady", steady, run->memory_steady.maps);
    hkl_json_signed(json, "end", run->memory_end.maps);
    hkl_json_signed(json, "after", run->memory_after.maps);
    hkl_json_close(json, '}');
}

static void write_limit(struct hkl_json *json) {
    if (!hkl_limit.kind)
        return;
    hkl_json_open(json, "limit", '{');
    hkl_json_string(json, "kind", hkl_limit.kind);
    hkl_json_unsigned(json, "bytes", hkl_limit.bytes);
    hkl_json_unsigned(json, "failures", hkl_limit.failures);
    hkl_json_close(json, '}');
}

static void write_stats(struct hkl_json *json, const char *key, bool known,
                        const struct hkl_allocator_stats *stats, enum hkl_stats_moment since) {
    if (!known || !stats->count) {
        hkl_json_null(json, key);
        return;
    }
    hkl_json_open(json, key, '{');
    for (size_t i = 0; i < stats->count; i++)
        hkl_json_signed(json, stats->name(i), hkl_allocator_stats_change(stats, since, i));
    hkl_json_close(json, '}');
}

static void write_noise(struct hkl_json *json, const struct hkl_run *run, bool steady) {
    const struct hkl_disturbance *disturbance = &run->disturbance;
    hkl_json_open(json, "noise", '{');
    write_known(json, "steal_ticks", steady && disturbance->steal_ticks >= 0,
                disturbance->steal_ticks);
    write_known(json, "migrations", steady && disturbance->migrations >= 0,
                disturbance->migrations);
    if (run->load1_known)
        hkl_json_real(json, "load1", run->load1);
    else
        hkl_json_null(json, "load1");
    hkl_json_close(json, '}');
}

int hkl_record_write(const struct hkl_run *run, const char *timeline_file, int fd) {
    const bool steady = run->windows[HKL_STEADY].iters > 0;
    struct hkl_json json;
    hkl_json_start(&json, fd);
    hkl_json_open(&json, NULL, '{');
    hkl_json_string(&json, "scenario", run->scenario->name);
    write_params(&json, run);
    hkl_json_open(&json, "windows", '{');
    write_window(&json, "cold", &run->windows[HKL_COLD]);
    write_window(&json, "warmup", &run->windows[HKL_WARMUP]);
    write_window(&json, "steady", &run->windows[HKL_STEADY]);
    hkl_json_close(&json, '}');
    if (timeline_file) {
        hkl_json_null(&json, "timeline_ns");
    } else {
        hkl_json_open(&json, "timeline_ns", '[');
        for (uint64_t i = 0; i < run->total; i++)
            hkl_json_unsigned(&json, NULL, run->timeline[i]);
        hkl_json_close(&json, ']');
    }
    hkl_json_string(&json, "timeline_file", timeline_file);
    hkl_latency_write(&json);
    write_memory(&json, run, steady);
    if (run->scenario->live_bytes)
        hkl_json_unsigned(&json, "live_bytes", run->live_bytes);
    write_stats(&json, "stats", steady, &run->stats, HKL_STATS_STEADY);
    write_stats(&json, "stats_total", true, &run->stats, HKL_STATS_FIRST);
    write_noise(&json, run, steady);
    write_limit(&json);
    hkl_json_close(&json, '}');
    return hkl_json_finish(&json);
}
