/* See timing.h. */
#include "debug/timing.h"

#if HAKMEM_DEBUG_TIMING

#include <stdatomic.h>
#include <stddef.h>

#include "debug/cycles.h"
#include "debug/text.h"
#include "os/sys.h"
#include "policy/settings.h"

static const char *const names[HKM_TIMINGS] = {
#define HKM_X(id, name) name,
    HKM_TIMING_LIST(HKM_X)
#undef HKM_X
};

/* One thread's sums; never freed, so that the last print has them all. */
struct sums {
    _Atomic uint64_t calls[HKM_TIMINGS], cycles[HKM_TIMINGS];
    struct sums *next;
};
static struct sums *_Atomic all_sums;
static _Thread_local struct sums *own;
static _Thread_local _Bool making;

uint64_t hkm_timing_now(void) {
    if (!hkm_settings.timing) {
        return 0;
    }
    return HKM_HAS_CYCLES ? hkm_cycles() : hkm_sys_clock_ns();
}

static struct sums *own_sums(void) {
    if (own == NULL && !making) {
        making = 1; /* mapping it is timed, too */
        struct sums *sums = hkm_sys_mmap(sizeof *sums);
        making = 0;
        if (sums != NULL) {
            sums->next = atomic_load(&all_sums);
            while (!atomic_compare_exchange_weak(&all_sums, &sums->next, sums)) {
            }
            own = sums;
        }
    }
    return own;
}

static void add(_Atomic uint64_t *sum, uint64_t n) {
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

void hkm_timing_add(enum hkm_timing category, uint64_t begin) {
    if (begin == 0) {
        return;
    }
    const uint64_t cycles = hkm_timing_now() - begin;
    struct sums *sums = own_sums();
    if (sums != NULL) {
        add(&sums->calls[category], 1);
        add(&sums->cycles[category], cycles);
    }
}

struct hkm_timing_sum hkm_timing_sum(enum hkm_timing category) {
    struct hkm_timing_sum sum = {0, 0};
    for (struct sums *sums = atomic_load(&all_sums); sums != NULL; sums = sums->next) {
        sum.calls += atomic_load_explicit(&sums->calls[category], memory_order_relaxed);
        sum.cycles += atomic_load_explicit(&sums->cycles[category], memory_order_relaxed);
    }
    return sum;
}

void hkm_timing_print(int fd) {
    if (!hkm_settings.timing) {
        return;
    }
    for (unsigned i = 0; i < HKM_TIMINGS; i++) {
        const struct hkm_timing_sum sum = hkm_timing_sum((enum hkm_timing)i);
        struct hkm_text line = {.length = 0};
        hkm_text_string(&line, "timing ");
        hkm_text_string(&line, names[i]);
        hkm_text_string(&line, " calls ");
        hkm_text_number(&line, sum.calls);
        hkm_text_string(&line, " cycles ");
        hkm_text_number(&line, sum.cycles);
        hkm_text_string(&line, " per_call ");
        hkm_text_number(&line, sum.calls == 0 ? 0 : sum.cycles / sum.calls);
        hkm_text_string(&line, "\n");
        hkm_sys_write(fd, line.bytes, line.length);
    }
}

#endif
