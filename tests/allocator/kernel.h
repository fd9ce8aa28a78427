/*
 * The kernel between it and an allocator that is linked with --wrap (tests/build.mk), so that the
 * allocator itself has no switch for this: counts the system calls for memory and those refused,
 * and refuses some itself. FAULT="<mmap|munmap|mremap|madvise> FIRST COUNT" in the environment has
 * calls FIRST .. FIRST+COUNT-1 of that kind fail, counted from 1, the allocator's start included.
 * For programs of which one thread at a time allocates.
 */
#ifndef TESTS_ALLOCATOR_KERNEL_H
#define TESTS_ALLOCATOR_KERNEL_H

#include <stddef.h>
#include <sys/types.h>

enum kernel_call { MMAP, MUNMAP, MREMAP, MADVISE, KERNEL_CALLS };

extern struct kernel {
    int ready;
    unsigned calls[KERNEL_CALLS], refused[KERNEL_CALLS];
    enum kernel_call victim; /* KERNEL_CALLS: none */
    unsigned first, count;
    size_t mapped; /* bytes */
} kernel;

/* All that was refused. */
unsigned kernel_refused(void);
/* Bytes that the allocator mapped, but not for blocks. */
size_t kernel_mapped_besides_blocks(void);

/* The calls themselves, for what is not the allocator's. */
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *address, size_t size);

#endif
