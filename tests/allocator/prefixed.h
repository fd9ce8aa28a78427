/*
 * Included before everything else in builds for a sanitizer, which has the standard names for its
 * own allocator: a test's calls go to the hak_ names instead.
 */
#ifndef TESTS_ALLOCATOR_PREFIXED_H
#define TESTS_ALLOCATOR_PREFIXED_H

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "hakmem.h"

#define malloc             hak_malloc
#define free               hak_free
#define calloc             hak_calloc
#define realloc            hak_realloc
#define reallocarray       hak_reallocarray
#define aligned_alloc      hak_aligned_alloc
#define memalign           hak_aligned_alloc
#define posix_memalign     hak_posix_memalign
#define malloc_usable_size hak_malloc_usable_size
#define valloc(size)       hak_aligned_alloc(4096, size)
#define pvalloc(size)                                                                              \
    hak_aligned_alloc(4096, (size) > SIZE_MAX / 2 ? (size) : ((size) + 4095) / 4096 * 4096)

#endif
