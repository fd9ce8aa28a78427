/* See model.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

_Thread_local char model_context[160];
_Atomic int model_may_fail;
_Atomic unsigned long model_failed;

static void wrong(const char *what, const struct model_slot *slot, size_t at) {
    fprintf(stderr, "model: %s: block %p size %zu usable %zu, at byte %zu; %s\n", what,
            (void *)slot->block, slot->size, slot->usable, at, model_context);
    abort();
}

/* ---- Contents: every byte of a small block; of larger ones the first and last bytes, to the last
 * usable one, and eight of each 4 KiB ---- */

enum { WHOLE = 1024, ENDS = 64, STEP = 4096 };

static uint64_t word_at(uint64_t pattern, size_t i) {
    return (pattern ^ i) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill_part(unsigned char *block, size_t from, size_t to, uint64_t pattern) {
    size_t i = from;
    for (; i + 8 <= to; i += 8) {
        const uint64_t word = word_at(pattern, i);
        memcpy(block + i, &word, 8);
    }
    const uint64_t word = word_at(pattern, i);
    memcpy(block + i, &word, to - i);
}

/* First byte in [from, to) that is not as filled; or `to`. `from` is one that fill_part began at.
 */
static size_t different_in(const unsigned char *block, size_t from, size_t to, uint64_t pattern) {
    for (size_t i = from; i < to; i += 8) {
        const uint64_t word = word_at(pattern, i);
        if (memcmp(block + i, &word, to - i < 8 ? to - i : 8) != 0) {
            return i;
        }
    }
    return to;
}

static size_t tail_of(size_t usable) {
    return (usable - ENDS) & ~(size_t)7;
}

static void fill_block(struct model_slot *slot) {
    if (slot->usable <= WHOLE) {
        fill_part(slot->block, 0, slot->usable, slot->pattern);
        return;
    }
    fill_part(slot->block, 0, ENDS, slot->pattern);
    for (size_t i = STEP; i + ENDS + 8 <= slot->usable; i += STEP) {
        fill_part(slot->block, i, i + 8, slot->pattern);
    }
    fill_part(slot->block, tail_of(slot->usable), slot->usable, slot->pattern);
}

/* Checks what was filled, as far as the first `kept` bytes of it, now at `block`. */
static void check_kept(const struct model_slot *slot, const unsigned char *block, size_t kept,
                       const char *what) {
    const size_t whole = slot->usable <= WHOLE ? slot->usable : ENDS;
    const size_t first = kept < whole ? kept : whole;
    size_t at = different_in(block, 0, first, slot->pattern);
    if (at < first) {
        wrong(what, slot, at);
    }
    if (slot->usable <= WHOLE) {
        return;
    }
    for (size_t i = STEP; i + 8 <= kept && i + ENDS + 8 <= slot->usable; i += STEP) {
        if (different_in(block, i, i + 8, slot->pattern) < i + 8) {
            wrong(what, slot, i);
        }
    }
    const size_t tail = tail_of(slot->usable);
    if (kept > tail && (at = different_in(block, tail, kept, slot->pattern)) < kept) {
        wrong(what, slot, at);
    }
}

/* ---- Calls ---- */

static void *allocate(enum model_call call, size_t size, size_t alignment) {
    void *block = NULL;
    switch (call) {
    case MODEL_CALLOC:
        return size % 3 == 0 ? calloc(size / 3, 3) : calloc(size, 1);
    case MODEL_ALIGNED_ALLOC:
        return aligned_alloc(alignment, size);
    case MODEL_MEMALIGN:
        return memalign(alignment, size);
    case MODEL_POSIX_MEMALIGN:
        errno = posix_memalign(&block, alignment, size);
        return block;
    case MODEL_VALLOC:
        return valloc(size);
    case MODEL_PVALLOC:
        return pvalloc(size);
    default:
        return malloc(size);
    }
}

static size_t alignment_due(enum model_call call, size_t size, size_t alignment) {
    const size_t natural = size <= 8 ? 8 : 16;
    switch (call) {
    case MODEL_ALIGNED_ALLOC:
    case MODEL_MEMALIGN:
    case MODEL_POSIX_MEMALIGN:
        return alignment;
    case MODEL_VALLOC:
    case MODEL_PVALLOC:
        return 4096;
    default:
        return natural;
    }
}

static void check_zero(const struct model_slot *slot) {
    const unsigned char *bytes = slot->block;
    if (slot->size > 0 && (bytes[0] != 0 || memcmp(bytes, bytes + 1, slot->size - 1) != 0)) {
        size_t at = 0;
        while (bytes[at] == 0) {
            at++;
        }
        wrong("calloc gave what is not zero", slot, at);
    }
}

void model_do(struct model_slot *slot, enum model_call call, size_t size, size_t alignment,
              uint64_t pattern) {
    if (slot->block != NULL) {
        if (malloc_usable_size(slot->block) != slot->usable) {
            wrong("the usable size changed", slot, 0);
        }
        check_kept(slot, slot->block, slot->usable, "contents changed");
    }
    if (call == MODEL_CHECK) {
        return;
    }
    const struct model_slot before = *slot;
    unsigned char *block = NULL;
    if (slot->block != NULL && (call == MODEL_REALLOC || call == MODEL_REALLOCARRAY)) {
        size += size == 0;
        errno = 0;
        block =
            call == MODEL_REALLOC ? realloc(slot->block, size) : reallocarray(slot->block, size, 1);
        if (block != NULL) {
            check_kept(&before, block, before.size < size ? before.size : size,
                       "realloc lost contents");
        }
    } else {
        const int errno_before = errno;
        free(slot->block);
        if (errno != errno_before) {
            wrong("free changed errno", slot, 0);
        }
        slot->block = NULL;
        if (call == MODEL_FREE) {
            return;
        }
        if (call == MODEL_POSIX_MEMALIGN && alignment < sizeof(void *)) {
            alignment = sizeof(void *);
        }
        errno = 0;
        block = allocate(call, size, alignment);
    }
    if (block == NULL && model_may_fail && errno == ENOMEM) {
        model_failed++;
        return;
    }
    *slot = (struct model_slot){block, size, 0, pattern};
    if (block == NULL) {
        wrong("no memory", slot, 0);
    }
    slot->usable = malloc_usable_size(block);
    if (slot->usable < size) {
        wrong("usable size below the size", slot, 0);
    }
    if ((uintptr_t)block % alignment_due(call, size, alignment) != 0) {
        wrong("not aligned", slot, alignment);
    }
    if (call == MODEL_CALLOC) {
        check_zero(slot);
    }
    fill_block(slot);
}

/* ---- All blocks together ---- */

static int by_address(const void *a, const void *b) {
    const struct model_slot *left = a, *right = b;
    return left->block < right->block ? -1 : left->block > right->block;
}

void model_check_apart(struct model_slot *slots, size_t count) {
    qsort(slots, count, sizeof *slots, by_address);
    for (size_t i = 0; i + 1 < count; i++) {
        /* malloc(0) is a block of its own, too */
        const size_t own = slots[i].usable > 0 ? slots[i].usable : 1;
        if (slots[i].block != NULL && slots[i].block + own > slots[i + 1].block) {
            wrong("overlaps the next block", &slots[i],
                  (size_t)(slots[i + 1].block - slots[i].block));
        }
    }
}
