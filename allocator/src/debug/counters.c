/* The public face of the counters: hak_stats_* in hakmem.h, and the dump at exit. */
#include "debug/counters.h"

#include "front/heap.h"
#include "hakmem.h"
#include "os/sys.h"
#include "debug/text.h"
#include "visibility.h"

_Atomic uint64_t hkm_counters[HKM_COUNTERS];

static const struct {
    const char *name;
    enum hak_stat_kind kind;
} stats[HKM_COUNTERS] = {
#define HKM_X(id, name, kind) {name, HAK_STAT_##kind},
    HKM_COUNTER_LIST(HKM_X)
#undef HKM_X
};

HKM_PUBLIC size_t hak_stats_count(void) {
    return HKM_COUNTERS;
}

HKM_PUBLIC const char *hak_stats_name(size_t index) {
    return index < HKM_COUNTERS ? stats[index].name : NULL;
}

HKM_PUBLIC enum hak_stat_kind hak_stats_kind(size_t index) {
    return index < HKM_COUNTERS ? stats[index].kind : HAK_STAT_COUNTER;
}

HKM_PUBLIC size_t hak_stats_snapshot(uint64_t *values, size_t n) {
    uint64_t all[HKM_COUNTERS];
    for (size_t i = 0; i < HKM_COUNTERS; i++) {
        all[i] = atomic_load_explicit(&hkm_counters[i], memory_order_relaxed);
    }
    hkm_heaps_add_counters(all);
    for (size_t i = 0; i < HKM_COUNTERS && i < n; i++) {
        values[i] = all[i];
    }
    return HKM_COUNTERS;
}

HKM_PUBLIC void hak_stats_print(int fd) {
    uint64_t values[HKM_COUNTERS];
    hak_stats_snapshot(values, HKM_COUNTERS);
    for (size_t i = 0; i < HKM_COUNTERS; i++) {
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
