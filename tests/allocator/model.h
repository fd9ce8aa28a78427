/*
 * A model of what an allocator promises, by which any sequence of calls can be judged: a slot knows
 * what its block must hold, and each call on it is checked at once. What is wrong is said on
 * standard error, with the words of model_context, and the process aborts.
 */
#ifndef TESTS_ALLOCATOR_MODEL_H
#define TESTS_ALLOCATOR_MODEL_H

#include <stddef.h>
#include <stdint.h>

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
/* While it is set, memory may run out: NULL with ENOMEM is right, too, and counted. The slot is
 * then without a block, or, where realloc failed, as it was. */
extern _Atomic int model_may_fail;
extern _Atomic unsigned long model_failed;
/* Whether no two of the slots' blocks overlap; sorts the slots by address. */
void model_check_apart(struct model_slot *slots, size_t count);

/* Printed with what is wrong; per thread. */
extern _Thread_local char model_context[160];

#endif
