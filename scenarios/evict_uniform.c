/* evict_uniform: evict's random slots, but every block has the same size (8 MiB, or --size): any
 * freed block serves any request. What evict costs beyond this is the price of many sizes. One
 * operation is one step. */
#include "scenarios/big_slots.h"

static size_t next_size(struct hkl_big_slots *state) {
    return state->params.size;
}

static uint64_t iterate(void *state) {
    return hkl_big_slots_steps(state, next_size, SIZE_MAX);
}

HKL_SCENARIO(evict_uniform) = {
    .name = "evict_uniform",
    .summary = "evict with one size, 8 MiB, for every block",
    .defaults = {.size = 8 << 20, .seed = 42, .threads = 1, .slots = 16, .batch = 16},
    .warmup = 20,
    .min_size = 1,
    .max_size = 1 << 30,
    .max_threads = 1,
    .setup = hkl_big_slots_setup,
    .iterate = iterate,
    .teardown = hkl_big_slots_teardown,
    .live_bytes = hkl_big_slots_live_bytes,
};
