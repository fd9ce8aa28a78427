/* See region_cache.h. */
#include "large/region_cache.h"

#include "debug/counters.h"
#include "large/range_set.h"
#include "os/sys.h"
#include "policy/settings.h"

static struct hkm_range_set regions;

struct hkm_range *hkm_region_get(size_t size) {
    struct hkm_range *range = hkm_range_set_find(&regions, size);
    if (range != NULL) {
        hkm_range_set_remove(&regions, range);
        hkm_count(HKM_REGION_HIT, 1);
    }
    return range;
}

void hkm_region_put(struct hkm_range *range, uint64_t now_ns) {
    hkm_range_set_put(&regions, range, now_ns);
    while (regions.oldest != NULL && (regions.bytes > hkm_settings.region_max_bytes ||
                                      regions.count > hkm_settings.region_max_count)) {
        struct hkm_range *old = regions.oldest;
        if (!hkm_sys_munmap(old->base, old->size)) {
            break; /* the hole would be one mapping too many for the kernel: kept for later */
        }
        hkm_range_set_remove(&regions, old);
        hkm_range_delete(old);
        hkm_count(HKM_REGION_UNMAP, 1);
    }
}

bool hkm_region_holds(const struct hkm_range *range) {
    return range->set == &regions;
}

size_t hkm_region_bytes(void) {
    return regions.bytes;
}
