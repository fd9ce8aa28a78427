/*
 * Build variant 'guess' (allocator/variants.mk): free() as it was before there was an address map,
 * for the phases that compare the two.
 *
 * The prototype took the SuperSlab's head for granted at the pointer rounded down to a SuperSlab's
 * size, and read there what the pointer is. A foreign pointer led it to memory that need not be
 * mapped, and it crashed; then it asked the kernel first, by one mincore for each free that its
 * thread's own cache had no answer for. Here stand for these "doubtful" frees all that leave free's
 * fast path: those of blocks whose bin is full, of large blocks, and of pointers that are no block.
 * Each costs the system call; what it says changes nothing for a block of ours, and a pointer into
 * nowhere is a foreign one.
 *
 * What mincore answers is whether something is mapped, not whether it may be read: as a check it
 * was never safe. In the default build none of this exists: the state map has answered.
 */
#ifndef HKM_SUPERSLAB_GUESS_H
#define HKM_SUPERSLAB_GUESS_H

#ifndef HKM_GUESS
#define HKM_GUESS 0
#endif

#if HKM_GUESS
#include <stdint.h>

#include "os/sys.h"

/* Whether there is something mapped at a pointer that is to be freed. */
static inline bool hkm_guess_mapped(const void *pointer) {
    return hkm_sys_is_mapped((const void *)((uintptr_t)pointer & ~(uintptr_t)(HKM_PAGE - 1)));
}
#else
#define hkm_guess_mapped(pointer) true
#endif

#endif
