/* The statistics that the allocator under test offers about itself, if it exports the hak_stats_
 * functions. */
#ifndef HKL_ALLOCATOR_STATS_H
#define HKL_ALLOCATOR_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The moments at which a snapshot is taken. */
enum hkl_stats_moment { HKL_STATS_FIRST, HKL_STATS_STEADY, HKL_STATS_END, HKL_STATS_MOMENTS };

struct hkl_allocator_stats {
    size_t count; /* 0: the allocator offers none */
    const char *(*name)(size_t index);
    int (*kind)(size_t index);
    size_t (*snapshot)(uint64_t *values, size_t n);
    uint64_t *values[HKL_STATS_MOMENTS]; /* count values each */
};

/* Looks for the functions in the process. Call before anything is timed: the lookup may allocate.
 * Ends the driver when there is no memory for the snapshots. */
void hkl_allocator_stats_find(struct hkl_allocator_stats *stats);

/* Takes the snapshot of one moment. Allocates nothing. */
void hkl_allocator_stats_take(struct hkl_allocator_stats *stats, enum hkl_stats_moment moment);

/* What happened to statistic `index` between `since` and the end: the difference of a counter, the
 * last value of a gauge. */
int64_t hkl_allocator_stats_change(const struct hkl_allocator_stats *stats,
                                   enum hkl_stats_moment since, size_t index);

#endif
