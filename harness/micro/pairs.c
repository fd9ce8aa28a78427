/* One call that allocates and the free that follows at once. One operation is one such pair. */
#include "harness/micro/micro.h"

static void malloc_free(uint64_t iterations, size_t size) {
    for (uint64_t i = 0; i < iterations; i++) {
        volatile char *block = hkl_allocate(size);
        block[0] = 1;
        hkl_release(block);
    }
}

static void calloc_free(uint64_t iterations, size_t size) {
    for (uint64_t i = 0; i < iterations; i++) {
        volatile char *block = hkl_allocate_zeroed(size);
        block[0] = 1;
        hkl_release(block);
    }
}

static void aligned_free(uint64_t iterations, size_t size) {
    enum { ALIGNMENT = 64 };
    for (uint64_t i = 0; i < iterations; i++) {
        volatile char *block = aligned_alloc(ALIGNMENT, size);
        if (!block)
            hkl_fail(HKL_EXIT_FAILED, "aligned_alloc(%d, %zu) returned NULL", ALIGNMENT, size);
        block[0] = 1;
        hkl_release(block);
    }
}

HKL_MICRO(malloc_free, malloc_free);
HKL_MICRO(calloc_free, calloc_free);
HKL_MICRO(aligned_free, aligned_free);
