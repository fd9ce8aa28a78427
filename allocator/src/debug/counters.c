/* The public face of the counters: hak_stats_* in hakmem.h, and the dump at exit. */
#include "debug/counters.h"

#include "front/heap.h"
#include "hakmem.h"
#include "os/sys.h"
#include "debug/text.h"
#include "debug/timing.h"
#include "visibility.h"

_Atomic uint64_t hkm_counters[HKM_COUNTERS];

static const struct {
    const char *name;
    enum hak_stat_kind kind;
} stats[] = {
#define HKM_X(id, name, kind) {name, HAK_STAT_##kind},
    HKM_COUNTER_LIST(HKM_X)
#undef HKM_X
#if HAKMEM_DEBUG_TIMING
#define HKM_X(id, name)                                                                            \
    {"timing." name ".calls", HAK_STAT_COUNTER}, {"timing." name ".cycles", HAK_STAT_COUNTER},
        HKM_TIMING_LIST(HKM_X)
#undef HKM_X
#endif
};
enum { STATS = sizeof stats / sizeof stats[0] };

/* Fills in what comes after the counters: the timings, where they are built in. */
static void add_timings(uint64_t *values) {
#if HAKMEM_DEBUG_TIMING
    for (unsigned i = 0; i < HKM_TIMINGS; i++) {
        const struct hkm_timing_sum sum = hkm_timing_sum((enum hkm_timing)i);
        values[HKM_COUNTERS + 2 * i] = sum.calls;
        values[HKM_COUNTERS + 2 * i + 1] = sum.cycles;
    }
#else
    (void)values;
#endif
}

HKM_PUBLIC size_t hak_stats_count(void) {
    return STATS;
}

HKM_PUBLIC const char *hak_stats_name(size_t index) {
    return index < STATS ? stats[index].name : NULL;
}

HKM_PUBLIC enum hak_stat_kind hak_stats_kind(size_t index) {
    return index < STATS ? stats[index].kind : HAK_STAT_COUNTER;
}

HKM_PUBLIC size_t hak_stats_snapshot(uint64_t *values, size_t n) {
    uint64_t all[STATS];
    for (size_t i = 0; i < HKM_COUNTERS; i++) {
        all[i] = atomic_load_explicit(&hkm_counters[i], memory_order_relaxed);
    }
    hkm_heaps_add_counters(all);
    add_timings(all);
    for (size_t i = 0; i < STATS && i < n; i++) {
        values[i] = all[i];
    }
    return STATS;
}

HKM_PUBLIC void hak_stats_print(int fd) {
    uint64_t values[STATS];
    hak_stats_snapshot(values, STATS);
    for (size_t i = 0; i < STATS; i++) {
        struct hkm_text line = {.length = 0};
        hkm_text_string(&line, stats[i].name);
        hkm_text_string(&line, " ");
        hkm_text_number(&line, values[i]);
        hkm_text_string(&line, "\n");
        hkm_sys_write(fd, line.bytes, line.length);
    }
}

void hkm_print_warm_pool(int fd) {
    for (unsigned cls = 1; cls < HKM_CLASSES; cls++) {
        uint64_t hits, misses;
        hkm_heaps_warm_stats(cls, &hits, &misses);
        if (hits + misses == 0) {
            continue;
        }
        struct hkm_text line = {.length = 0};
        hkm_text_string(&line, "warm_pool class ");
        hkm_text_number(&line, cls);
        hkm_text_string(&line, " size ");
        hkm_text_number(&line, hkm_classes[cls].size);
        hkm_text_string(&line, " hits ");
        hkm_text_number(&line, hits);
        hkm_text_string(&line, " misses ");
        hkm_text_number(&line, misses);
        hkm_text_string(&line, "\n");
        hkm_sys_write(fd, line.bytes, line.length);
    }
}
