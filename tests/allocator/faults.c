/*
 * Runs a fixed sequence of allocator calls while the kernel refuses one system call, or several in
 * a row, as FAULT in the environment says (kernel.h). Every allocation must succeed, or return NULL
 * with ENOMEM when the kernel refused something just then; all else must be as if nothing had
 * happened. Prints how often each system call was made, how many were refused, how many allocations
 * failed, and how many KiB are still mapped at the end, a while after. test_faults.py goes through
 * all FIRST.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"
#include "support.h"

static unsigned failed; /* allocations */

static void wrong(const char *what) {
    fprintf(stderr, "wrong: %s (after %u refusals)\n", what, kernel_refused());
    _exit(3);
}

struct slot {
    char *block;
    size_t size, alignment;
    uint64_t pattern;
};

static void check(const struct slot *slot, size_t size) {
    if (first_difference(slot->block, size, slot->pattern) != size) {
        wrong("a block's contents changed");
    }
}

static void release(struct slot *slot) {
    if (slot->block != NULL) {
        check(slot, slot->size);
    }
    errno = 12345;
    free(slot->block);
    if (errno != 12345) {
        wrong("free changed errno");
    }
    slot->block = NULL;
}

static void *call(unsigned kind, struct slot *slot, size_t size, size_t alignment) {
    void *block = NULL;
    switch (kind) {
    case 0:
        return malloc(size);
    case 1:
        return calloc(size / 7 + 1, 7);
    case 2:
        return slot->block != NULL ? realloc(slot->block, size) : malloc(size);
    case 3:
        return aligned_alloc(alignment, size);
    default:
        errno = posix_memalign(&block, alignment, size);
        return block;
    }
}

/* One call that must give a block, now or when it is tried again. */
static void allocate(unsigned kind, struct slot *slot, size_t size, size_t alignment) {
    char *block;
    for (unsigned tries = 0;; tries++) {
        const unsigned refused = kernel_refused();
        errno = 0;
        block = call(kind, slot, size, alignment);
        if (block != NULL) {
            break;
        }
        failed++;
        if (errno != ENOMEM) {
            wrong("NULL without ENOMEM");
        }
        if (kernel_refused() == refused) {
            wrong("NULL though the kernel refused nothing");
        }
        if (slot->block != NULL) { /* realloc that failed leaves the block */
            check(slot, slot->size);
        }
    }
    const size_t kept = kind != 2 || slot->block == NULL ? 0
                        : slot->size < size              ? slot->size
                                                         : size;
    if (first_difference(block, kept, slot->pattern) != kept) {
        wrong("realloc lost contents");
    }
    if (kind == 1 && !is_zero(block, size)) {
        wrong("calloc gave what is not zero");
    }
    if (kind >= 3 && (uintptr_t)block % alignment != 0) {
        wrong("not aligned");
    }
    if (malloc_usable_size(block) < size) {
        wrong("usable size below the size");
    }
    slot->block = block;
    slot->size = size;
    slot->pattern += 1000;
    fill(block, size, slot->pattern);
}

enum { SLOTS = 40, STEPS = 150 };

static void run(uint64_t random) {
    struct slot slots[SLOTS] = {{NULL, 0, 0, 0}};
    for (size_t size = 2 * MIB; size <= 6 * MIB; size += 2 * MIB) {
        allocate(2, &slots[0], size, 1);
    }
    for (unsigned i = 0; i < STEPS; i++) {
        struct slot *slot = &slots[next_random(&random) % SLOTS];
        const unsigned kind = (unsigned)(next_random(&random) % 6);
        const size_t most = i % 30 == 0 ? 3 * MIB : i % 3 == 0 ? 100 * KIB : 4000;
        const size_t size = random_size(&random, 1, most);
        const size_t alignment = (size_t)8 << next_random(&random) % 14;
        if (kind == 5 || (kind != 2 && slot->block != NULL)) {
            release(slot);
        }
        if (kind != 5) {
            allocate(kind, slot, size, alignment);
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        release(&slots[i]);
    }
}

static void *run_thread(void *seed) {
    run((uint64_t)(uintptr_t)seed);
    return NULL;
}

/* One after the other, so that each n means the same call in every run. */
static void run_all(void) {
    for (uintptr_t seed = 1; seed <= 3; seed++) {
        pthread_t thread;
        int error;
        do {
            const unsigned refused = kernel_refused();
            error = pthread_create(&thread, NULL, run_thread, (void *)seed);
            if (error != 0 && refused == kernel_refused()) {
                wrong("no thread, though the kernel refused nothing");
            }
        } while (error != 0);
        pthread_join(thread, NULL);
    }
    run(99);
}

int main(void) {
    run_all();
    const unsigned refused = kernel_refused();
    const unsigned failed_before = failed;
    unsigned calls[KERNEL_CALLS];
    memcpy(calls, kernel.calls, sizeof calls);
    kernel.victim = KERNEL_CALLS;
    run(100);
    if (failed != failed_before) {
        wrong("an allocation failed after the kernel was well again");
    }
    char line[200];
    const int length = snprintf(
        line, sizeof line, "mmap %u munmap %u mremap %u madvise %u refused %u failed %u rest %zu\n",
        calls[MMAP], calls[MUNMAP], calls[MREMAP], calls[MADVISE], refused, failed,
        kernel_mapped_besides_blocks() / KIB);
    return write(STDOUT_FILENO, line, (size_t)length) == length ? 0 : 1;
}
