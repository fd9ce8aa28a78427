/* foreign_free: pointers that malloc never gave are freed among blocks that it did, one of each an
 * operation. Half of them lie in memory that may not be read. An allocator that takes a pointer for
 * a block without knowing crashes here, and most abort on purpose: for hakmem with
 * HAKMEM_ON_ERROR=ignore or report, and only when asked for by name. */
#include "harness/arena.h"
#include "scenarios/blocks.h"
#include "scenarios/random.h"
#include "scenarios/scenario.h"

#include <sys/mman.h>

enum { STEP = 16, SPAN = 1 << 20 };

struct foreign_free {
    struct hkl_random random;
    uint64_t size;
    uint64_t batch;
    volatile char *strange; /* SPAN bytes, the second half unreadable */
};

static void *setup(const struct hkl_params *params) {
    struct foreign_free *state = hkl_map(sizeof *state);
    if (!state)
        return NULL;
    state->random = hkl_random_seeded(params->seed, 0);
    state->size = params->size;
    state->batch = params->batch;
    state->strange = mmap(NULL, SPAN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (state->strange == MAP_FAILED)
        return NULL;
    return mprotect((char *)state->strange + SPAN / 2, SPAN / 2, PROT_NONE) == 0 ? state : NULL;
}

static uint64_t iterate(void *context) {
    struct foreign_free *state = context;
    for (uint64_t i = 0; i < state->batch; i++) {
        volatile char *block = hkl_allocate(state->size);
        hkl_touch_ends(block, state->size);
        const uint64_t place = hkl_random_below(&state->random, SPAN / STEP);
        hkl_release(state->strange + place * STEP);
        hkl_release(block);
    }
    return state->batch;
}

static void teardown(void *context) {
    struct foreign_free *state = context;
    munmap((char *)state->strange, SPAN);
    hkl_unmap(state, sizeof *state);
}

HKL_SCENARIO(foreign_free) = {
    .name = "foreign_free",
    .summary = "frees of pointers that malloc never gave; most allocators crash: not part of all",
    .defaults = {.size = 64, .seed = 42, .threads = 1, .batch = 10000},
    .warmup = 5,
    .min_size = 1,
    .max_size = 1 << 20,
    .max_threads = 1,
    .wrong_frees = true,
    .setup = setup,
    .iterate = iterate,
    .teardown = teardown,
};
