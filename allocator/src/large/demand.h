/*
 * How many bytes of large blocks were live at most in the recent past. What was needed a moment ago
 * will probably be needed again (the idea of tcmalloc's HugeCache, which learns its limit from dips
 * in demand): memory up to that level is kept.
 */
#ifndef HKM_LARGE_DEMAND_H
#define HKM_LARGE_DEMAND_H

#include <stddef.h>
#include <stdint.h>

/* The past is seen through two windows of this length: the running one and the one before. */
#define HKM_DEMAND_WINDOW_NS UINT64_C(10000000000)

struct hkm_demand {
    size_t live;
    size_t peak, last_peak; /* highest `live` in the running window and in the last */
    uint64_t window_ns;     /* when the running window began */
};

/* Tells that live bytes changed by `bytes` (as a difference modulo 2^64) at time now_ns. */
static inline void hkm_demand_change(struct hkm_demand *demand, size_t bytes, uint64_t now_ns) {
    demand->live += bytes;
    if (now_ns - demand->window_ns >= HKM_DEMAND_WINDOW_NS) {
        const int idle = now_ns - demand->window_ns >= 2 * HKM_DEMAND_WINDOW_NS;
        demand->last_peak = idle ? demand->live : demand->peak;
        demand->peak = demand->live;
        demand->window_ns = now_ns;
    }
    if (demand->live > demand->peak) {
        demand->peak = demand->live;
    }
}

/* Bytes that may be kept free because they were live at the recent peak. A twentieth of the peak
 * more, for free ranges too small for the request at hand: without it such a request makes others
 * lose their pages, which are then faulted in again. */
static inline size_t hkm_demand_slack(const struct hkm_demand *demand) {
    const size_t peak = demand->peak > demand->last_peak ? demand->peak : demand->last_peak;
    return peak + peak / 20 - demand->live;
}

#endif
