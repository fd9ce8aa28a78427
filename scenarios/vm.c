/* vm: blocks of 2 MiB, one at a time, every page written. The size of an interpreter's heap or
 * stack, and of a huge page. */
#include "scenarios/large_block.h"

HKL_SCENARIO(vm) = {
    .name = "vm",
    .summary = "allocate 2 MiB, write every page, free",
    .defaults = {.size = 2 << 20, .seed = 42, .threads = 1, .slots = 0, .batch = 10},
    .warmup = 10,
    .min_size = HKL_LARGE_BLOCK_MIN,
    .max_size = HKL_LARGE_BLOCK_MAX,
    .max_threads = 1,
    .floor_ok = true,
    .setup = hkl_large_block_setup,
    .iterate = hkl_large_block_iterate,
    .teardown = hkl_large_block_teardown,
};
