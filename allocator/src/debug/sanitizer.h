/*
 * What AddressSanitizer is told, in builds for it: a free block may not be touched, by the program
 * or by the allocator, which keeps nothing in it. Elsewhere these are nothing.
 */
#ifndef HKM_DEBUG_SANITIZER_H
#define HKM_DEBUG_SANITIZER_H

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define HKM_FREED(block, size)     __asan_poison_memory_region(block, size)
#define HKM_ALLOCATED(block, size) __asan_unpoison_memory_region(block, size)
#else
#define HKM_FREED(block, size)     ((void)(block), (void)(size))
#define HKM_ALLOCATED(block, size) ((void)(block), (void)(size))
#endif

#endif
