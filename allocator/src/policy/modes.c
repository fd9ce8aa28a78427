/* See modes.h. One table, in the words of the environment; docs/modes.md says the same. */
#include "policy/modes.h"

#include <stddef.h>

#include "policy/settings.h"

enum { BALANCED, MINIMAL, FAST, LEARNING, RESEARCH, MODES };

const char *const hkm_mode_names[] = {
    [BALANCED] = "balanced", [MINIMAL] = "minimal",   [FAST] = "fast",
    [LEARNING] = "learning", [RESEARCH] = "research", [MODES] = NULL,
};

/* balanced sets nothing: it is the defaults of settings.c. */
static const struct {
    unsigned char mode;
    const char *name, *text;
} presets[] = {
    /* as little memory as possible: nothing large is kept, little of the rest and not for long */
    {MINIMAL, "HAKMEM_WARM_POOL", "2"},
    {MINIMAL, "HAKMEM_WARM_PREFILL", "1"},
    {MINIMAL, "HAKMEM_SUPERSLAB_MAX_CACHED", "2"},
    {MINIMAL, "HAKMEM_SUPERSLAB_MAX_MEMORY_MB", "4"},
    {MINIMAL, "HAKMEM_SUPERSLAB_TTL_SEC", "1"},
    {MINIMAL, "HAKMEM_BIGCACHE", "0"},
    {MINIMAL, "HAKMEM_WHALE_MAX_MB", "0"},
    {MINIMAL, "HAKMEM_WHALE_LEARN", "0"},
    {MINIMAL, "HAKMEM_REGION_PURGE", "munmap"},
    /* as little work as possible: what was used once is kept */
    {FAST, "HAKMEM_SUPERSLAB_MAX_CACHED", "4096"},
    {FAST, "HAKMEM_SUPERSLAB_MAX_MEMORY_MB", "8192"},
    {FAST, "HAKMEM_SUPERSLAB_TTL_SEC", "3600"},
    {FAST, "HAKMEM_WHALE_MAX_MB", "1024"},
    {FAST, "HAKMEM_PREWARM_SUPERSLABS", "4"},
    {LEARNING, "HAKMEM_LEARNER", "1"},
    /* balanced, and says at the end all that it counts */
    {RESEARCH, "HAKMEM_STATS", "1"},
    {RESEARCH, "HAKMEM_WARM_POOL_STATS", "1"},
    {RESEARCH, "HAKMEM_SITES", "1"},
    {RESEARCH, "HAKMEM_POLICY_STATS", "1"},
    {RESEARCH, "HAKMEM_SETTINGS", "1"},
};

void hkm_mode_apply(unsigned mode) {
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        if (presets[i].mode == mode) {
            hkm_settings_assign(presets[i].name, presets[i].text);
        }
    }
}
