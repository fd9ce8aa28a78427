/*
 * VARIANT=hardened: a program that misuses memory is ended as soon as it shows, whatever
 * HAKMEM_ON_ERROR says, and is hard to lead anywhere until then:
 *   - a free block is filled with a pattern, and looked at before it is given out again: a write
 *     after free ends the program;
 *   - quarantine: a freed block of up to 64 KiB waits in one of many places, chosen at random,
 * until another one comes to that place; so no block comes back at once, nor in any order;
 *   - placement: the blocks that a refill brings are shuffled;
 *   - larger blocks lie between guard pages, and lose every access when freed (large/guarded.h).
 */
#ifndef HKM_DEBUG_HARDENED_H
#define HKM_DEBUG_HARDENED_H

#include <stddef.h>
#include <stdint.h>

#ifdef HKM_HARDENED

/* Fills a block that becomes free; looks at one that is given out, and aborts if a word of it is
 * neither the pattern nor, as fresh pages are, 0. size: bytes, a multiple of 8. */
void hkm_hardened_freed(void *block, size_t size);
void hkm_hardened_allocated(void *block, size_t size);
/* Takes what the program frees into quarantine; returns what is to be freed instead: the block that
 * leaves, NULL, or the pointer itself where it is no block for the quarantine. */
void *hkm_hardened_exchange(void *block);
/* Puts blocks[0 .. n-1] into random order. */
void hkm_hardened_shuffle(void **blocks, size_t n);
/* Random bits nobody outside can foresee, good enough for a choice of places. */
uint64_t hkm_hardened_random(void);

#endif

#endif
