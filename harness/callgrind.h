/* Tells an enclosing `valgrind --tool=callgrind --instr-atstart=no` what to count: the iterations
 * of the steady window, all threads, and nothing of the harness. */
#ifndef HKL_CALLGRIND_H
#define HKL_CALLGRIND_H

#include <stdbool.h>

/* Whether this process runs under valgrind; always false when the driver was built without
 * valgrind's header. */
bool hkl_callgrind_present(void);

/* Simulates from here on, so that the simulated caches are warm when counting begins; the calling
 * thread is not counted. For the iteration before the steady window. */
void hkl_callgrind_simulate(void);

/* Forgets what has been counted. For the beginning of the steady window. */
void hkl_callgrind_forget(void);

/* Begins to count the calling thread if it is not counted, and ends it if it is. */
void hkl_callgrind_toggle(void);

/* Ends counting and simulating. */
void hkl_callgrind_stop(void);

#endif
