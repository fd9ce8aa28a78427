/* Callgrind's client requests: a few instructions that do nothing outside of valgrind. */
#include "harness/callgrind.h"

#if defined __has_include
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define HKL_HAVE_CALLGRIND 1
#endif
#endif

#ifdef HKL_HAVE_CALLGRIND

bool hkl_callgrind_present(void) {
    return RUNNING_ON_VALGRIND;
}

void hkl_callgrind_simulate(void) {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_TOGGLE_COLLECT;
}

void hkl_callgrind_forget(void) {
    CALLGRIND_ZERO_STATS;
}

void hkl_callgrind_toggle(void) {
    CALLGRIND_TOGGLE_COLLECT;
}

void hkl_callgrind_stop(void) {
    CALLGRIND_STOP_INSTRUMENTATION;
}

#else

bool hkl_callgrind_present(void) {
    return false;
}

void hkl_callgrind_simulate(void) {}

void hkl_callgrind_forget(void) {}

void hkl_callgrind_toggle(void) {}

void hkl_callgrind_stop(void) {}

#endif
