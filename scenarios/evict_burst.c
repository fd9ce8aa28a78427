/* evict_burst: big blocks that come and go together. A burst allocates twelve blocks (--slots) of
 * 2..24 MiB, any whole number of pages, writes every page, and frees them all; a quiet phase of
 * small blocks follows, in which an allocator may settle what the burst left behind. Nothing big is
 * live between bursts. One operation is one big block of a burst; the quiet phase is part of the
 * time. */
#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/random.h"
#include "scenarios/scenario.h"

enum { MIN_PAGES = (2 << 20) / HKL_PAGE, MAX_PAGES = (24 << 20) / HKL_PAGE };
enum { QUIET_PAIRS = 2000, QUIET_MIN = 16, QUIET_MAX = 1040 };

struct evict_burst {
    struct hkl_random random;
    uint64_t batch;
    uint64_t slots;
    volatile char *blocks[]; /* slots of them; all free between bursts */
};

static size_t state_size(uint64_t slots) {
    return sizeof(struct evict_burst) + slots * sizeof(char *);
}

static void *setup(const struct hkl_params *params) {
    struct evict_burst *state = hkl_map(state_size(params->slots));
    if (!state)
        return NULL;
    state->random = hkl_random_seeded(params->seed, 0);
    state->batch = params->batch;
    state->slots = params->slots;
    return state;
}

static void burst(struct evict_burst *state, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        const size_t size = HKL_PAGE * hkl_random_between(&state->random, MIN_PAGES, MAX_PAGES);
        state->blocks[i] = hkl_allocate(size);
        hkl_touch_pages(state->blocks[i], size);
    }
    for (uint64_t i = 0; i < count; i++)
        hkl_release(state->blocks[i]);
}

static void quiet(struct evict_burst *state) {
    for (int i = 0; i < QUIET_PAIRS; i++) {
        const size_t size = hkl_random_between(&state->random, QUIET_MIN, QUIET_MAX);
        volatile char *block = hkl_allocate(size);
        hkl_touch_ends(block, size);
        hkl_release(block);
    }
}

static uint64_t iterate(void *context) {
    struct evict_burst *state = context;
    uint64_t count;
    for (uint64_t done = 0; done < state->batch; done += count) {
        const uint64_t left = state->batch - done;
        count = left < state->slots ? left : state->slots;
        burst(state, count);
        quiet(state);
    }
    return state->batch;
}

static void teardown(void *context) {
    struct evict_burst *state = context;
    hkl_unmap(state, state_size(state->slots));
}

HKL_SCENARIO(evict_burst) = {
    .name = "evict_burst",
    .summary = "bursts of twelve blocks of 2..24 MiB, all freed, then small blocks for a while",
    .defaults = {.size = 0, .seed = 42, .threads = 1, .slots = 12, .batch = 12},
    .warmup = 10,
    .max_threads = 1,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
};
