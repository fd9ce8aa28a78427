/* hkl-driver: single calls are not timed. */
#include "harness/latency.h"

struct hkl_latency *const hkl_latency = NULL;
