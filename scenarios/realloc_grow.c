/* realloc_grow: one block that grows by 1 MiB (--size) with each realloc, 256 times (--batch), the
 * new megabyte written, then is freed: a buffer that is read into. An allocator that extends in
 * place or moves pages (mremap) does little; one that copies moves 32 GiB for one growth to
 * 256 MiB. One operation is one realloc; an iteration is one growth. */
#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/scenario.h"

static void *setup(const struct hkl_params *params) {
    struct hkl_params *state = hkl_map(sizeof *state);
    if (state)
        *state = *params;
    return state;
}

static uint64_t iterate(void *context) {
    const struct hkl_params *state = context;
    volatile char *block = NULL;
    for (uint64_t i = 0; i < state->batch; i++) {
        const size_t size = state->size * (i + 1);
        block = hkl_reallocate(block, size);
        hkl_touch_pages(block + state->size * i, state->size);
    }
    hkl_release(block);
    return state->batch;
}

static void teardown(void *state) {
    hkl_unmap(state, sizeof(struct hkl_params));
}

HKL_SCENARIO(realloc_grow) = {
    .name = "realloc_grow",
    .summary = "realloc from 1 to 256 MiB by 1 MiB (--size), the new part written, free",
    .defaults = {.size = 1 << 20, .seed = 42, .threads = 1, .slots = 0, .batch = 256},
    .iters = 10,
    .warmup = 2,
    .min_size = 1,
    .max_size = 64 << 20,
    .max_threads = 1,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
};
