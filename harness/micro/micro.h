/* Micro-benchmarks of single calls, each a C function that Google Benchmark calls. A file of this
 * folder ends in HKL_MICRO(name, body); the build finds the file and hkl-micro the entry, and
 * registers it for each size from 16 bytes to 1 MiB. */
#ifndef HKL_MICRO_H
#define HKL_MICRO_H

#include "scenarios/blocks.h"

#include <stddef.h>
#include <stdint.h>

struct hkl_micro {
    const char *name; /* [a-z0-9_]+ */
    /* Does `iterations` operations on blocks of `size` bytes, and leaves nothing behind. */
    void (*body)(uint64_t iterations, size_t size);
};

/* Places a pointer to the entry in the section that main.c walks. */
#define HKL_MICRO(id, function)                                                                    \
    static const struct hkl_micro hkl_micro_##id = {#id, function};                                \
    static const struct hkl_micro *const hkl_micro_ptr_##id                                        \
        __attribute__((used, section("hkl_micros"))) = &hkl_micro_##id

#endif
