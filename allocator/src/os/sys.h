/*
 * The one door to the kernel: no other file makes system calls. Every call is counted
 * (debug/counters.h).
 */
#ifndef HKM_OS_SYS_H
#define HKM_OS_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HKM_PAGE 4096u

/* Maps `size` bytes of zeroed memory anywhere, or NULL with errno ENOMEM. */
void *hkm_sys_mmap(size_t size);
/* Maps exactly [address, address + size), zeroed, or returns false with errno EEXIST where
 * something else is mapped, else ENOMEM. */
bool hkm_sys_mmap_at(void *address, size_t size);
/* Gives address range and pages back. */
bool hkm_sys_munmap(void *address, size_t size);
/* Gives the pages back and keeps the range; it reads as zero from then on. */
bool hkm_sys_madvise_dontneed(void *address, size_t size);
/* Lets the kernel take the pages when it needs them (MADV_FREE); until then the old contents may be
 * read. */
bool hkm_sys_madvise_free(void *address, size_t size);
/* Asks for transparent huge pages. */
void hkm_sys_madvise_hugepage(void *address, size_t size);
/* Grows or shrinks a mapping, which may move; NULL where that cannot be done, the mapping is then
 * untouched. */
void *hkm_sys_mremap(void *address, size_t old_size, size_t new_size);

#ifdef HKM_HARDENED
/* Maps `size` bytes that nothing can access, or NULL with errno ENOMEM; lets a part of them be
 * used, zeroed, where there is memory for it; takes pages and access away again, or where that
 * cannot be done for want of mappings the pages alone (large/guarded.h). */
void *hkm_sys_mmap_sealed(size_t size);
bool hkm_sys_unseal(void *address, size_t size);
void hkm_sys_seal(void *address, size_t size);
#endif

#if HKM_GUESS
/* Whether the page at an address is mapped (superslab/guess.h). */
bool hkm_sys_is_mapped(const void *page);
#endif

/* Nanoseconds of a monotonic clock of some milliseconds' resolution; no system call on the usual
 * machines. */
uint64_t hkm_sys_clock_ns(void);
/* The same with full resolution. */
uint64_t hkm_sys_precise_ns(void);
/* Page faults of this process so far. */
uint64_t hkm_sys_faults(void);
/* Random bits for address randomisation (not for secrets). */
uint64_t hkm_sys_random(void);
/* Writes all of text[0 .. length-1] to a file descriptor; keeps errno. */
void hkm_sys_write(int fd, const char *text, size_t length);

#endif
