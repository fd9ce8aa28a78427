/*
 * What becomes free, and what is given out, as two kinds of build want to know it: for
 * AddressSanitizer a free block may not be touched, by the program or by the allocator, which keeps
 * nothing in it; VARIANT=hardened looks whether it was (hardened.h). Elsewhere these are nothing.
 */
#ifndef HKM_DEBUG_SANITIZER_H
#define HKM_DEBUG_SANITIZER_H

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define HKM_FREED(block, size)     __asan_poison_memory_region(block, size)
#define HKM_ALLOCATED(block, size) __asan_unpoison_memory_region(block, size)
#define HKM_UNMAPPED(block, size)  __asan_unpoison_memory_region(block, size)
#elif defined(HKM_HARDENED)
#include "debug/hardened.h"
#define HKM_FREED(block, size)     hkm_hardened_freed(block, size)
#define HKM_ALLOCATED(block, size) hkm_hardened_allocated(block, size)
#define HKM_UNMAPPED(block, size)  ((void)(block), (void)(size))
#else
#define HKM_FREED(block, size)     ((void)(block), (void)(size))
#define HKM_ALLOCATED(block, size) ((void)(block), (void)(size))
#define HKM_UNMAPPED(block, size)  ((void)(block), (void)(size))
#endif

#endif
