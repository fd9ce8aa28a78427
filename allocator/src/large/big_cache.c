/* See big_cache.h. */
#include "large/big_cache.h"

#include "debug/counters.h"

/* At most this many blocks of a class and site, and so many sites apart: 4 x 8 x 2 blocks. */
#define CLASSES 4u
#define SITES   8u
#define PLACES  2u
#define STEP    ((size_t)256 << 10) /* classes of 1.25, 1.5, 1.75 and 2 MiB */

static struct hkm_range *places[CLASSES][SITES][PLACES];

size_t hkm_big_round(size_t size) {
    return (size + STEP - 1) & ~(STEP - 1);
}

/* Place of a size and site; NULL when the size is none of a class. */
static struct hkm_range **row(size_t size, uintptr_t site) {
    const size_t cls = size / STEP - 5;
    return size % STEP == 0 && cls < CLASSES
               ? places[cls][(site * UINT64_C(0x9e3779b97f4a7c15)) >> 61]
               : NULL;
}

struct hkm_range *hkm_big_get(size_t size, uintptr_t site) {
    struct hkm_range **at = row(size, site);
    for (unsigned i = 0; at != NULL && i < PLACES; i++) {
        struct hkm_range *range = at[i];
        if (range != NULL) {
            at[i] = NULL;
            hkm_count(HKM_BIG_HIT, 1);
            hkm_gauge_sub(HKM_BIG_BYTES, range->size);
            return range;
        }
    }
    hkm_count(HKM_BIG_MISS, 1);
    return NULL;
}

bool hkm_big_put(struct hkm_range *range, uint64_t now_ns) {
    struct hkm_range **at = row(range->size, range->site);
    for (unsigned i = 0; at != NULL && i < PLACES; i++) {
        if (at[i] == NULL) {
            at[i] = range;
            range->freed_ns = now_ns;
            range->zero = false;
            hkm_count(HKM_BIG_PUT, 1);
            hkm_count(HKM_BIG_BYTES, range->size);
            return true;
        }
    }
    return false;
}

struct hkm_range *hkm_big_expire(uint64_t since_ns) {
    struct hkm_range **at = &places[0][0][0];
    for (size_t i = 0; i < (size_t)CLASSES * SITES * PLACES; i++) {
        struct hkm_range *range = at[i];
        if (range != NULL && range->freed_ns <= since_ns) {
            at[i] = NULL;
            hkm_gauge_sub(HKM_BIG_BYTES, range->size);
            return range;
        }
    }
    return NULL;
}
