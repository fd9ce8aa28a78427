/*
 * hakmem: a general-purpose memory allocator for Linux. Public interface.
 *
 * The standard names (malloc, free, ...) are exported too, so a program needs this header only for
 * the hak_ names below. All sizes are in bytes. All functions may be called from any thread.
 */
#ifndef HAKMEM_H
#define HAKMEM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAKMEM_VERSION "0.1.0"

/* ---- Allocation: the same contracts as the standard functions whose names they bear -------------
 */

/* Block of at least `size` bytes, aligned to 16 (to 8 for sizes of 8 and less). size 0 gives a
 * unique block. NULL and errno = ENOMEM when there is no memory or size > PTRDIFF_MAX. */
void *hak_malloc(size_t size);
/* Gives a block back. NULL is a no-op. errno is kept. */
void hak_free(void *block);
/* Zeroed block for n elements of `size` bytes; NULL and ENOMEM on overflow. */
void *hak_calloc(size_t n, size_t size);
/* Resizes; the contents up to the smaller size are kept. realloc(NULL, n) is malloc(n); realloc(p,
 * 0) frees p and returns NULL, as the C library does. On failure NULL and ENOMEM, the block is
 * untouched. */
void *hak_realloc(void *block, size_t size);
/* hak_realloc of n * size bytes; NULL and ENOMEM on overflow, the block is untouched. */
void *hak_reallocarray(void *block, size_t n, size_t size);
/* Block aligned to `alignment`, a power of two; NULL and EINVAL otherwise. */
void *hak_aligned_alloc(size_t alignment, size_t size);
/* Stores an aligned block in *out and returns 0; EINVAL (alignment not a power of two multiple of
 * sizeof(void *)) or ENOMEM otherwise, *out untouched. errno is kept. */
int hak_posix_memalign(void **out, size_t alignment, size_t size);
/* Bytes of the block that may be used, at least those asked for; 0 for NULL. */
size_t hak_malloc_usable_size(const void *block);

/* ---- Counters
 * ------------------------------------------------------------------------------------ */

/* A counter only grows; a gauge is a level (for instance, SuperSlabs live now). */
enum hak_stat_kind { HAK_STAT_COUNTER = 0, HAK_STAT_GAUGE = 1 };

/* Number of statistics; indices 0 .. count-1 are stable for the life of the process. */
size_t hak_stats_count(void);
/* Name of statistic `index` ([a-z0-9_.]+, static storage); NULL when out of range. */
const char *hak_stats_name(size_t index);
/* Kind of statistic `index`; HAK_STAT_COUNTER when out of range. */
enum hak_stat_kind hak_stats_kind(size_t index);
/* Writes the first min(n, count) values, summed over all threads past and present, to values[];
 * returns count. Allocates nothing. Values of other running threads may lag by the operations in
 * flight. */
size_t hak_stats_snapshot(uint64_t *values, size_t n);
/* Prints every statistic as 'name value' lines to file descriptor fd. */
void hak_stats_print(int fd);

/* ---- Control
 * ------------------------------------------------------------------------------------- */

/* Maps up to n SuperSlabs (2 MiB each) from which blocks of size class `cls` can be served, so that
 * they need not be mapped later. Returns how many were mapped; 0 for a class that does not exist.
 * Classes are numbered from 1. */
unsigned hak_ss_prewarm_class(unsigned cls, unsigned n);
/* Number of size classes, and the bytes per block of one; 0 for a class that does not exist. */
unsigned hak_class_count(void);
size_t hak_class_size(unsigned cls);

/* ---- Large blocks: strategies
 * ------------------------------------------------------------------------------------- */

/* A strategy says how much of the large blocks (more than 1 MiB) that were freed is kept, and how
 * the rest is given back. With HAKMEM_MODE=learning they are tried against each other and rated by
 * what they cost; otherwise, and until then, the first is in force, which is what the settings say.
 */
unsigned hak_policy_count(void);
/* Name of strategy `index`, static storage; NULL when out of range. */
const char *hak_policy_name(unsigned index);
/* Its rating, in Elo's points; all begin with 1500. 0 when out of range. */
int hak_policy_rating(unsigned index);
/* Index of the strategy that is in force. */
unsigned hak_policy_current(void);
/* Whether that is settled: 1 when it was learned or pinned or when nothing is learned, 0 while
 * strategies are being tried. */
int hak_policy_settled(void);
/* Puts strategy `index` into force for good; 0, or -1 when out of range. */
int hak_policy_pin(unsigned index);
/* Takes that back: learning begins anew, or, without it, the first strategy is in force. */
void hak_policy_unpin(void);

/* ---- Large blocks: call sites
 * ------------------------------------------------------------------------------------- */

/* Blocks of more than 1 MiB that one place in the program asked for. */
struct hak_policy_site {
    uintptr_t site;       /* return address of the call; 0: unknown (aligned blocks) */
    uint64_t allocations; /* so far */
    uint64_t frees;       /* of blocks of this site, wherever they were freed */
    uint64_t live_bytes;  /* now */
    uint64_t peak_bytes;  /* at most at one time */
};
/* Writes the first min(n, count) call sites to sites[]; returns count, at most 256. They are
 * accounted for with HAKMEM_SITES=1; without it count is 0. */
size_t hak_policy_sites(struct hak_policy_site *sites, size_t n);

/* Version of the library that is running, HAKMEM_VERSION of its build. */
const char *hak_version(void);

#ifdef __cplusplus
}
#endif

#endif
