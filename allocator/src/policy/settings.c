/* See settings.h. One table: a setting is added by one line. */
#include "policy/settings.h"

#include <stdlib.h>
#include <string.h>

#include "debug/text.h"
#include "os/sys.h"
#include "policy/modes.h"
#include "policy/strategy.h"
#include "superslab/classes.h"
#include "visibility.h"

#define MIB             (UINT64_C(1) << 20)
#define SECOND          UINT64_C(1000000000)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct hkm_settings hkm_settings = {
    .superslab = true,
    .shared_pool = true,
    .warm_slabs = 16,
    .warm_prefill = 3,
    .lru_max_count = 256,
    .lru_max_bytes = 512 * MIB,
    .lru_ttl_ns = 60 * SECOND,
    .whale_threshold = 2 * MIB,
    .whale_slots = 8,
    .big_cache = true,
    .mid = true,
    .lazy_zero = true,
    .whale_max_bytes = 64 * MIB,
    .region_max_bytes = 4096 * MIB,
    .region_max_count = 1024,
    .on_error = HKM_ON_ERROR_ABORT,
    .whale_learn = true,
    .policy_seed = 1,
    .price_ns_per_mib_s = 10000,
};

static const struct {
    const char *name;
    uint64_t *value;
    uint64_t unit; /* what 1 in the environment stands for */
    uint64_t max;  /* in that unit */
} numbers[] = {
    {"HAKMEM_SUPERSLAB_MAX_CACHED", &hkm_settings.lru_max_count, 1, 1u << 20},
    {"HAKMEM_SUPERSLAB_MAX_MEMORY_MB", &hkm_settings.lru_max_bytes, MIB, 1u << 24},
    {"HAKMEM_SUPERSLAB_TTL_SEC", &hkm_settings.lru_ttl_ns, SECOND, 1u << 24},
    {"HAKMEM_WHALE_THRESHOLD_KB", &hkm_settings.whale_threshold, 1024, 1u << 20},
    {"HAKMEM_WHALE_SLOTS", &hkm_settings.whale_slots, 1, 1024},
    {"HAKMEM_WHALE_MAX_MB", &hkm_settings.whale_max_bytes, MIB, 1u << 24},
    {"HAKMEM_REGION_MAX_MB", &hkm_settings.region_max_bytes, MIB, 1u << 24},
    {"HAKMEM_REGION_MAX_COUNT", &hkm_settings.region_max_count, 1, 16384},
    {"HAKMEM_WARM_POOL", &hkm_settings.warm_slabs, 1, 16},
    {"HAKMEM_WARM_PREFILL", &hkm_settings.warm_prefill, 1, 3},
    {"HAKMEM_POLICY_SEED", &hkm_settings.policy_seed, 1, UINT32_MAX},
    {"HAKMEM_PRICE_NS_PER_MIB_S", &hkm_settings.price_ns_per_mib_s, 1, 1000000000},
    {"HAKMEM_PREWARM_SUPERSLABS", &hkm_settings.prewarm, 1, 4096},
};

static const struct {
    const char *name;
    bool *value;
} switches[] = {
    {"HAKMEM_TINY_USE_SUPERSLAB", &hkm_settings.superslab},
    {"HAKMEM_SHARED_POOL", &hkm_settings.shared_pool},
    {"HAKMEM_BACKGROUND", &hkm_settings.background},
    {"HAKMEM_WHALE_RING", &hkm_settings.whale_ring},
    {"HAKMEM_WHALE_PER_SITE", &hkm_settings.whale_per_site},
    {"HAKMEM_BIGCACHE", &hkm_settings.big_cache},
    {"HAKMEM_MID", &hkm_settings.mid},
    {"HAKMEM_LAZY_ZERO", &hkm_settings.lazy_zero},
    {"HAKMEM_THP", &hkm_settings.thp},
    {"HAKMEM_WHALE_LEARN", &hkm_settings.whale_learn},
    {"HAKMEM_STATS", &hkm_settings.stats},
    {"HAKMEM_WARM_POOL_STATS", &hkm_settings.warm_pool_stats},
#if HAKMEM_DEBUG_TIMING
    {"HAKMEM_TIMING", &hkm_settings.timing},
#endif
    {"HAKMEM_LEARNER", &hkm_settings.learner},
    {"HAKMEM_POLICY_STATS", &hkm_settings.policy_stats},
    {"HAKMEM_SITES", &hkm_settings.sites},
    {"HAKMEM_SETTINGS", &hkm_settings.print},
    {"HAKMEM_SS_DEBUG", &hkm_settings.superslab_debug},
};

