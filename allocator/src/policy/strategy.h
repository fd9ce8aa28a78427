/*
 * How the large path trades memory for time: one strategy is in force at a time, under the large
 * path's lock. It starts from the settings (settings.h) and may be changed while the program runs.
 */
#ifndef HKM_POLICY_STRATEGY_H
#define HKM_POLICY_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>

#include "visibility.h"

/* What becomes of the pages of a range that the whale cache evicts. */
enum hkm_purge {
    HKM_PURGE_DONTNEED, /* given back at once; the range is kept and reads as zero */
    HKM_PURGE_MUNMAP,   /* given back together with the range */
    HKM_PURGE_FREE,     /* the kernel may take them when it needs them (MADV_FREE); range kept */
    HKM_PURGE_KEEP,     /* kept */
};

struct hkm_strategy {
    size_t threshold;     /* bytes from which a block is a whale; smaller ones use the BigCache */
    size_t capacity;      /* bytes of freed whales that are kept with their pages */
    bool learn;           /* keep what was live at the recent peak, too */
    bool per_site;        /* a ring for each call site (hashed), others only when it has nothing */
    enum hkm_purge purge; /* of what is evicted */
};

extern HKM_HIDDEN struct hkm_strategy hkm_strategy;

/* The strategies that there are to choose from; the first is what the settings say. */
#define HKM_STRATEGIES 8u
extern HKM_HIDDEN struct hkm_strategy hkm_strategies[HKM_STRATEGIES];
/* HAKMEM_STRATEGY's words: "auto", the names of the strategies in order, NULL. */
extern HKM_HIDDEN const char *const hkm_strategy_words[];

/* Fills in the first and puts into force what the settings ask for. */
void hkm_strategies_init(void);

#endif
