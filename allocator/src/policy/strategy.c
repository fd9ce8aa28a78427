/* See strategy.h. */
#include "policy/strategy.h"

#include <stdint.h>

#include "policy/settings.h"

#define MIB ((size_t)1 << 20)

struct hkm_strategy hkm_strategy;

const char *const hkm_strategy_words[] = {"auto",  "settings", "nothing", "thrifty", "fixed",
                                          "unmap", "sites",    "whales",  "hoard",   NULL};

/* MADV_FREE and keeping evicted pages are not among them: what they leave in the region cache would
 * serve the next strategy, too, and could not be told apart. */
struct hkm_strategy hkm_strategies[HKM_STRATEGIES] = {
    {0},
    {2 * MIB, 0, false, false, HKM_PURGE_MUNMAP},           /* nothing: given back when freed */
    {2 * MIB, 8 * MIB, false, false, HKM_PURGE_DONTNEED},   /* thrifty: a little */
    {2 * MIB, 64 * MIB, false, false, HKM_PURGE_DONTNEED},  /* fixed: a fixed capacity */
    {2 * MIB, 64 * MIB, false, false, HKM_PURGE_MUNMAP},    /* unmap: ranges go with their pages */
    {2 * MIB, 64 * MIB, true, true, HKM_PURGE_DONTNEED},    /* sites: by call site */
    {0, 64 * MIB, true, false, HKM_PURGE_DONTNEED},         /* whales: no BigCache below them */
    {2 * MIB, 1024 * MIB, true, false, HKM_PURGE_DONTNEED}, /* hoard: whatever was used */
};

void hkm_strategies_init(void) {
    hkm_strategies[0] = (struct hkm_strategy){
        .threshold = hkm_settings.whale_threshold,
        .capacity = hkm_settings.whale_max_bytes,
        .learn = hkm_settings.whale_learn,
        .per_site = hkm_settings.whale_per_site,
        .purge = (enum hkm_purge)hkm_settings.purge,
    };
    hkm_strategy = hkm_strategies[hkm_settings.strategy == 0 ? 0 : hkm_settings.strategy - 1];
}