/* Two whole numbers with a colon between them. */
static const struct {
    const char *name;
    uint64_t *first, *second;
    uint64_t first_max, second_max;
    const char *right;
} pairs[] = {
    {"HAKMEM_PREWARM_CLASS", &hkm_settings.prewarm_bytes, &hkm_settings.prewarm_count,
     HKM_MIDDLE_MAX, 65536, "needs BYTES:COUNT, whole numbers up to 1048576 and 65536"},
};

static const char *const on_error_words[] = {"abort", "report", "ignore", NULL};
static const char *const purge_words[] = {"dontneed", "munmap", "free", "keep", NULL};

/* words[i] stands for the value i. */
static const struct {
    const char *name;
    uint64_t *value;
    const char *const *words;
    const char *right;
} choices[] = {
    {"HAKMEM_MODE", &hkm_settings.mode, hkm_mode_names,
     "needs balanced, minimal, fast, learning or research"},
    {"HAKMEM_STRATEGY", &hkm_settings.strategy, hkm_strategy_words,
     "needs auto, settings, nothing, thrifty, fixed, unmap, sites, whales or hoard"},
    {"HAKMEM_ON_ERROR", &hkm_settings.on_error, on_error_words, "needs abort, report or ignore"},
    {"HAKMEM_REGION_PURGE", &hkm_settings.purge, purge_words,
     "needs dontneed, munmap, free or keep"},
};

HKM_COLD void hkm_settings_refuse(const char *name, const char *value, const char *right) {
    static const char colon[] = ": ", end[] = "; the default is used\n";
    struct hkm_text line = {.length = 0};
    hkm_text_string(&line, "hakmem: ");
    hkm_text_string(&line, name);
    hkm_text_string(&line, "=");
    const size_t others = line.length + strlen(colon) + strlen(right) + strlen(end);
    hkm_text_shortened(&line, value, sizeof line.bytes - others);
    hkm_text_string(&line, colon);
    hkm_text_string(&line, right);
    hkm_text_string(&line, end);
    hkm_sys_write(2, line.bytes, line.length);
}

/* A whole decimal number up to max, which ends at `end`; its length, 0 for anything else. */
static size_t parse_to(const char *text, char end, uint64_t max, uint64_t *value) {
    const char *const begin = text;
    uint64_t sum = 0;
    for (; *text != end; text++) {
        if (*text < '0' || *text > '9') {
            return 0;
        }
        sum = sum * 10 + (uint64_t)(*text - '0');
        if (sum > max) {
            return 0;
        }
    }
    *value = sum;
    return (size_t)(text - begin);
}

/* The same for all of a text. */
static bool parse(const char *text, uint64_t max, uint64_t *value) {
    return parse_to(text, '\0', max, value) != 0;
}

/* Each sets the setting of that name from a text, and says so where the text cannot be used; false
 * when there is none of that name. */
static bool assign_number(const char *name, const char *text) {
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (strcmp(name, numbers[i].name) != 0) {
            continue;
        }
        uint64_t value;
        if (parse(text, numbers[i].max, &value)) {
            *numbers[i].value = value * numbers[i].unit;
        } else {
            struct hkm_text right = {.length = 0};
            hkm_text_string(&right, "needs a whole number from 0 to ");
            hkm_text_number(&right, numbers[i].max);
            right.bytes[right.length] = '\0';
            hkm_settings_refuse(name, text, right.bytes);
        }
        return true;
    }
    return false;
}

