/*
 * A set of free ranges, found by best fit and given up by age. Neighbours in the set are joined.
 * Used by the whale cache (ranges with their pages) and the region cache (ranges without).
 */
#ifndef HKM_LARGE_RANGE_SET_H
#define HKM_LARGE_RANGE_SET_H

#include "large/range.h"

/* Eight bins to a doubling of the size, from one page on. */
#define HKM_RANGE_BINS 320u

struct hkm_range_set {
    bool apart; /* neighbours are not joined: every range stays as it was put */
    size_t bytes, count;
    struct hkm_range *newest, *oldest;
    uint64_t occupied[HKM_RANGE_BINS / 64];
    struct hkm_range *bin[HKM_RANGE_BINS];
};

/* Adds a range that is in no set, joined with its free neighbours of the set, as of now_ns. */
void hkm_range_set_put(struct hkm_range_set *set, struct hkm_range *range, uint64_t now_ns);
/* Takes a range out. */
void hkm_range_set_remove(struct hkm_range_set *set, struct hkm_range *range);
/* A range of at least `size` bytes, from the smallest sizes that fit; NULL when there is none. It
 * stays in. O(1) but for a bounded look through ranges of about the same size. */
struct hkm_range *hkm_range_set_find(const struct hkm_range_set *set, size_t size);
/* The oldest range of exactly `size` bytes; NULL when there is none. O(ranges). */
struct hkm_range *hkm_range_set_find_exact(const struct hkm_range_set *set, size_t size);

#endif
