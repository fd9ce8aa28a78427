/* The HAKMEM_ environment, read once at start: the mode's presets (modes.h), then each variable.
 * Sizes in bytes, times in nanoseconds. */
#ifndef HKM_POLICY_SETTINGS_H
#define HKM_POLICY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "visibility.h"

enum hkm_on_error { HKM_ON_ERROR_ABORT, HKM_ON_ERROR_REPORT, HKM_ON_ERROR_IGNORE };

struct hkm_settings {
    uint64_t mode;         /* HAKMEM_MODE: index of hkm_mode_names */
    bool superslab;        /* HAKMEM_TINY_USE_SUPERSLAB: 0 maps and unmaps each slab by itself */
    bool shared_pool;      /* HAKMEM_SHARED_POOL: 0 gives each class SuperSlabs of its own */
    uint64_t warm_slabs;   /* HAKMEM_WARM_POOL: slabs of a class that a thread may hold; 0 turns the
                              warm pool off */
    uint64_t warm_prefill; /* HAKMEM_WARM_PREFILL: slabs that secondary prefill brings in at once,
                              at most */
    uint64_t prewarm;      /* HAKMEM_PREWARM_SUPERSLABS: mapped at start */
    /* HAKMEM_PREWARM_CLASS=BYTES:COUNT: slabs for blocks of so many bytes, made at start */
    uint64_t prewarm_bytes, prewarm_count;
    bool background; /* HAKMEM_BACKGROUND: a thread that gives memory back while the program is idle
                      */
    uint64_t lru_max_count;    /* HAKMEM_SUPERSLAB_MAX_CACHED: emptied SuperSlabs that are kept */
    uint64_t lru_max_bytes;    /* HAKMEM_SUPERSLAB_MAX_MEMORY_MB */
    uint64_t lru_ttl_ns;       /* HAKMEM_SUPERSLAB_TTL_SEC */
    uint64_t whale_threshold;  /* HAKMEM_WHALE_THRESHOLD_KB: blocks from this size on are whales */
    uint64_t whale_slots;      /* HAKMEM_WHALE_SLOTS: of the ring */
    uint64_t purge;            /* HAKMEM_REGION_PURGE=dontneed|munmap|free|keep: enum hkm_purge */
    uint64_t whale_max_bytes;  /* HAKMEM_WHALE_MAX_MB: freed large blocks kept with their pages */
    uint64_t region_max_bytes; /* HAKMEM_REGION_MAX_MB: address ranges kept without pages */
    uint64_t region_max_count; /* HAKMEM_REGION_MAX_COUNT */
    uint64_t on_error;         /* HAKMEM_ON_ERROR=abort|report|ignore: enum hkm_on_error */
    bool whale_ring;           /* HAKMEM_WHALE_RING: exact sizes in a ring of slots */
    bool whale_per_site;       /* HAKMEM_WHALE_PER_SITE: a ring for each call site */
    bool big_cache;            /* HAKMEM_BIGCACHE */
    bool mid;             /* HAKMEM_MID: 0 leaves blocks of 64 KiB and more to the large path */
    bool lazy_zero;       /* HAKMEM_LAZY_ZERO: 0 has calloc clear what is known to be zero, too */
    bool thp;             /* HAKMEM_THP: transparent huge pages for large blocks */
    bool whale_learn;     /* HAKMEM_WHALE_LEARN: keep what was live at the recent peak, too */
    bool stats;           /* HAKMEM_STATS: print all counters at exit */
    bool warm_pool_stats; /* HAKMEM_WARM_POOL_STATS: print the warm pool's hits and misses by class
                             at exit */
#if HAKMEM_DEBUG_TIMING
    bool timing; /* HAKMEM_TIMING: measure, and print at exit (debug/timing.h) */
#endif
    uint64_t strategy;    /* HAKMEM_STRATEGY: pinned from the start; hkm_strategy_words */
    uint64_t policy_seed; /* HAKMEM_POLICY_SEED: of what the learner tries */
    /* HAKMEM_PRICE_NS_PER_MIB_S: what keeping a MiB free for a second may cost. 10,000 ns, the
     * default, is the time of 10 to 50 page faults; to fault a MiB in again takes 256. So what is
     * used again within some 5 to 25 seconds is worth keeping. */
    uint64_t price_ns_per_mib_s;
    bool learner;      /* HAKMEM_LEARNER: choose the strategy by measured cost (learner.h) */
    bool policy_stats; /* HAKMEM_POLICY_STATS: print ratings and the choice at exit */
    bool sites;        /* HAKMEM_SITES: account for large blocks by call site, print that at exit */
    bool print;        /* HAKMEM_SETTINGS: print all settings at exit */
    bool superslab_debug; /* HAKMEM_SS_DEBUG: print every SuperSlab at exit */
};

extern HKM_HIDDEN struct hkm_settings hkm_settings;

/* Reads the environment. A value that cannot be used is one line on stderr and the default. */
void hkm_settings_read(void);
/* Says in one line on stderr that a variable's value cannot be used. right: what it needs. */
void hkm_settings_refuse(const char *name, const char *value, const char *right);
/* Sets one variable, given as in the environment. A name that is none changes nothing. */
void hkm_settings_assign(const char *name, const char *text);
/* Prints every setting as a line 'setting NAME=value', in the form of the environment. */
void hkm_settings_print(int fd);

#endif
