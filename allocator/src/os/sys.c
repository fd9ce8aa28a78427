/* See sys.h. Linux only. */
#include "os/sys.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "debug/counters.h"
#include "debug/sanitizer.h"
#include "debug/timing.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

void *hkm_sys_mmap(size_t size) {
    hkm_count(HKM_SYS_MMAP, 1);
    HKM_TIMED_BEGIN;
    void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    HKM_TIMED_END(MMAP);
    if (address == MAP_FAILED) {
        errno = ENOMEM; /* also where the kernel says EAGAIN: callers of malloc know no other */
        return NULL;
    }
    return address;
}

bool hkm_sys_mmap_at(void *address, size_t size) {
    hkm_count(HKM_SYS_MMAP, 1);
    HKM_TIMED_BEGIN;
    void *got = mmap(address, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    HKM_TIMED_END(MMAP);
    if (got == address) {
        return true;
    }
    if (got != MAP_FAILED) { /* a kernel before 4.17 takes the address as a hint only */
        hkm_sys_munmap(got, size);
        errno = EEXIST;
    } else if (errno != EEXIST) {
        errno = ENOMEM;
    }
    return false;
}

bool hkm_sys_munmap(void *address, size_t size) {
    hkm_count(HKM_SYS_MUNMAP, 1);
    HKM_UNMAPPED(address, size); /* to whoever maps something there next */
    HKM_TIMED_BEGIN;
    const bool done = munmap(address, size) == 0;
    HKM_TIMED_END(MUNMAP);
    return done;
}

static bool advise(void *address, size_t size, int advice) {
    hkm_count(HKM_SYS_MADVISE, 1);
    HKM_TIMED_BEGIN;
    const bool done = madvise(address, size, advice) == 0;
    HKM_TIMED_END(MADVISE);
    return done;
}

bool hkm_sys_madvise_dontneed(void *address, size_t size) {
    return advise(address, size, MADV_DONTNEED);
}

bool hkm_sys_madvise_free(void *address, size_t size) {
    return advise(address, size, MADV_FREE);
}

void hkm_sys_madvise_hugepage(void *address, size_t size) {
    advise(address, size, MADV_HUGEPAGE);
}

void *hkm_sys_mremap(void *address, size_t old_size, size_t new_size) {
    hkm_count(HKM_SYS_MREMAP, 1);
    HKM_UNMAPPED(address, old_size);
    HKM_TIMED_BEGIN;
    void *got = mremap(address, old_size, new_size, MREMAP_MAYMOVE);
    HKM_TIMED_END(MREMAP);
    return got == MAP_FAILED ? NULL : got;
}

#ifdef HKM_HARDENED
#define SEALED (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

void *hkm_sys_mmap_sealed(size_t size) {
    hkm_count(HKM_SYS_MMAP, 1);
    void *address = mmap(NULL, size, PROT_NONE, SEALED, -1, 0);
    if (address == MAP_FAILED) {
        errno = ENOMEM;
        return NULL;
    }
    return address;
}

bool hkm_sys_unseal(void *address, size_t size) {
    hkm_count(HKM_SYS_MPROTECT, 1);
    return mprotect(address, size, PROT_READ | PROT_WRITE) == 0;
}

void hkm_sys_seal(void *address, size_t size) {
    hkm_count(HKM_SYS_MMAP, 1);
    if (mmap(address, size, PROT_NONE, SEALED | MAP_FIXED, -1, 0) == MAP_FAILED) {
        hkm_sys_madvise_dontneed(address, size);
    }
}
#endif

#if HKM_GUESS
bool hkm_sys_is_mapped(const void *page) {
    unsigned char resident;
    hkm_count(HKM_SYS_MINCORE, 1);
    return mincore((void *)(uintptr_t)page, 1, &resident) == 0;
}
#endif

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t hkm_sys_clock_ns(void) {
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

uint64_t hkm_sys_precise_ns(void) {
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t hkm_sys_faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
}

uint64_t hkm_sys_random(void) {
    /* The kernel gives every process 16 random bytes; libc's own secrets use the first ones. */
    const unsigned char *bytes = (const unsigned char *)getauxval(AT_RANDOM);
    uint64_t mixed = (uint64_t)getpid() ^ (uint64_t)(uintptr_t)&mixed;
    for (int i = 0; bytes != NULL && i < 16; i++) {
        mixed = (mixed ^ bytes[i]) * 0x100000001b3u; /* FNV-1a: the bytes themselves stay hidden */
    }
    return mixed ^ (mixed >> 29);
}

void hkm_sys_write(int fd, const char *text, size_t length) {
    const int saved = errno;
    while (length > 0) {
        const ssize_t done = write(fd, text, length);
        if (done <= 0 && errno != EINTR) {
            break;
        }
        if (done > 0) {
            text += done;
            length -= (size_t)done;
        }
    }
    errno = saved;
}
