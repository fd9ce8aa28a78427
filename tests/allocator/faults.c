/*
 * Runs a fixed sequence of allocator calls while the kernel refuses one system call, or several in
 * a row: FAULT="<mmap|munmap|mremap|madvise> FIRST COUNT" in the environment has calls FIRST ..
 * FIRST+COUNT-1 of that kind fail, counted from 1, the allocator's start included. The linker leads
 * the allocator's calls here (--wrap, tests/build.mk), so the allocator itself has no switch for
 * this. Every allocation must succeed, or return NULL with ENOMEM when the kernel refused something
 * just then; all else must be as if nothing had happened. Prints how often each system call was
 * made, how many were refused, how many allocations failed, and how many KiB are still mapped at
 * the end, a while after. test_faults.py goes through all FIRST.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "parts.h"

/* ---- The kernel, as the allocator sees it ---- */

enum call { MMAP, MUNMAP, MREMAP, MADVISE, CALLS };
static const char *const names[CALLS] = {"mmap", "munmap", "mremap", "madvise"};

static struct {
    int ready;
    unsigned calls[CALLS];
    enum call victim; /* CALLS: none */
    unsigned first, count;
    unsigned refused;
    size_t mapped; /* bytes */
} kernel = {.victim = CALLS};

/* The first system call may come before main, even before there is an environment. */
static void read_plan(void) {
    const char *plan = environ != NULL ? getenv("FAULT") : NULL;
    kernel.ready = environ != NULL;
    for (unsigned i = 0; plan != NULL && i < CALLS; i++) {
        const size_t length = strlen(names[i]);
        if (strncmp(plan, names[i], length) == 0 && plan[length] == ' ') {
            char *end;
            kernel.victim = i;
            kernel.first = (unsigned)strtoul(plan + length, &end, 10);
            kernel.count = (unsigned)strtoul(end, NULL, 10);
        }
    }
}

static int refuses(enum call call) {
    if (!kernel.ready) {
        read_plan();
    }
    const unsigned n = ++kernel.calls[call];
    if (call != kernel.victim || n < kernel.first || n - kernel.first >= kernel.count) {
        return 0;
    }
    kernel.refused++;
    errno = EAGAIN; /* not the ENOMEM that the allocator must make of it */
    return 1;
}

void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t size);
void *__real_mremap(void *address, size_t old_size, size_t new_size, int flags);
int __real_madvise(void *address, size_t size, int advice);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t size);
void *__wrap_mremap(void *address, size_t old_size, size_t new_size, int flags);
int __wrap_madvise(void *address, size_t size, int advice);

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
    void *got =
        refuses(MMAP) ? MAP_FAILED : __real_mmap(address, size, protection, flags, fd, offset);
    kernel.mapped += got != MAP_FAILED ? size : 0;
    return got;
}

int __wrap_munmap(void *address, size_t size) {
    if (refuses(MUNMAP) || __real_munmap(address, size) != 0) {
        return -1;
    }
    kernel.mapped -= size;
    return 0;
}

void *__wrap_mremap(void *address, size_t old_size, size_t new_size, int flags) {
    void *got = refuses(MREMAP) ? MAP_FAILED : __real_mremap(address, old_size, new_size, flags);
    kernel.mapped += got != MAP_FAILED ? new_size - old_size : 0;
    return got;
}

int __wrap_madvise(void *address, size_t size, int advice) {
    return refuses(MADVISE) ? -1 : __real_madvise(address, size, advice);
}

/* ---- The program ---- */

static unsigned failed; /* allocations */

static void wrong(const char *what) {
    fprintf(stderr, "wrong: %s (after %u refusals)\n", what, kernel.refused);
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
        const unsigned refused = kernel.refused;
        errno = 0;
        block = call(kind, slot, size, alignment);
        if (block != NULL) {
            break;
        }
        failed++;
        if (errno != ENOMEM) {
            wrong("NULL without ENOMEM");
        }
        if (kernel.refused == refused) {
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
            const unsigned refused = kernel.refused;
            error = pthread_create(&thread, NULL, run_thread, (void *)seed);
            if (error != 0 && refused == kernel.refused) {
                wrong("no thread, though the kernel refused nothing");
            }
        } while (error != 0);
        pthread_join(thread, NULL);
    }
    run(99);
}

/* Bytes that the allocator knows to have mapped for blocks. */
static size_t accounted_for(void) {
    return (stat_of("superslab.live") + stat_of("superslab.cached")) * 2 * MIB +
           stat_of("large.live_bytes") + stat_of("whale.cached_bytes") +
           stat_of("big.cached_bytes") + stat_of("region.cached_bytes");
}

int main(void) {
    run_all();
    const unsigned refused = kernel.refused;
    const unsigned failed_before = failed;
    unsigned calls[CALLS];
    memcpy(calls, kernel.calls, sizeof calls);
    kernel.victim = CALLS;
    run(100);
    if (failed != failed_before) {
        wrong("an allocation failed after the kernel was well again");
    }
    char line[200];
    const int length = snprintf(
        line, sizeof line, "mmap %u munmap %u mremap %u madvise %u refused %u failed %u rest %zu\n",
        calls[MMAP], calls[MUNMAP], calls[MREMAP], calls[MADVISE], refused, failed,
        (kernel.mapped - accounted_for()) / KIB);
    return write(STDOUT_FILENO, line, (size_t)length) == length ? 0 : 1;
}
