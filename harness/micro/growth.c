/* realloc_double: a block is allocated, doubled by realloc and freed. One operation is the three
 * calls. */
#include "harness/micro/micro.h"

static void realloc_double(uint64_t iterations, size_t size) {
    for (uint64_t i = 0; i < iterations; i++) {
        volatile char *block = hkl_allocate(size);
        block[0] = 1;
        block = hkl_reallocate(block, 2 * size);
        block[2 * size - 1] = 1;
        hkl_release(block);
    }
}

HKL_MICRO(realloc_double, realloc_double);
