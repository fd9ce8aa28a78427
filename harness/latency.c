/* Starts and stops the recording of calls, and puts it into the record. */
#include "harness/latency.h"

#include "harness/ticks.h"

enum { EMPTY_CALLS = 10001 };

static const char *const call_names[HKL_CALLS] = {"malloc", "calloc", "realloc", "free"};

/* Looks at the clock twice with nothing between them, many times: the median number of ticks is the
 * clock's overhead, the least difference between two such numbers its resolution. */
static void measure_clock(struct hkl_latency *latency) {
    static struct hkl_histogram empty;
    uint64_t last = 0;
    for (int i = 0; i < EMPTY_CALLS; i++) {
        const uint64_t before = hkl_ticks_before(latency->cycles);
        const uint64_t ticks = hkl_ticks_after(latency->cycles) - before;
        const uint64_t difference = ticks > last ? ticks - last : last - ticks;
        if (i && difference && (!latency->resolution || difference < latency->resolution))
            latency->resolution = difference;
        last = ticks;
        hkl_histogram_add(&empty, ticks);
    }
    latency->overhead = hkl_histogram_quantile(&empty, 0.5);
}

void hkl_latency_start(void) {
    if (!hkl_latency)
        return;
    hkl_latency->cycles = hkl_ticks_are_cycles();
    measure_clock(hkl_latency);
    hkl_latency->start_ns = hkl_clock_ns();
    hkl_latency->start_ticks = hkl_ticks_before(hkl_latency->cycles);
    hkl_latency->recording = true;
}

void hkl_latency_stop(void) {
    if (!hkl_latency)
        return;
    hkl_latency->recording = false;
    const uint64_t ticks = hkl_ticks_after(hkl_latency->cycles) - hkl_latency->start_ticks;
    const uint64_t ns = hkl_clock_ns() - hkl_latency->start_ns;
    hkl_latency->ns_per_tick = ticks ? (double)ns / (double)ticks : 0;
}

static void write_call(struct hkl_json *json, const char *name,
                       const struct hkl_histogram *histogram) {
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {
        {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999},
    };
    const double scale = hkl_latency->ns_per_tick;
    hkl_json_open(json, name, '{');
    hkl_json_unsigned(json, "count", hkl_histogram_count(histogram));
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        hkl_json_real(json, quantiles[i].name,
                      scale * (double)hkl_histogram_quantile(histogram, quantiles[i].share));
    hkl_json_real(json, "max", scale * (double)histogram->max);
    hkl_json_open(json, "histogram", '[');
    for (size_t i = 0; i < HKL_HISTOGRAM_BUCKETS; i++) {
        if (!histogram->counts[i])
            continue;
        hkl_json_open(json, NULL, '[');
        hkl_json_real(json, NULL, scale * (double)hkl_histogram_top(i));
        hkl_json_unsigned(json, NULL, histogram->counts[i]);
        hkl_json_close(json, ']');
    }
    hkl_json_close(json, ']');
    hkl_json_close(json, '}');
}

void hkl_latency_write(struct hkl_json *json) {
    if (!hkl_latency || hkl_latency->ns_per_tick <= 0) {
        hkl_json_null(json, "latency");
        return;
    }
    hkl_json_open(json, "latency", '{');
    hkl_json_string(json, "clock", hkl_ticks_name(hkl_latency->cycles));
    hkl_json_real(json, "overhead", hkl_latency->ns_per_tick * (double)hkl_latency->overhead);
    hkl_json_real(json, "resolution", hkl_latency->ns_per_tick * (double)hkl_latency->resolution);
    for (int call = 0; call < HKL_CALLS; call++)
        if (hkl_histogram_count(&hkl_latency->calls[call]))
            write_call(json, call_names[call], &hkl_latency->calls[call]);
    hkl_json_close(json, '}');
}