static bool assign_switch(const char *name, const char *text) {
    for (size_t i = 0; i < COUNT_OF(switches); i++) {
        if (strcmp(name, switches[i].name) != 0) {
            continue;
        }
        uint64_t value;
        if (parse(text, 1, &value)) {
            *switches[i].value = value != 0;
        } else {
            hkm_settings_refuse(name, text, "needs 0 or 1");
        }
        return true;
    }
    return false;
}

static bool assign_pair(const char *name, const char *text) {
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (strcmp(name, pairs[i].name) != 0) {
            continue;
        }
        uint64_t first, second;
        const size_t length = parse_to(text, ':', pairs[i].first_max, &first);
        if (length > 0 && parse(text + length + 1, pairs[i].second_max, &second)) {
            *pairs[i].first = first;
            *pairs[i].second = second;
        } else {
            hkm_settings_refuse(name, text, pairs[i].right);
        }
        return true;
    }
    return false;
}

static void assign_choice(const char *name, const char *text) {
    for (size_t i = 0; i < COUNT_OF(choices); i++) {
        if (strcmp(name, choices[i].name) != 0) {
            continue;
        }
        uint64_t word = 0;
        while (choices[i].words[word] != NULL && strcmp(text, choices[i].words[word]) != 0) {
            word++;
        }
        if (choices[i].words[word] != NULL) {
            *choices[i].value = word;
        } else {
            hkm_settings_refuse(name, text, choices[i].right);
        }
    }
}

void hkm_settings_assign(const char *name, const char *text) {
    if (!assign_number(name, text) && !assign_switch(name, text) && !assign_pair(name, text)) {
        assign_choice(name, text);
    }
}

static void read_one(const char *name) {
    const char *text = getenv(name);
    if (text != NULL) {
        hkm_settings_assign(name, text);
    }
}

void hkm_settings_read(void) {
    read_one("HAKMEM_MODE");
    hkm_mode_apply((unsigned)hkm_settings.mode); /* what follows overrides it */
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        read_one(numbers[i].name);
    }
    for (size_t i = 0; i < COUNT_OF(switches); i++) {
        read_one(switches[i].name);
    }
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        read_one(pairs[i].name);
    }
    for (size_t i = 1; i < COUNT_OF(choices); i++) { /* but for the mode */
        read_one(choices[i].name);
    }
    hkm_strategies_init();
}

static void print_pair(int fd, const char *name, uint64_t first, uint64_t second) {
    struct hkm_text line = {.length = 0};
    hkm_text_string(&line, "setting ");
    hkm_text_string(&line, name);
    hkm_text_string(&line, "=");
    hkm_text_number(&line, first);
    hkm_text_string(&line, ":");
    hkm_text_number(&line, second);
    hkm_text_string(&line, "\n");
    hkm_sys_write(fd, line.bytes, line.length);
}

static void print_line(int fd, const char *name, const char *word, uint64_t number) {
    struct hkm_text line = {.length = 0};
    hkm_text_string(&line, "setting ");
    hkm_text_string(&line, name);
    hkm_text_string(&line, "=");
    if (word != NULL) {
        hkm_text_string(&line, word);
    } else {
        hkm_text_number(&line, number);
    }
    hkm_text_string(&line, "\n");
    hkm_sys_write(fd, line.bytes, line.length);
}

void hkm_settings_print(int fd) {
    for (size_t i = 0; i < COUNT_OF(choices); i++) {
        print_line(fd, choices[i].name, choices[i].words[*choices[i].value], 0);
    }
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        print_line(fd, numbers[i].name, NULL, *numbers[i].value / numbers[i].unit);
    }
    for (size_t i = 0; i < COUNT_OF(switches); i++) {
        print_line(fd, switches[i].name, NULL, *switches[i].value);
    }
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        print_pair(fd, pairs[i].name, *pairs[i].first, *pairs[i].second);
    }
}
