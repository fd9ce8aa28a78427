/* What json, mir and vm have in common: allocate a block of one size, write one byte in every 4
 * KiB, free it. One operation is one such round. */
#ifndef HKL_LARGE_BLOCK_H
#define HKL_LARGE_BLOCK_H

#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/scenario.h"

/* Limits of --size. */
#define HKL_LARGE_BLOCK_MIN 1
#define HKL_LARGE_BLOCK_MAX ((uint64_t)1 << 30)

static void *hkl_large_block_setup(const struct hkl_params *params) {
    struct hkl_params *state = hkl_map(sizeof *state);
    if (state)
        *state = *params;
    return state;
}

static inline uint64_t hkl_large_block_iterate(void *context) {
    const struct hkl_params *state = context;
    for (uint64_t i = 0; i < state->batch; i++) {
        volatile char *block = hkl_allocate(state->size);
        hkl_touch_pages(block, state->size);
        hkl_release(block);
    }
    return state->batch;
}

static void hkl_large_block_teardown(void *context) {
    hkl_unmap(context, sizeof(struct hkl_params));
}

#endif
