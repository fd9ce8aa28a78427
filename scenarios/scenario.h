/*
 * The interface between a scenario (what is allocated) and the harness (what measures it).
 *
 * A scenario is one C file in this folder that ends in HKL_SCENARIO(name) = { ... }; the build
 * finds the file and the driver finds the descriptor, so nothing else has to be edited to add one.
 */
#ifndef HKL_SCENARIO_H
#define HKL_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hkl_trace;

/* What the user may set, and what a scenario starts from. 0 in `size` means "the scenario's own
 * mix". */
struct hkl_params {
    uint64_t size;    /* bytes per block; 0: the scenario's own mix of sizes */
    uint64_t seed;    /* seed of every random choice */
    uint32_t threads; /* worker threads, 1 or more */
    uint32_t slots;   /* working set: blocks that may live at once; 0 where it has no meaning */
    uint64_t batch;   /* operations per iteration */
    uint32_t limit;   /* of memory, in per cent of the live bytes; 0: the scenario sets none */
    const struct hkl_trace *trace; /* NULL unless the scenario takes one */
};

struct hkl_scenario {
    const char *name;           /* as in --scenario: [a-z0-9_]+ */
    const char *summary;        /* one line for --list, no full stop */
    struct hkl_params defaults; /* used where the user sets nothing */
    uint64_t iters;             /* default iterations after the warm-up; 0: 100 */
    uint64_t warmup;            /* default warm-up iterations, the cold one included */
    uint64_t min_size; /* --size below this is refused; both 0: the scenario takes no --size */
    uint64_t max_size;
    uint32_t max_threads; /* --threads above this is refused; 1: single-threaded */
    bool floor_ok;    /* blocks are freed newest first, by one thread: harness/floor can serve it */
    bool wrong_frees; /* frees what is no block: runs only when asked for by name */
    bool takes_trace; /* --trace must be given, and says threads and batch; else it is refused */

    /* Prepares a run. Returns the scenario's state, or NULL with errno set. Memory for the state
     * comes from hkl_map() (harness/arena.h), never from malloc: only the measured allocations
     * reach the allocator. What goes wrong later, a NULL from malloc say, ends the driver:
     * hkl_fail() (harness/fail.h); hkl_allocate() (scenarios/blocks.h) does so by itself. */
    void *(*setup)(const struct hkl_params *params);

    /* Does one batch and returns the operations done. One operation is one malloc/free pair unless
     * the scenario's file says otherwise. */
    uint64_t (*iterate)(void *state);

    /* Frees every block that is still live, and the state. */
    void (*teardown)(void *state);

    /* Bytes asked for and not yet freed, now; called between iterations. NULL: the scenario does
     * not tell. */
    uint64_t (*live_bytes)(const void *state);
};

/* Places a pointer to the descriptor in the section that the driver walks. */
#define HKL_SCENARIO(id)                                                                           \
    static const struct hkl_scenario hkl_scenario_##id;                                            \
    static const struct hkl_scenario *const hkl_scenario_ptr_##id                                  \
        __attribute__((used, section("hkl_scenarios"))) = &hkl_scenario_##id;                      \
    static const struct hkl_scenario hkl_scenario_##id

#endif
