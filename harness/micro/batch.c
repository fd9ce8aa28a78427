/* batch_100: a hundred blocks allocated, then freed in the same order. One operation is one
 * malloc/free pair. */
#include "harness/micro/micro.h"

enum { BATCH = 100 };

static void batch_100(uint64_t iterations, size_t size) {
    volatile char *blocks[BATCH];
    uint64_t count;
    for (uint64_t done = 0; done < iterations; done += count) {
        count = iterations - done < BATCH ? iterations - done : BATCH;
        for (uint64_t i = 0; i < count; i++) {
            blocks[i] = hkl_allocate(size);
            blocks[i][0] = 1;
        }
        for (uint64_t i = 0; i < count; i++)
            hkl_release(blocks[i]);
    }
}

HKL_MICRO(batch_100, batch_100);
