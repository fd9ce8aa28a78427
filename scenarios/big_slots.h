/* What evict, evict_uniform and evict_grow have in common: big blocks in a few slots. Each step
 * picks a slot at random: a full one is freed, an empty one is filled with a block whose size the
 * scenario chooses, its pages written. One operation is one step. */
#ifndef HKL_BIG_SLOTS_H
#define HKL_BIG_SLOTS_H

#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/random.h"
#include "scenarios/scenario.h"

struct hkl_big_block {
    volatile char *start; /* NULL: the slot is empty */
    size_t size;
};

struct hkl_big_slots {
    struct hkl_random random;
    struct hkl_params params;
    uint64_t fills; /* blocks allocated so far */
    struct hkl_big_block blocks[];
};

static inline size_t hkl_big_slots_state_size(uint64_t slots) {
    return sizeof(struct hkl_big_slots) + slots * sizeof(struct hkl_big_block);
}

static void *hkl_big_slots_setup(const struct hkl_params *params) {
    struct hkl_big_slots *state = hkl_map(hkl_big_slots_state_size(params->slots));
    if (!state)
        return NULL;
    state->random = hkl_random_seeded(params->seed, 0);
    state->params = *params;
    return state;
}

/* Does one batch. Of each new block the first `touched` bytes, at most all, are written to. */
static inline uint64_t hkl_big_slots_steps(struct hkl_big_slots *state,
                                           size_t (*next_size)(struct hkl_big_slots *),
                                           size_t touched) {
    for (uint64_t i = 0; i < state->params.batch; i++) {
        struct hkl_big_block *block =
            &state->blocks[hkl_random_below(&state->random, state->params.slots)];
        if (block->start) {
            hkl_release(block->start);
            block->start = NULL;
        } else {
            block->size = next_size(state);
            block->start = hkl_allocate(block->size);
            hkl_touch_pages(block->start, block->size < touched ? block->size : touched);
            state->fills++;
        }
    }
    return state->params.batch;
}

static uint64_t hkl_big_slots_live_bytes(const void *context) {
    const struct hkl_big_slots *state = context;
    uint64_t live = 0;
    for (uint64_t i = 0; i < state->params.slots; i++)
        live += state->blocks[i].start ? state->blocks[i].size : 0;
    return live;
}

static void hkl_big_slots_teardown(void *context) {
    struct hkl_big_slots *state = context;
    for (uint64_t i = 0; i < state->params.slots; i++)
        hkl_release(state->blocks[i].start);
    hkl_unmap(state, hkl_big_slots_state_size(state->params.slots));
}

#endif
