/* See kernel.h. */
#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "parts.h"

static const char *const names[KERNEL_CALLS] = {"mmap", "munmap", "mremap", "madvise"};

struct kernel kernel = {.victim = KERNEL_CALLS};

/* The first system call may come before main, even before there is an environment. */
static void read_plan(void) {
    const char *plan = environ != NULL ? getenv("FAULT") : NULL;
    kernel.ready = environ != NULL;
    for (unsigned i = 0; plan != NULL && i < KERNEL_CALLS; i++) {
        const size_t length = strlen(names[i]);
        if (strncmp(plan, names[i], length) == 0 && plan[length] == ' ') {
            char *end;
            kernel.victim = i;
            kernel.first = (unsigned)strtoul(plan + length, &end, 10);
            kernel.count = (unsigned)strtoul(end, NULL, 10);
        }
    }
}

static int refuses(enum kernel_call call) {
    if (!kernel.ready) {
        read_plan();
    }
    const unsigned n = ++kernel.calls[call];
    if (call != kernel.victim || n < kernel.first || n - kernel.first >= kernel.count) {
        return 0;
    }
    kernel.refused[call]++;
    errno = EAGAIN; /* not the ENOMEM that the allocator must make of it */
    return 1;
}

/* Whether a call that was not refused here has worked; counts where the kernel itself refused. */
static int worked(enum kernel_call call, int ok) {
    kernel.refused[call] += !ok && errno == ENOMEM;
    return ok;
}

void *__real_mremap(void *address, size_t old_size, size_t new_size, int flags);
int __real_madvise(void *address, size_t size, int advice);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_munmap(void *address, size_t size);
void *__wrap_mremap(void *address, size_t old_size, size_t new_size, int flags);
int __wrap_madvise(void *address, size_t size, int advice);

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
    if (refuses(MMAP)) {
        return MAP_FAILED;
    }
    void *got = __real_mmap(address, size, protection, flags, fd, offset);
    kernel.mapped += worked(MMAP, got != MAP_FAILED) ? size : 0;
    return got;
}

int __wrap_munmap(void *address, size_t size) {
    if (refuses(MUNMAP) || !worked(MUNMAP, __real_munmap(address, size) == 0)) {
        return -1;
    }
    kernel.mapped -= size;
    return 0;
}

void *__wrap_mremap(void *address, size_t old_size, size_t new_size, int flags) {
    if (refuses(MREMAP)) {
        return MAP_FAILED;
    }
    void *got = __real_mremap(address, old_size, new_size, flags);
    kernel.mapped += worked(MREMAP, got != MAP_FAILED) ? new_size - old_size : 0;
    return got;
}

int __wrap_madvise(void *address, size_t size, int advice) {
    if (refuses(MADVISE)) {
        return -1;
    }
    return worked(MADVISE, __real_madvise(address, size, advice) == 0) ? 0 : -1;
}

unsigned kernel_refused(void) {
    unsigned sum = 0;
    for (unsigned i = 0; i < KERNEL_CALLS; i++) {
        sum += kernel.refused[i];
    }
    return sum;
}

size_t kernel_mapped_besides_blocks(void) {
    return kernel.mapped - (stat_of("superslab.live") + stat_of("superslab.cached")) * 2 * MIB -
           stat_of("large.live_bytes") - stat_of("whale.cached_bytes") -
           stat_of("big.cached_bytes") - stat_of("region.cached_bytes");
}
