/* Blocks of more than 1 MiB, and smaller ones that realloc has grown, each a range of pages of its
 * own. Sizes in bytes. Any thread; one lock. */
#ifndef HKM_LARGE_LARGE_H
#define HKM_LARGE_LARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A block of `size` bytes aligned to `alignment`, a power of two, for the call site with this
 * return address (0: unknown). *zero says whether it is known to read as zero. NULL with errno
 * ENOMEM when there is no memory. */
void *hkm_large_alloc(size_t size, size_t alignment, uintptr_t site, bool *zero);
/* Frees a large block; anything else is misuse, reported for `function`. */
void hkm_large_free(void *block, const char *function);
/* Bytes of a live large block; 0 when the pointer is not one. */
size_t hkm_large_size(const void *block);
/* As hkm_large_alloc, for a block that has grown to `size` bytes and will likely grow again: with
 * spare bytes behind it, where there are any. */
void *hkm_large_alloc_to_grow(size_t size, uintptr_t site);
/* Resizes a live large block, in place or by moving its pages, with spare bytes when it grows; NULL
 * when it is rather copied: it is then as it was. *usable: the block's bytes before; 0 when the
 * pointer is not one. */
void *hkm_large_resize(void *block, size_t size, size_t *usable);
/* What realloc makes larger than this grows in the large path, where it may do so in place or by
 * moving its pages: it will likely grow again. */
#define HKM_GROWS_ABOVE ((size_t)64 << 10)

/* Gives back the pages of cached blocks that nobody has used for HAKMEM_SUPERSLAB_TTL_SEC. */
void hkm_large_tick(void);

/* Puts another strategy into force. Under the lock. */
struct hkm_strategy;
void hkm_large_apply(const struct hkm_strategy *strategy);

void hkm_large_lock(void);
void hkm_large_unlock(void);

#endif
