/* How long single calls of the allocator take, in hkl-latency: the driver linked so that its calls
 * of malloc and free pass through latency/wrap.c. In hkl-driver nothing is recorded, and calls go
 * to the allocator directly. */
#ifndef HKL_LATENCY_H
#define HKL_LATENCY_H

#include "harness/histogram.h"
#include "harness/json.h"

#include <stdbool.h>

enum hkl_call { HKL_MALLOC, HKL_CALLOC, HKL_REALLOC, HKL_FREE, HKL_CALLS };

struct hkl_latency {
    bool cycles;         /* the clock, see ticks.h */
    bool recording;      /* the steady window is open */
    uint64_t overhead;   /* ticks that an empty call takes: median */
    uint64_t resolution; /* least step seen, in ticks; 0: none was */
    double ns_per_tick;  /* set by hkl_latency_stop() */
    uint64_t start_ticks, start_ns;
    struct hkl_histogram calls[HKL_CALLS]; /* in ticks */
};

/* What is recorded into; NULL in hkl-driver. */
extern struct hkl_latency *const hkl_latency;

/* Begins and ends recording; nothing where hkl_latency is NULL. */
void hkl_latency_start(void);
void hkl_latency_stop(void);

/* Writes the record's `latency`: null where hkl_latency is NULL. */
void hkl_latency_write(struct hkl_json *json);

#endif
