/* calloc_large: calloc of 64 MiB (--size), one byte written in every 4 KiB, free. An allocator that
 * knows fresh pages to be zero need not zero them again. Each byte is read before it is written:
 * one that is not zero ends the run. One operation is one calloc and free. */
#include "scenarios/large_block.h"

#include "harness/fail.h"

static uint64_t iterate(void *context) {
    const struct hkl_params *state = context;
    for (uint64_t i = 0; i < state->batch; i++) {
        volatile char *block = hkl_allocate_zeroed(state->size);
        for (size_t offset = 0; offset < state->size; offset += HKL_PAGE) {
            if (block[offset])
                hkl_fail(HKL_EXIT_FAILED, "scenario failed: calloc: byte %zu is not zero", offset);
            block[offset] = 1;
        }
        hkl_release(block);
    }
    return state->batch;
}

HKL_SCENARIO(calloc_large) = {
    .name = "calloc_large",
    .summary = "calloc 64 MiB, write every page, free",
    .defaults = {.size = 64 << 20, .seed = 42, .threads = 1, .slots = 0, .batch = 1},
    .warmup = 5,
    .min_size = HKL_LARGE_BLOCK_MIN,
    .max_size = HKL_LARGE_BLOCK_MAX,
    .max_threads = 1,
    .setup = hkl_large_block_setup,
    .iterate = iterate,
    .teardown = hkl_large_block_teardown,
};
