/*
 * A model of what an allocator promises, by which any sequence of calls can be judged: a slot knows
 * what its block must hold, and each call on it is checked at once. What is wrong is said on
 * standard error, with the words of model_context, and the process aborts.
 *
 * Built with MODEL_PREFIXED, the hak_ names are called: for builds in which a sanitizer has the
 * standard names.
 */
#ifndef TESTS_ALLOCATOR_MODEL_H
#define TESTS_ALLOCATOR_MODEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef MODEL_PREFIXED
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
#define pvalloc(size)      hak_aligned_alloc(4096, ((size) + 4095) & ~(size_t)4095)
#endif

enum model_call {
    MODEL_FREE,
    MODEL_MALLOC,
    MODEL_CALLOC,
    MODEL_REALLOC,
    MODEL_REALLOCARRAY,
    MODEL_ALIGNED_ALLOC,
    MODEL_POSIX_MEMALIGN,
    MODEL_MEMALIGN,
    MODEL_VALLOC,
    MODEL_PVALLOC,
    MODEL_CHECK, /* no call: looks at the block */
    MODEL_CALLS
};

struct model_slot {
    unsigned char *block; /* NULL: none; usable bytes are filled */
    size_t size;          /* asked for */
    size_t usable;
    uint64_t pattern;
};

/* Makes one call on the slot. Those that give a new block free the old one first; alignment is a
 * power of two, for those that take one. */
void model_do(struct model_slot *slot, enum model_call call, size_t size, size_t alignment,
              uint64_t pattern);
/* Whether no two of the slots' blocks overlap; sorts the slots by address. */
void model_check_apart(struct model_slot *slots, size_t count);

/* Printed with what is wrong; per thread. */
extern _Thread_local char model_context[160];

#endif
