/* Taking blocks out of a slab and giving them back: the lock-free heart (states: superslab.h). */
#ifndef HKM_SUPERSLAB_SLAB_H
#define HKM_SUPERSLAB_SLAB_H

#include <stdbool.h>

#include "superslab/superslab.h"

/* Takes up to `want` blocks, lowest address first, into out[]; returns how many. *zero says whether
 * the first of them is known to read as zero. The caller owns the slab. */
size_t hkm_slab_take(struct hkm_slab *slab, void **out, size_t want, bool *zero);

/* Lets go of an OWNED slab without free blocks: it becomes FULL. Returns false when blocks came
 * back meanwhile: the caller then still owns it and finds them there. */
bool hkm_slab_release_full(struct hkm_slab *slab);

/* What a giver has to do next, as its slab may have become something else by the blocks given. */
enum hkm_given {
    HKM_GIVEN,         /* nothing */
    HKM_GIVEN_TO_FULL, /* the slab was FULL: it must be made LISTED or OWNED */
    HKM_GIVEN_LAST,    /* every block of the slab is back in it */
};

/* Sets the free bits `mask` of one word of the slab: one atomic step. *control is the slab's
 * control word afterwards. Bits that were set already are a double free that no state byte showed:
 * *twice gets them, and they count for nothing. */
enum hkm_given hkm_slab_give(struct hkm_slab *slab, unsigned word, uint64_t mask, uint64_t *control,
                             uint64_t *twice);

/* Whether any, or every, block of the slab is free at this moment. */
bool hkm_slab_has_free(struct hkm_slab *slab, unsigned capacity);
bool hkm_slab_all_free(struct hkm_slab *slab, unsigned capacity);

/* Changes the state of a slab from that of *control, if it and the generation still are so;
 * *control is then the new one. */
bool hkm_slab_change(struct hkm_slab *slab, uint64_t *control, enum hkm_slab_state to);

#endif
