/* See learner.h. Also hak_policy_* of hakmem.h, but for the sites (site.c). */
#include "policy/learner.h"

#include "debug/counters.h"
#include "debug/text.h"
#include "front/heap.h"
#include "hakmem.h"
#include "large/large.h"
#include "os/sys.h"
#include "policy/settings.h"
#include "policy/strategy.h"
#include "policy/tournament.h"

/* Operations of an episode once the strategy is chosen. */
#define EPISODE 96u
/* While frozen, one episode in this many is measured. */
#define ONE_IN 16u
/* Shifted: so many measured episodes on end cost this factor more (and a difference that matters),
 * or ask for sizes that differ by that one. */
#define SHIFT_COST     3.0
#define SHIFT_NS       1000.0
#define SHIFT_SIZE     2.0
#define SHIFT_EPISODES 4u

bool hkm_learner_on;
_Atomic uint32_t hkm_learner_skip;

#define NONE HKM_STRATEGIES
static unsigned current; /* strategy in force */
static unsigned pinned = NONE;
static bool frozen;

static struct hkm_tournament tournament;
static uint64_t episodes[HKM_STRATEGIES]; /* that each strategy has played */

/* The episode that runs. */
static unsigned to_settle; /* operations that do not count yet */
static unsigned operations, allocations;
static uint64_t time_ns, faults_before, last_ns;
static double bytes_asked, kept_byte_ns;
static size_t kept_now;

/* Least and most bytes of an allocation, as episodes had it on average since learning began. */
static double least_size, most_size;
/* Measured episodes on end in which the frozen strategy was not as usual. */
static unsigned different;

static double fault_ns;

/* What it costs to touch a fresh page: the least of a few tries, as the rest was disturbed. */
static double price_of_a_fault(void) {
    enum { TRIES = 4, PAGES = 64 };
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        volatile char *pages = hkm_sys_mmap((size_t)PAGES * HKM_PAGE);
        if (pages == NULL) {
            return 0;
        }
        const uint64_t begin = hkm_sys_precise_ns();
        for (size_t page = 0; page < PAGES; page++) {
            pages[page * HKM_PAGE] = 1;
        }
        const uint64_t took = hkm_sys_precise_ns() - begin;
        least = took < least ? took : least;
        hkm_sys_munmap((void *)pages, (size_t)PAGES * HKM_PAGE);
    }
    return (double)least / PAGES;
}

/* ---- Episodes ---- */

static void episode_begin(unsigned strategy) {
    operations = 0;
    to_settle = 0;
    if (strategy != current) {
        current = strategy;
        hkm_large_apply(&hkm_strategies[strategy]);
        atomic_store_explicit(&hkm_counters[HKM_POLICY_STRATEGY], strategy, memory_order_relaxed);
    }
}

/* The operation that counts first only sets the meters. */
static void meters_begin(uint64_t now_ns, size_t kept) {
    if (fault_ns == 0) {
        fault_ns = price_of_a_fault();
    }
    time_ns = 0;
    allocations = 0;
    bytes_asked = kept_byte_ns = 0;
    faults_before = hkm_sys_faults();
    last_ns = now_ns;
    kept_now = kept;
}

/* What the episode has cost so far, in ns. */
static double spent(void) {
    const double price = (double)hkm_settings.price_ns_per_mib_s / (1048576.0 * 1e9);
    return (double)time_ns + (double)(hkm_sys_faults() - faults_before) * fault_ns +
           kept_byte_ns * price;
}

/* ---- Learning ---- */

static void turn_begin(void) {
    episode_begin(tournament.turn.strategy);
    to_settle = tournament.turn.settle;
}

static void learning_begin(void) {
    frozen = false;
    least_size = most_size = 0;
    hkm_tournament_begin(&tournament, current);
    turn_begin();
}

static void freeze(void) {
    frozen = true;
    different = 0;
    hkm_count(HKM_POLICY_FREEZES, 1);
    episode_begin(tournament.leader);
    to_settle = EPISODE;
}

static void turn_end(double cost) {
    const unsigned before = tournament.matches;
    const bool over = hkm_tournament_played(&tournament, cost, operations);
    hkm_count(HKM_POLICY_MATCHES, tournament.matches - before);
    if (over) {
        freeze();
    } else {
        turn_begin();
    }
}

/* ---- The frozen strategy ---- */

/* Notes the size that the episode's allocations have on average. Returns whether it lies far from
 * all that was seen since learning began: a workload whose sizes come and go is not a new one each
 * time. */
static bool is_other_size(void) {
    if (allocations == 0) {
        return false;
    }
    const double size = bytes_asked / allocations;
    if (frozen && (size > most_size * SHIFT_SIZE || size * SHIFT_SIZE < least_size)) {
        return true;
    }
    least_size = least_size == 0 || size < least_size ? size : least_size;
    most_size = size > most_size ? size : most_size;
    return false;
}

/* Whether the workload has shifted, given a measured episode. To cost less is no reason to change.
 */
static bool has_shifted(double cost) {
    const double level = hkm_player_cost(&tournament.players[current]);
    const bool costs_more = cost > level * SHIFT_COST && cost - level > SHIFT_NS;
    different = is_other_size() || costs_more ? different + 1 : 0;
    return different >= SHIFT_EPISODES;
}

