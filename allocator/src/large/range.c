/* See range.h. Two hash indexes, by start and by end, with chains. */
#include "large/range.h"

#include "os/sys.h"

/* Chains stay short up to some ten thousand blocks of over 1 MiB, which is more than memory usually
 * holds. */
#define BUCKET_BITS 12
static struct hkm_range *by_start[1u << BUCKET_BITS], *by_end[1u << BUCKET_BITS];

/* Descriptors are cut from chunks and used again; chunks stay. */
#define CHUNK 65536u
static struct hkm_range *unused;

static size_t bucket(const void *address) {
    return (size_t)((((uintptr_t)address >> 12) * UINT64_C(0x9e3779b97f4a7c15)) >>
                    (64 - BUCKET_BITS)); /* Fibonacci hashing */
}

static char *end_of(const struct hkm_range *range) {
    return range->base + range->size;
}

static void index_add(struct hkm_range *range) {
    struct hkm_range **start = &by_start[bucket(range->base)];
    struct hkm_range **end = &by_end[bucket(end_of(range))];
    range->same_start = *start;
    range->same_end = *end;
    *start = *end = range;
}

static void index_remove(struct hkm_range *range) {
    struct hkm_range **at = &by_start[bucket(range->base)];
    while (*at != range) {
        at = &(*at)->same_start;
    }
    *at = range->same_start;
    at = &by_end[bucket(end_of(range))];
    while (*at != range) {
        at = &(*at)->same_end;
    }
    *at = range->same_end;
}

struct hkm_range *hkm_range_new(char *base, size_t size) {
    if (unused == NULL) {
        struct hkm_range *chunk = hkm_sys_mmap(CHUNK);
        if (chunk == NULL) {
            return NULL;
        }
        for (size_t i = 0; i < CHUNK / sizeof *chunk; i++) {
            chunk[i].same_start = unused;
            unused = &chunk[i];
        }
    }
    struct hkm_range *range = unused;
    unused = range->same_start;
    *range = (struct hkm_range){.base = base, .size = size};
    index_add(range);
    return range;
}

void hkm_range_delete(struct hkm_range *range) {
    index_remove(range);
    range->same_start = unused;
    unused = range;
}

void hkm_range_move(struct hkm_range *range, char *base, size_t size) {
    index_remove(range);
    range->base = base;
    range->size = size;
    index_add(range);
}

struct hkm_range *hkm_range_split(struct hkm_range *range, size_t size) {
    struct hkm_range *rest = hkm_range_new(range->base + size, range->size - size);
    if (rest != NULL) {
        rest->site = range->site;
        hkm_range_move(range, range->base, size);
    }
    return rest;
}

struct hkm_range *hkm_range_at(const void *base) {
    struct hkm_range *range = by_start[bucket(base)];
    while (range != NULL && range->base != base) {
        range = range->same_start;
    }
    return range;
}

struct hkm_range *hkm_range_before(const void *end) {
    struct hkm_range *range = by_end[bucket(end)];
    while (range != NULL && end_of(range) != end) {
        range = range->same_end;
    }
    return range;
}

struct hkm_range *hkm_range_around(const void *address) {
    for (size_t i = 0; i < (size_t)1 << BUCKET_BITS; i++) {
        for (struct hkm_range *range = by_start[i]; range != NULL; range = range->same_start) {
            if ((uintptr_t)address - (uintptr_t)range->base < range->size) {
                return range;
            }
        }
    }
    return NULL;
}
