/* The HAKMEM_ environment, read once at start. Sizes in bytes, times in nanoseconds. */
#ifndef HKM_POLICY_SETTINGS_H
#define HKM_POLICY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "visibility.h"

enum hkm_on_error { HKM_ON_ERROR_ABORT, HKM_ON_ERROR_REPORT, HKM_ON_ERROR_IGNORE };

struct hkm_settings {
    uint64_t lru_max_count;  /* HAKMEM_SUPERSLAB_MAX_CACHED: emptied SuperSlabs that are kept */
    uint64_t lru_max_bytes;  /* HAKMEM_SUPERSLAB_MAX_MEMORY_MB */
    uint64_t lru_ttl_ns;     /* HAKMEM_SUPERSLAB_TTL_SEC */
    uint64_t whale_max_bytes;  /* HAKMEM_WHALE_MAX_MB: freed large blocks kept with their pages */
    uint64_t region_max_bytes; /* HAKMEM_REGION_MAX_MB: address ranges kept without pages */
    uint64_t region_max_count; /* HAKMEM_REGION_MAX_COUNT */
    enum hkm_on_error on_error; /* HAKMEM_ON_ERROR=abort|report|ignore */
    uint64_t stats;             /* HAKMEM_STATS=1: print all counters at exit */
};

extern HKM_HIDDEN struct hkm_settings hkm_settings;

/* Reads the environment. A value that cannot be used is one line on stderr and the default. */
void hkm_settings_read(void);

#endif
