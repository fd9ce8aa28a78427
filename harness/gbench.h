/* Google Benchmark as the measuring loop of hkl-driver, and as the whole of hkl-micro, seen from C.
 * gbench.cc behind it is the only C++ of the lab. */
#ifndef HKL_GBENCH_H
#define HKL_GBENCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One iteration; returns the nanoseconds that it took by its own clock. */
typedef uint64_t hkl_gbench_step(void *context);

/* Runs step(context) exactly `iterations` times in the calling thread, as one benchmark called
 * `name`. Prints nothing. Allocates before the first step and after the last, never between.
 * Returns the number of steps done, which is `iterations` unless the library refused to run. */
uint64_t hkl_gbench_run(const char *name, uint64_t iterations, hkl_gbench_step *step,
                        void *context);

/* Makes a benchmark of a body that does so many operations on blocks of `size` bytes in one call:
 * the library's loop costs nothing per operation. Timed by the wall clock, in one thread. */
void hkl_gbench_register(const char *name, void (*body)(uint64_t iterations, size_t size),
                         size_t size);

/* Google Benchmark's own main: reads its options, runs what is registered and reports. Returns the
 * exit status: 1 for an option that it does not know. */
int hkl_gbench_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
