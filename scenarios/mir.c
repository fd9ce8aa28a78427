/* mir: blocks of 256 KiB, one at a time, every page written. The size of a compiler's intermediate
 * representation. */
#include "scenarios/large_block.h"

HKL_SCENARIO(mir) = {
    .name = "mir",
    .summary = "allocate 256 KiB, write every page, free",
    .defaults = {.size = 256 << 10, .seed = 42, .threads = 1, .slots = 0, .batch = 10},
    .warmup = 10,
    .min_size = HKL_LARGE_BLOCK_MIN,
    .max_size = HKL_LARGE_BLOCK_MAX,
    .max_threads = 1,
    .floor_ok = true,
    .setup = hkl_large_block_setup,
    .iterate = hkl_large_block_iterate,
    .teardown = hkl_large_block_teardown,
};
