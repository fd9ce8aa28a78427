/* See learner.h. Also hak_policy_* of hakmem.h, but for the sites (site.c). */
#include "policy/learner.h"

#include "debug/counters.h"
#include "debug/text.h"
#include "front/heap.h"
#include "hakmem.h"
#include "large/large.h"
#include "os/sys.h"
#include "policy/elo.h"
#include "policy/settings.h"
#include "policy/strategy.h"

/* Operations of an episode that count, and those before them, after a change of strategy, that do
 * not: what the strategy before has left is used up or given back in these. */
#define EPISODE 96u
#define SETTLE  32u
/* Costs per operation that differ by less than this are a draw. */
#define DRAW_PART 0.02
#define DRAW_NS   100.0
/* Settled: every strategy has played, and the leader was not overtaken for so many matches; or so
 * many were played in all: those that take turns at the top are about as good. */
#define EACH_PLAYS   3u
#define LEADER_HOLDS 12u
#define MOST_MATCHES 64u
/* While frozen, one episode in this many is measured. */
#define ONE_IN 8u
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

static struct {
    double rating;
    unsigned matches;
    uint64_t episodes;
    /* Sums of this round of learning, the last ten episodes or so weighing most. Quotients of sums,
     * as episodes are rarely alike: one in many may cost most, and may have been cut short. */
    double cost, operations, bytes, allocations;
} players[HKM_STRATEGIES];
static unsigned leader, leader_held, matches; /* of this round of learning */
static uint64_t random_state;

/* The match that is played. */
static unsigned first, second;
static bool second_plays;

/* The episode that runs. */
static unsigned to_settle; /* operations that do not count yet */
static unsigned operations, allocations;
static uint64_t time_ns, faults_before, last_ns;
static double bytes_asked, kept_byte_ns;
static size_t kept_now;

/* Measured episodes on end in which the frozen strategy was not as usual. */
static unsigned different;

static double fault_ns;

static uint64_t next_random(void) { /* SplitMix64 */
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

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
    to_settle = strategy != current ? SETTLE : 0;
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

/* Bytes of an allocation of the episode, on average. */
static double size_asked(void) {
    return allocations > 0 ? bytes_asked / allocations : 0;
}

/* Adds the episode to the sums of the strategy in force. */
static void add_up(double cost) {
    const double fades = 0.9;
    players[current].cost = players[current].cost * fades + cost;
    players[current].operations = players[current].operations * fades + operations;
    players[current].bytes = players[current].bytes * fades + bytes_asked;
    players[current].allocations = players[current].allocations * fades + allocations;
}

/* Cost per operation of a strategy that has played. */
static double usual_cost(unsigned strategy) {
    return players[strategy].cost / players[strategy].operations;
}

/* ---- Matches ---- */

static double draw_margin(double cost) {
    return cost * DRAW_PART > DRAW_NS ? cost * DRAW_PART : DRAW_NS;
}

/* Whom the leader plays: those that have hardly played first; then by how well they may be expected
 * to do, so that the hopeless cost little, but never nothing at all. */
static unsigned opponent(void) {
    double weight[HKM_STRATEGIES], sum = 0;
    unsigned fewest = UINT32_MAX;
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        if (i != leader && players[i].matches < fewest) {
            fewest = players[i].matches;
        }
    }
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        if (i == leader || (fewest < EACH_PLAYS && players[i].matches > fewest)) {
            weight[i] = 0;
        } else {
            const double expected = hkm_elo_expected(players[i].rating, players[leader].rating);
            weight[i] = expected * expected + 0.01;
        }
        sum += weight[i];
    }
    double at = (double)(next_random() >> 11) / (double)(UINT64_C(1) << 53) * sum;
    unsigned chosen = NONE;
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        if (weight[i] > 0 && (chosen == NONE || at >= 0)) {
            chosen = i;
        }
        at -= weight[i];
    }
    return chosen;
}

/* The leader goes first: it sets what the other, which is often worse, may spend at most. */
static void match_begin(void) {
    first = leader;
    second = opponent();
    second_plays = false;
    episode_begin(first);
}

