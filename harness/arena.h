/* Memory for the harness and for the state of scenarios, apart from the allocator under test. */
#ifndef HKL_ARENA_H
#define HKL_ARENA_H

#include <stddef.h>

/* `size` bytes of zeroed memory of their own mapping, page-aligned, already backed by pages, so
 * that the first write inside a timed window does not fault. NULL with errno set when there is
 * none; size 0 is EINVAL. */
void *hkl_map(size_t size);

/* Returns memory from hkl_map(); `size` as it was asked for. NULL is a no-op. */
void hkl_unmap(void *memory, size_t size);

#endif
