/* Allocating and using blocks, as all scenarios do it. */
#ifndef HKL_BLOCKS_H
#define HKL_BLOCKS_H

#include "harness/fail.h"

#include <stddef.h>
#include <stdlib.h>

enum { HKL_PAGE = 4096 };

/* malloc(size); NULL ends the driver with a message. Volatile, so that each write to a block is
 * made. */
static inline volatile char *hkl_allocate(size_t size) {
    volatile char *block = malloc(size);
    if (__builtin_expect(!block, 0))
        hkl_fail(HKL_EXIT_FAILED, "scenario failed: malloc(%zu) returned NULL", size);
    return block;
}

/* calloc(1, size), else as hkl_allocate(). */
static inline volatile char *hkl_allocate_zeroed(size_t size) {
    volatile char *block = calloc(1, size);
    if (__builtin_expect(!block, 0))
        hkl_fail(HKL_EXIT_FAILED, "scenario failed: calloc(1, %zu) returned NULL", size);
    return block;
}

/* realloc(block, size), else as hkl_allocate(). */
static inline volatile char *hkl_reallocate(volatile char *block, size_t size) {
    volatile char *moved = realloc((void *)block, size);
    if (__builtin_expect(!moved, 0))
        hkl_fail(HKL_EXIT_FAILED, "scenario failed: realloc to %zu returned NULL", size);
    return moved;
}

/* free() of a block from hkl_allocate(); NULL is a no-op. */
static inline void hkl_release(volatile char *block) {
    free((void *)block);
}

/* Writes the first and the last byte; size 1 or more. */
static inline void hkl_touch_ends(volatile char *block, size_t size) {
    block[0] = 1;
    block[size - 1] = 1;
}

/* Writes one byte in every 4 KiB. */
static inline void hkl_touch_pages(volatile char *block, size_t size) {
    for (size_t offset = 0; offset < size; offset += HKL_PAGE)
        block[offset] = 1;
}

#endif
