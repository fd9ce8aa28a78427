/* tiny_hot: one small size, allocated and freed again at once, or, with --slots N, N blocks
 * allocated and then freed in the opposite order. Nothing but the allocator's shortest path. One
 * operation is one malloc/free pair. */
#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/scenario.h"

struct tiny_hot {
    size_t size;
    uint64_t batch;
    uint64_t slots;
    volatile char *stack[]; /* slots of them */
};

static size_t state_size(uint64_t slots) {
    return sizeof(struct tiny_hot) + slots * sizeof(char *);
}

static void *setup(const struct hkl_params *params) {
    struct tiny_hot *state = hkl_map(state_size(params->slots));
    if (!state)
        return NULL;
    state->size = params->size;
    state->batch = params->batch;
    state->slots = params->slots;
    return state;
}

static void pairs(size_t size, uint64_t batch) {
    for (uint64_t i = 0; i < batch; i++) {
        volatile char *block = hkl_allocate(size);
        block[0] = 1;
        hkl_release(block);
    }
}

static void stacks(struct tiny_hot *state) {
    uint64_t depth;
    for (uint64_t done = 0; done < state->batch; done += depth) {
        const uint64_t left = state->batch - done;
        depth = left < state->slots ? left : state->slots;
        for (uint64_t i = 0; i < depth; i++) {
            state->stack[i] = hkl_allocate(state->size);
            state->stack[i][0] = 1;
        }
        for (uint64_t i = depth; i-- > 0;)
            hkl_release(state->stack[i]);
    }
}

static uint64_t iterate(void *context) {
    struct tiny_hot *state = context;
    if (state->slots == 1)
        pairs(state->size, state->batch);
    else
        stacks(state);
    return state->batch;
}

static void teardown(void *context) {
    struct tiny_hot *state = context;
    hkl_unmap(state, state_size(state->slots));
}

HKL_SCENARIO(tiny_hot) = {
    .name = "tiny_hot",
    .summary = "one small size, malloc and free at once (--slots 64: a stack of 64)",
    .defaults = {.size = 64, .seed = 42, .threads = 1, .slots = 1, .batch = 100000},
    .warmup = 10,
    .min_size = 1,
    .max_size = 64 << 10,
    .max_threads = 1,
    .floor_ok = true,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
};
