/*
 * The learner (HAKMEM_LEARNER=1, set by HAKMEM_MODE=learning): finds the strategy (strategy.h) that
 * costs a program least. It lets them play against each other (tournament.h), each for an episode
 * of large operations at a time, and measures what an episode costs:
 *
 *     time spent in the large path + page faults x price of a fault (measured once)
 *         + free bytes kept x time x HAKMEM_PRICE_NS_PER_MIB_S.
 *
 * The winner is frozen; when it costs several times as much as before, or the sizes asked for leave
 * the range that they have had since, it is thawed and all begins anew.
 *
 * The large path calls it (large/large.c). All but hkm_learner_watches under its lock.
 */
#ifndef HKM_POLICY_LEARNER_H
#define HKM_POLICY_LEARNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "visibility.h"

extern HKM_HIDDEN bool hkm_learner_on;
/* Operations still to come that need not be looked at. */
extern HKM_HIDDEN _Atomic uint32_t hkm_learner_skip;

/* Whether the operation that begins now is to be told to hkm_learner_operation. Threads that meet
 * here may lose a step of the count: no harm. */
static inline bool hkm_learner_watches(void) {
    if (hkm_likely(!hkm_learner_on)) {
        return false;
    }
    const uint32_t skip = atomic_load_explicit(&hkm_learner_skip, memory_order_relaxed);
    if (skip > 0) {
        atomic_store_explicit(&hkm_learner_skip, skip - 1, memory_order_relaxed);
    }
    return skip == 0;
}

/* At start, once the settings are read. */
void hkm_learner_init(void);
/* Tells of an operation that began at begin_ns and ends now. size: bytes asked for, 0: it was a
 * free. kept: bytes that are now free with their pages. */
void hkm_learner_operation(uint64_t begin_ns, size_t size, size_t kept);
/* Prints the ratings and the choice (HAKMEM_POLICY_STATS=1). */
void hkm_learner_print(int fd);

#endif
