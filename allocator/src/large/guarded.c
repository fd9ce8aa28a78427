/* See guarded.h. Empty in other builds. */
#include "large/guarded.h"

#if HKM_GUARDED

#include <errno.h>
#include <stdint.h>

#include "debug/hardened.h"
#include "os/sys.h"

#define PLACES 256u
static struct hkm_range *places[PLACES];

/* Range and guard pages. */
static void give_up(struct hkm_range *range) {
    hkm_sys_munmap(range->base - HKM_PAGE, range->size + 2 * HKM_PAGE);
    hkm_range_delete(range);
}

/* Gives up all that waits; false when nothing did. */
static bool drain(void) {
    bool any = false;
    for (unsigned i = 0; i < PLACES; i++) {
        if (places[i] != NULL) {
            give_up(places[i]);
            places[i] = NULL;
            any = true;
        }
    }
    return any;
}

/* Page-aligned addresses of a range with a guard page on either side, or NULL. */
static char *map(size_t size, size_t alignment) {
    const size_t mapped = size + 2 * HKM_PAGE;
    const size_t slack = alignment > HKM_PAGE ? alignment - HKM_PAGE : 0;
    char *const start = hkm_sys_mmap_sealed(mapped + slack);
    if (start == NULL) {
        return NULL;
    }
    const size_t lead = (size_t)(-(uintptr_t)(start + HKM_PAGE) & (alignment - 1));
    if (lead > 0) {
        hkm_sys_munmap(start, lead);
    }
    if (slack > lead) {
        hkm_sys_munmap(start + lead + mapped, slack - lead);
    }
    char *const base = start + lead + HKM_PAGE;
    if (!hkm_sys_unseal(base, size)) {
        hkm_sys_munmap(base - HKM_PAGE, mapped);
        return NULL;
    }
    return base;
}

struct hkm_range *hkm_guarded_new(size_t size, size_t alignment) {
    char *base = map(size, alignment);
    if (base == NULL && drain()) { /* a limit of address space or of mappings */
        base = map(size, alignment);
    }
    struct hkm_range *range = base != NULL ? hkm_range_new(base, size) : NULL;
    if (range != NULL) {
        range->zero = true;
    } else if (base != NULL) {
        hkm_sys_munmap(base - HKM_PAGE, size + 2 * HKM_PAGE);
    }
    return range;
}

void hkm_guarded_retire(struct hkm_range *range) {
    hkm_sys_seal(range->base, range->size);
    struct hkm_range **place = &places[hkm_hardened_random() % PLACES];
    if (*place != NULL) {
        give_up(*place);
    }
    *place = range;
}

#else
typedef int hkm_not_guarded; /* ISO C wants a declaration */
#endif
