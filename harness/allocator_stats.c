/* Finds hak_stats_* among the process's dynamic symbols, so that the driver needs no allocator's
 * header. */
#include "harness/allocator_stats.h"

#include "harness/arena.h"
#include "harness/fail.h"

#include <dlfcn.h>

enum { KIND_GAUGE = 1 };

void hkl_allocator_stats_find(struct hkl_allocator_stats *stats) {
    size_t (*count)(void);
    *stats = (struct hkl_allocator_stats){0};
    /* ISO C knows no cast from an object pointer to a function pointer; POSIX says this works. */
    *(void **)&count = dlsym(RTLD_DEFAULT, "hak_stats_count");
    *(void **)&stats->name = dlsym(RTLD_DEFAULT, "hak_stats_name");
    *(void **)&stats->kind = dlsym(RTLD_DEFAULT, "hak_stats_kind");
    *(void **)&stats->snapshot = dlsym(RTLD_DEFAULT, "hak_stats_snapshot");
    if (!count || !stats->name || !stats->kind || !stats->snapshot)
        return;
    stats->count = count();
    for (int moment = 0; stats->count && moment < HKL_STATS_MOMENTS; moment++) {
        stats->values[moment] = hkl_map(stats->count * sizeof *stats->values[moment]);
        if (!stats->values[moment])
            hkl_fail(HKL_EXIT_FAILED, "no memory for the allocator's %zu statistics", stats->count);
    }
}

void hkl_allocator_stats_take(struct hkl_allocator_stats *stats, enum hkl_stats_moment moment) {
    if (stats->count)
        stats->snapshot(stats->values[moment], stats->count);
}

int64_t hkl_allocator_stats_change(const struct hkl_allocator_stats *stats,
                                   enum hkl_stats_moment since, size_t index) {
    const uint64_t last = stats->values[HKL_STATS_END][index];
    return (int64_t)(stats->kind(index) == KIND_GAUGE ? last : last - stats->values[since][index]);
}
