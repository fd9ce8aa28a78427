/* See site.h. Open addressing; entries are never removed, so that a site that was refused once is
 * refused for good and its frees match its allocations. */
#include "policy/site.h"

#include <stdbool.h>

#include "debug/counters.h"
#include "debug/text.h"
#include "hakmem.h"
#include "large/large.h"
#include "os/sys.h"

#define ENTRIES 256u
#define PROBES  16u /* places at which a site is looked for */

static struct {
    bool used;
    struct hak_policy_site of;
} table[ENTRIES];

static struct hak_policy_site *entry(uintptr_t site) {
    const size_t home = (size_t)((site * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
    for (size_t i = 0; i < PROBES; i++) {
        const size_t at = (home + i) % ENTRIES;
        if (!table[at].used) {
            table[at].used = true;
            table[at].of.site = site;
        }
        if (table[at].of.site == site) {
            return &table[at].of;
        }
    }
    return NULL;
}

void hkm_site_change(uintptr_t site, enum hkm_site_event event, size_t bytes) {
    struct hak_policy_site *of = entry(site);
    if (of == NULL) {
        hkm_count(HKM_SITE_IGNORED, 1);
        return;
    }
    of->allocations += event == HKM_SITE_ALLOC;
    of->frees += event == HKM_SITE_FREE;
    of->live_bytes += bytes;
    if (of->live_bytes > of->peak_bytes) {
        of->peak_bytes = of->live_bytes;
    }
}

HKM_PUBLIC size_t hak_policy_sites(struct hak_policy_site *sites, size_t n) {
    size_t count = 0;
    hkm_large_lock();
    for (size_t i = 0; i < ENTRIES; i++) {
        if (table[i].used) {
            if (count < n) {
                sites[count] = table[i].of;
            }
            count++;
        }
    }
    hkm_large_unlock();
    return count;
}

void hkm_sites_print(int fd) {
    static struct hak_policy_site sites[ENTRIES];
    const size_t count = hak_policy_sites(sites, ENTRIES);
    for (size_t i = 0; i < count; i++) {
        struct hkm_text line = {.length = 0};
        hkm_text_string(&line, "site 0x");
        hkm_text_digits(&line, sites[i].site, 16);
        hkm_text_string(&line, " allocations ");
        hkm_text_number(&line, sites[i].allocations);
        hkm_text_string(&line, " frees ");
        hkm_text_number(&line, sites[i].frees);
        hkm_text_string(&line, " live_bytes ");
        hkm_text_number(&line, sites[i].live_bytes);
        hkm_text_string(&line, " peak_bytes ");
        hkm_text_number(&line, sites[i].peak_bytes);
        hkm_text_string(&line, "\n");
        hkm_sys_write(fd, line.bytes, line.length);
    }
    struct hkm_text line = {.length = 0};
    hkm_text_string(&line, "sites ignored ");
    hkm_text_number(&line, hkm_counters[HKM_SITE_IGNORED]);
    hkm_text_string(&line, "\n");
    hkm_sys_write(fd, line.bytes, line.length);
}
