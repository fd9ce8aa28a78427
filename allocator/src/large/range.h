/*
 * Ranges: what the large path knows of its address space. Every mapping of it is tiled by ranges; a
 * range is a live block, or free in one of the sets (large.c). All under the
 * large path's lock (large.c).
 */
#ifndef HKM_LARGE_RANGE_H
#define HKM_LARGE_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hkm_range_set;

struct hkm_range {
    char *base;
    size_t size;                             /* bytes, whole pages */
    struct hkm_range_set *set;               /* of free ranges; NULL: in none */
    bool live;                               /* the program's */
    uintptr_t site;                          /* call site that got it last; 0: unknown */
    uint64_t freed_ns;                       /* in a set: when it was put there */
    bool zero;                               /* in a set: it is known to read as zero */
    struct hkm_range *same_start, *same_end; /* chains of the two indexes */
    struct hkm_range *bin_next, *bin_prev;   /* in a set: of about the same size */
    struct hkm_range *newer, *older;         /* in a set: by age */
};

/* New range, in the indexes and in no set; NULL when there is no memory for its descriptor. */
struct hkm_range *hkm_range_new(char *base, size_t size);
/* Forgets a range that is in no set. */
void hkm_range_delete(struct hkm_range *range);
/* Gives a range that is in no set another place and size. */
void hkm_range_move(struct hkm_range *range, char *base, size_t size);
/* Cuts a range that is in no set down to `size` bytes; the rest becomes a new range of the same
 * site, in no set, which is returned. NULL when there is no memory for its descriptor: the range is
 * then as it was.
 */
struct hkm_range *hkm_range_split(struct hkm_range *range, size_t size);
/* Range that starts, or ends, at an address; NULL when there is none. */
struct hkm_range *hkm_range_at(const void *base);
struct hkm_range *hkm_range_before(const void *end);
/* Range that holds an address; slow, for messages only. */
struct hkm_range *hkm_range_around(const void *address);

#endif
