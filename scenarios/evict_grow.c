/* evict_grow: evict's random slots, but each block is one page larger than the one before it, from
 * 4 MiB on, as buffers of a program whose work grows. No request has the size of a freed block, so
 * that reuse by exact size never succeeds. After 4096 blocks, at 20 MiB, the sizes start over.
 *
 * The first 4 MiB of each block are written: the scenario's own work stays the same over the run.
 * One operation is one step. */
#include "scenarios/big_slots.h"

enum { FIRST_SIZE = 4 << 20, ROUND = 4096 };

static size_t next_size(struct hkl_big_slots *state) {
    return FIRST_SIZE + HKL_PAGE * (state->fills % ROUND);
}

static uint64_t iterate(void *state) {
    return hkl_big_slots_steps(state, next_size, FIRST_SIZE);
}

HKL_SCENARIO(evict_grow) = {
    .name = "evict_grow",
    .summary = "evict with blocks of 4 MiB and up, each a page larger than the one before",
    .defaults = {.size = 0, .seed = 42, .threads = 1, .slots = 16, .batch = 16},
    .warmup = 20,
    .max_threads = 1,
    .setup = hkl_big_slots_setup,
    .iterate = iterate,
    .teardown = hkl_big_slots_teardown,
    .live_bytes = hkl_big_slots_live_bytes,
};
