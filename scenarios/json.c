/* json: blocks of 64 KiB, one at a time, every page written. The size of a parsed document's
 * buffer. */
#include "scenarios/large_block.h"

HKL_SCENARIO(json) = {
    .name = "json",
    .summary = "allocate 64 KiB, write every page, free",
    .defaults = {.size = 64 << 10, .seed = 42, .threads = 1, .slots = 0, .batch = 10},
    .warmup = 10,
    .min_size = HKL_LARGE_BLOCK_MIN,
    .max_size = HKL_LARGE_BLOCK_MAX,
    .max_threads = 1,
    .floor_ok = true,
    .setup = hkl_large_block_setup,
    .iterate = hkl_large_block_iterate,
    .teardown = hkl_large_block_teardown,
};