static void learning_begin(void) {
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        players[i].rating = HKM_ELO_START;
        players[i].matches = 0;
        players[i].cost = players[i].operations = 0;
        players[i].bytes = players[i].allocations = 0;
    }
    leader = current;
    leader_held = matches = 0;
    frozen = false;
    match_begin();
    to_settle = SETTLE; /* also where the strategy stays: the program has just begun, or changed */
}

static void freeze(void) {
    frozen = true;
    different = 0;
    hkm_count(HKM_POLICY_FREEZES, 1);
    episode_begin(leader);
}

static bool is_settled(void) {
    bool all_played = true;
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        all_played &= players[i].matches >= EACH_PLAYS;
    }
    return (all_played && leader_held >= LEADER_HOLDS) || matches >= MOST_MATCHES;
}

static void match_end(void) {
    const double first_cost = usual_cost(first), second_cost = usual_cost(second);
    const double margin = draw_margin(first_cost);
    double score = 0.5; /* of the first */
    if (second_cost > first_cost + margin) {
        score = 1;
    } else if (second_cost < first_cost - margin) {
        score = 0;
    }
    const double expected = hkm_elo_expected(players[first].rating, players[second].rating);
    players[first].rating = hkm_elo_updated(players[first].rating, expected, score,
                                            hkm_elo_k(players[first].matches++));
    players[second].rating = hkm_elo_updated(players[second].rating, 1 - expected, 1 - score,
                                             hkm_elo_k(players[second].matches++));
    matches++;
    leader_held++;
    hkm_count(HKM_POLICY_MATCHES, 1);
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        if (players[i].rating > players[leader].rating) {
            leader = i;
            leader_held = 0;
        }
    }
    if (is_settled()) {
        freeze();
    } else {
        match_begin();
    }
}

/* ---- The frozen strategy ---- */

/* Whether the workload has shifted, given a measured episode. To cost less is no reason to change.
 */
static bool has_shifted(double cost) {
    const double level = usual_cost(current);
    const double size = size_asked();
    const double usual_size = players[current].bytes / players[current].allocations;
    const bool costs_more = cost > level * SHIFT_COST && cost - level > SHIFT_NS;
    const bool other_sizes =
        allocations > 0 && (size > usual_size * SHIFT_SIZE || size * SHIFT_SIZE < usual_size);
    different = costs_more || other_sizes ? different + 1 : 0;
    return different >= SHIFT_EPISODES;
}

static void episode_end(void) {
    const double cost = spent();
    players[current].episodes++;
    hkm_count(HKM_POLICY_EPISODES, 1);
    if (pinned == NONE && !frozen) {
        add_up(cost);
        if (second_plays) {
            match_end();
        } else {
            second_plays = true;
            episode_begin(second);
        }
        return;
    }
    if (pinned == NONE && has_shifted(cost / operations)) {
        hkm_count(HKM_POLICY_THAWS, 1);
        learning_begin();
        return;
    }
    if (different == 0) {
        add_up(cost);
        atomic_store_explicit(&hkm_learner_skip, (ONE_IN - 1) * EPISODE, memory_order_relaxed);
    } /* else the next one is measured, too */
    episode_begin(current);
}

/* Whether the second of a match has cost more by now than the first would in a whole episode: it
 * need not go on. */
static bool has_lost(void) {
    const double limit = usual_cost(first);
    return pinned == NONE && !frozen && second_plays &&
           spent() > (limit + draw_margin(limit)) * EPISODE;
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
    if (operations > EPISODE) {
        episode_end();
    } else if (operations % 8 == 0 && has_lost()) {
        episode_end();
    }
}

void hkm_learner_init(void) {
    random_state = hkm_settings.policy_seed;
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
    const int rating = (int)players[index].rating;
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
        hkm_text_number(&line, (uint64_t)players[i].rating);
        hkm_text_string(&line, " matches ");
        hkm_text_number(&line, players[i].matches);
        hkm_text_string(&line, " episodes ");
        hkm_text_number(&line, players[i].episodes);
        hkm_text_string(&line, " cost_ns ");
        hkm_text_number(&line, players[i].operations > 0 ? (uint64_t)usual_cost(i) : 0);
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
