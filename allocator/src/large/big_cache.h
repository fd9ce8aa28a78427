/*
 * The BigCache: a few freed blocks of more than 1 MiB and less than the whale threshold, found
 * again by size class (four to a doubling) and call site: a site tends to ask for what it has just
 * freed. All under the large path's lock.
 */
#ifndef HKM_LARGE_BIG_CACHE_H
#define HKM_LARGE_BIG_CACHE_H

#include "large/range.h"

/* Blocks of at most this are none of its (the large path has such of realloc, and with
 * HAKMEM_MID=0). */
#define HKM_BIG_ABOVE ((size_t)1 << 20)

/* Bytes that a request below the whale threshold is rounded up to, so that blocks of a class are
 * alike. */
size_t hkm_big_round(size_t size);
/* A range of exactly `size` (rounded) bytes that the site freed; NULL when there is none. */
struct hkm_range *hkm_big_get(size_t size, uintptr_t site);
/* Keeps a range as of now_ns; false when its place is taken or it is none of a class: it is the
 * caller's. */
bool hkm_big_put(struct hkm_range *range, uint64_t now_ns);
/* Takes out a range that was put before since_ns; NULL when there is none. */
struct hkm_range *hkm_big_expire(uint64_t since_ns);

#endif
