/* Google Benchmark as the measuring loop, seen from C. gbench.cc behind it is the only C++ of the
 * lab. */
#ifndef HKL_GBENCH_H
#define HKL_GBENCH_H

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

#ifdef __cplusplus
}
#endif

#endif
