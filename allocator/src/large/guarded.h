/*
 * VARIANT=hardened: instead of the caches of the large path. Every large block is a mapping of its
 * own between two guard pages, so that the first access outside its pages ends the program. Freed,
 * it loses its pages and every access to it; its address waits among many, to be given up in no
 * foreseeable order. All under the large path's lock.
 */
#ifndef HKM_LARGE_GUARDED_H
#define HKM_LARGE_GUARDED_H

#include <stddef.h>

#include "large/range.h"

#ifdef HKM_HARDENED
#define HKM_GUARDED 1
#else
#define HKM_GUARDED 0
#endif

/* A range of `size` bytes, whole pages, at a multiple of `alignment`, that reads as zero; NULL with
 * errno ENOMEM. */
struct hkm_range *hkm_guarded_new(size_t size, size_t alignment);
/* Takes the pages of a freed range, and whatever access there is to its addresses. */
void hkm_guarded_retire(struct hkm_range *range);

#endif