static void episode_end(void) {
    const double cost = spent();
    episodes[current]++;
    hkm_count(HKM_POLICY_EPISODES, 1);
    if (pinned == NONE && !frozen) {
        is_other_size();
        turn_end(cost);
        return;
    }
    if (pinned == NONE && has_shifted(cost / operations)) {
        hkm_count(HKM_POLICY_THAWS, 1);
        learning_begin();
        return;
    }
    if (different == 0) {
        hkm_player_add(&tournament.players[current], cost, operations);
        atomic_store_explicit(&hkm_learner_skip, (ONE_IN - 1) * EPISODE, memory_order_relaxed);
    } /* else the next one is measured, too */
    episode_begin(current);
}

/* Whether the episode need not go on, as it has cost too much by now. */
static bool has_lost(void) {
    return pinned == NONE && !frozen && spent() > tournament.turn.limit;
}

void hkm_learner_operation(uint64_t begin_ns, size_t size, size_t kept) {
    if (to_settle > 0) {
        to_settle--;
        return;
    }
    const uint64_t now_ns = hkm_sys_precise_ns();
    if (operations++ == 0) {
        meters_begin(now_ns, kept);
        return;
    }
    time_ns += now_ns - begin_ns;
    kept_byte_ns += (double)kept_now * (double)(now_ns - last_ns);
    last_ns = now_ns;
    kept_now = kept;
    allocations += size > 0;
    bytes_asked += (double)size;
    const bool learns = pinned == NONE && !frozen;
    if (operations > (learns ? tournament.turn.operations : EPISODE)) {
        episode_end();
    } else if (operations % 8 == 0 && has_lost()) {
        episode_end();
    }
}

void hkm_learner_init(void) {
    tournament.random_state = hkm_settings.policy_seed;
    pinned = hkm_settings.strategy == 0 ? NONE : (unsigned)hkm_settings.strategy - 1;
    current = pinned == NONE ? 0 : pinned;
    hkm_counters[HKM_POLICY_STRATEGY] = current;
    learning_begin();
    hkm_learner_on = hkm_settings.learner;
}

/* ---- The public face ---- */

HKM_PUBLIC unsigned hak_policy_count(void) {
    return HKM_STRATEGIES;
}

HKM_PUBLIC const char *hak_policy_name(unsigned index) {
    return index < HKM_STRATEGIES ? hkm_strategy_words[1 + index] : NULL;
}

HKM_PUBLIC int hak_policy_rating(unsigned index) {
    if (index >= HKM_STRATEGIES || !hkm_start()) {
        return 0;
    }
    hkm_large_lock();
    const int rating = (int)tournament.players[index].rating;
    hkm_large_unlock();
    return rating;
}

HKM_PUBLIC unsigned hak_policy_current(void) {
    return hkm_start() ? (unsigned)hkm_counters[HKM_POLICY_STRATEGY] : 0;
}

HKM_PUBLIC int hak_policy_settled(void) {
    if (!hkm_start()) {
        return 0;
    }
    hkm_large_lock();
    const bool settled = frozen || pinned != NONE || !hkm_learner_on;
    hkm_large_unlock();
    return settled;
}

HKM_PUBLIC int hak_policy_pin(unsigned index) {
    if (index >= HKM_STRATEGIES || !hkm_start()) {
        return -1;
    }
    hkm_large_lock();
    pinned = index;
    different = 0;
    episode_begin(index);
    hkm_large_unlock();
    return 0;
}

HKM_PUBLIC void hak_policy_unpin(void) {
    if (!hkm_start()) {
        return;
    }
    hkm_large_lock();
    pinned = NONE;
    atomic_store_explicit(&hkm_learner_skip, 0, memory_order_relaxed);
    if (hkm_learner_on) {
        learning_begin();
    } else {
        episode_begin(0);
    }
    hkm_large_unlock();
}

void hkm_learner_print(int fd) {
    hkm_large_lock();
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        struct hkm_text line = {.length = 0};
        hkm_text_string(&line, "policy ");
        hkm_text_string(&line, hak_policy_name(i));
        hkm_text_string(&line, " rating ");
        hkm_text_number(&line, (uint64_t)tournament.players[i].rating);
        hkm_text_string(&line, " matches ");
        hkm_text_number(&line, tournament.players[i].matches);
        hkm_text_string(&line, " episodes ");
        hkm_text_number(&line, episodes[i]);
        hkm_text_string(&line, " cost_ns ");
        hkm_text_number(&line, (uint64_t)hkm_player_cost(&tournament.players[i]));
        hkm_text_string(&line, "\n");
        hkm_sys_write(fd, line.bytes, line.length);
    }
    struct hkm_text line = {.length = 0};
    hkm_text_string(&line, "policy choice ");
    hkm_text_string(&line, hak_policy_name(current));
    hkm_text_string(&line, pinned != NONE    ? " pinned"
                           : !hkm_learner_on ? " fixed"
                           : frozen          ? " frozen"
                                             : " learning");
    hkm_text_string(&line, " fault_ns ");
    hkm_text_number(&line, (uint64_t)fault_ns);
    hkm_text_string(&line, "\n");
    hkm_sys_write(fd, line.bytes, line.length);
    hkm_large_unlock();
}
