/*
 * The region cache: address ranges whose pages were given back. They are found again by best fit,
 * may be split and joined, and are bounded in bytes and in number; beyond that, they are unmapped.
 * All under the large path's lock.
 */
#ifndef HKM_LARGE_REGION_CACHE_H
#define HKM_LARGE_REGION_CACHE_H

#include "large/range.h"

/* A range of at least `size` bytes, taken out; NULL when there is none. */
struct hkm_range *hkm_region_get(size_t size);
/* Keeps a range whose pages are gone (range->zero says whether it reads as zero). May unmap others,
 * or this one. */
void hkm_region_put(struct hkm_range *range, uint64_t now_ns);
/* Whether a free range is in the region cache, and not in the whale cache. */
bool hkm_region_holds(const struct hkm_range *range);
size_t hkm_region_bytes(void);

#endif
