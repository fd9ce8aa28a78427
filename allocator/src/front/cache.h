/*
 * The unified cache: for each class a bounded stack of free blocks of the thread (heap.h has its
 * layout). malloc pops, free pushes, whoever the block's slab belongs to; nothing here is atomic.
 * What happens when a bin is empty or full is here; the pop and the push themselves are in
 * api/hakmem.c.
 */
#ifndef HKM_FRONT_CACHE_H
#define HKM_FRONT_CACHE_H

#include "front/heap.h"

/* Refills the class's bin, which is empty, and takes a block from it. NULL with errno ENOMEM when
 * there is no memory. The block is not yet marked as the program's. *zero says whether it is known
 * to read as zero. */
void *hkm_cache_refill(struct hkm_heap *heap, unsigned cls, bool *zero);
/* Makes room in a bin that looks full or is not set up, then puts the block in. Its state is
 * already 0.
 */
void hkm_cache_flush_and_put(struct hkm_heap *heap, unsigned cls, void *block);
/* Gives one block straight back to its slab; for threads without a heap. Its state is already 0. */
void hkm_cache_free_direct(void *block, unsigned cls);
/* Lets go of the heap's warm slabs and gives its cached blocks back, but for those of up to 8 KiB
 * with keep_small. */
void hkm_cache_release(struct hkm_heap *heap, bool keep_small);

#endif
