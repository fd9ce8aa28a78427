/* See tournament.h. */
#include "policy/tournament.h"

#include "policy/elo.h"

/* ---- Matches ---- */

/* Operations of an episode that count, and those before them that do not. */
#define EPISODE 96u
#define SETTLE  32u
/* Costs per operation that differ by less than this are a draw. */
#define DRAW_PART 0.02
#define DRAW_NS   100.0
/* Decided: every strategy has played, and the leader was not overtaken for so many matches; or so
 * many were played in all: those that take turns at the top are about as good. */
#define EACH_PLAYS   3u
#define LEADER_HOLDS 12u
#define MOST_MATCHES 48u

/* ---- Run-off ---- */

#define FINALISTS     4u
#define FINAL_EPISODE 320u
#define FINAL_SETTLE  192u
#define FINAL_ROUNDS  12u
/* Rounds that do not count: what the hopeless gave back in the matches is faulted in again. */
#define FINAL_SETTLES 1u
/* Who cost this factor more than the best does not get into it: more than what a strategy is billed
 * for another. */
#define FINAL_PART 8.0
#define FINAL_NS   10000.0
/* After each round that counts, from the second on, who cost this factor more drops out; less and
 * less is needed for it, as one episode in many may cost most. */
#define DROP_PART(counted) (1 + 12.0 / (counted))
#define DROP_NS            1000.0
/* An episode that costs this factor more than the best has lost. */
#define LOST_PART 4.0

#define NONE HKM_STRATEGIES

static uint64_t next_random(uint64_t *state) { /* SplitMix64 */
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void hkm_player_add(struct hkm_player *player, double cost, unsigned operations) {
    const double fades = 0.9;
    player->cost = player->cost * fades + cost;
    player->operations = player->operations * fades + operations;
}

double hkm_player_cost(const struct hkm_player *player) {
    return player->operations > 0 ? player->cost / player->operations : 0;
}

static double final_cost(const struct hkm_player *player) {
    return player->final_cost / player->final_operations;
}

static double draw_margin(double cost) {
    return cost * DRAW_PART > DRAW_NS ? cost * DRAW_PART : DRAW_NS;
}

/* Rates a match by the costs per operation of its two. */
static void rate(struct hkm_tournament *t, unsigned a, unsigned b, double a_cost, double b_cost) {
    struct hkm_player *first = &t->players[a], *second = &t->players[b];
    const double margin = draw_margin(a_cost < b_cost ? a_cost : b_cost);
    const double score = b_cost > a_cost + margin ? 1 : b_cost < a_cost - margin ? 0 : 0.5;
    const double expected = hkm_elo_expected(first->rating, second->rating);
    first->rating = hkm_elo_updated(first->rating, expected, score, hkm_elo_k(first->matches++));
    second->rating =
        hkm_elo_updated(second->rating, 1 - expected, 1 - score, hkm_elo_k(second->matches++));
    t->matches++;
}

/* Whom the leader plays: those that have hardly played first; then by how well they may be expected
 * to do, so that the hopeless cost little, but never nothing at all. */
static unsigned opponent(struct hkm_tournament *t) {
    double weight[HKM_STRATEGIES], sum = 0;
    unsigned fewest = UINT32_MAX;
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        if (i != t->leader && t->players[i].matches < fewest) {
            fewest = t->players[i].matches;
        }
    }
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        if (i == t->leader || (fewest < EACH_PLAYS && t->players[i].matches > fewest)) {
            weight[i] = 0;
        } else {
            const double expected =
                hkm_elo_expected(t->players[i].rating, t->players[t->leader].rating);
            weight[i] = expected * expected + 0.01;
        }
        sum += weight[i];
    }
    double at = (double)(next_random(&t->random_state) >> 11) / (double)(UINT64_C(1) << 53) * sum;
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
static void match_begin(struct hkm_tournament *t) {
    t->second = opponent(t);
    t->turn = (struct hkm_turn){t->leader, SETTLE, EPISODE, __builtin_inf()};
}

static bool matches_decided(const struct hkm_tournament *t) {
    bool all_played = true;
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        all_played &= t->players[i].matches >= EACH_PLAYS;
    }
    return (all_played && t->leader_held >= LEADER_HOLDS) || t->matches >= MOST_MATCHES;
}

/* ---- Run-off ---- */

static unsigned finalists(const struct hkm_tournament *t) {
    unsigned n = 0;
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        n += t->players[i].finalist;
    }
    return n;
}

/* The next finalist after `before`, in the order of the list; NONE at its end. */
static unsigned next_finalist(const struct hkm_tournament *t, unsigned before) {
    unsigned i = before == NONE ? 0 : before + 1;
    while (i < HKM_STRATEGIES && !t->players[i].finalist) {
        i++;
    }
    return i;
}

/* Least cost per operation in the run-off so far; infinite before any was played. */
static double least_final_cost(const struct hkm_tournament *t) {
    double least = __builtin_inf();
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        if (t->players[i].final_operations > 0 && final_cost(&t->players[i]) < least) {
            least = final_cost(&t->players[i]);
        }
    }
    return least;
}

static void final_turn(struct hkm_tournament *t, unsigned strategy) {
    const double most = least_final_cost(t) * LOST_PART + DROP_NS;
    t->turn =
        (struct hkm_turn){strategy, FINAL_SETTLE, FINAL_EPISODE, most * (double)FINAL_EPISODE};
}

/* Whether a strategy has cost less than another by more than a draw. */
static bool cheaper(const struct hkm_tournament *t, unsigned a, unsigned b) {
    const double cost = hkm_player_cost(&t->players[b]);
    return hkm_player_cost(&t->players[a]) < cost - draw_margin(cost);
}

/* Those that have cost least, but none that cost too much. Not those of the best ratings: who lost
 * to the leader for what it was billed for others looks there like the hopeless. */
static void run_off_begin(struct hkm_tournament *t) {
    double least = 0;
    for (unsigned n = 0; n < FINALISTS; n++) {
        unsigned best = NONE;
        for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
            if (!t->players[i].finalist && (best == NONE || cheaper(t, i, best))) {
                best = i;
            }
        }
        const double cost = hkm_player_cost(&t->players[best]);
        least = n == 0 ? cost : least;
        t->players[best].finalist = cost <= least * FINAL_PART + FINAL_NS;
    }
    t->run_off = true;
    t->round = 0;
    final_turn(t, next_finalist(t, NONE));
}

/* Those that are clearly worse by now are no finalists any more. */
static void drop_out(struct hkm_tournament *t) {
    const double most = least_final_cost(t) * DROP_PART(t->round - FINAL_SETTLES) + DROP_NS;
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        t->players[i].finalist &= final_cost(&t->players[i]) <= most;
    }
}

/* The first of those that cost least, and every pair's match. */
static void run_off_end(struct hkm_tournament *t) {
    const double least = least_final_cost(t);
    t->leader = NONE;
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        if (t->players[i].final_operations == 0) {
            continue;
        }
        const double cost = final_cost(&t->players[i]);
        if (t->leader == NONE && cost <= least + draw_margin(least)) {
            t->leader = i;
        }
        for (unsigned j = 0; j < i; j++) {
            if (t->players[j].final_operations > 0) {
                rate(t, i, j, cost, final_cost(&t->players[j]));
            }
        }
    }
}

static bool final_played(struct hkm_tournament *t, double cost, unsigned operations) {
    struct hkm_player *player = &t->players[t->turn.strategy];
    if (t->round >= FINAL_SETTLES) {
        player->final_cost += cost;
        player->final_operations += operations;
    }
    unsigned next = next_finalist(t, t->turn.strategy);
    if (next == NONE) { /* a round is complete */
        t->round++;
        if (t->round >= FINAL_SETTLES + 2) {
            drop_out(t);
        }
        if (t->round == FINAL_ROUNDS || (t->round > FINAL_SETTLES && finalists(t) == 1)) {
            run_off_end(t);
            return true;
        }
        next = next_finalist(t, NONE);
    }
    final_turn(t, next);
    return false;
}

/* ---- All of it ---- */

void hkm_tournament_begin(struct hkm_tournament *t, unsigned leader) {
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        t->players[i] = (struct hkm_player){.rating = HKM_ELO_START};
    }
    t->leader = leader;
    t->leader_held = t->matches = 0;
    t->run_off = false;
    match_begin(t);
}

bool hkm_tournament_played(struct hkm_tournament *t, double cost, unsigned operations) {
    hkm_player_add(&t->players[t->turn.strategy], cost, operations);
    if (t->run_off) {
        return final_played(t, cost, operations);
    }
    const double first_cost = hkm_player_cost(&t->players[t->leader]);
    if (t->turn.strategy == t->leader) {
        const double most = first_cost + draw_margin(first_cost);
        t->turn = (struct hkm_turn){t->second, SETTLE, EPISODE, most * EPISODE};
        return false;
    }
    rate(t, t->leader, t->second, first_cost, hkm_player_cost(&t->players[t->second]));
    t->leader_held++;
    for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
        if (t->players[i].rating > t->players[t->leader].rating) {
            t->leader = i;
            t->leader_held = 0;
        }
    }
    if (matches_decided(t)) {
        run_off_begin(t);
    } else {
        match_begin(t);
    }
    return false;
}
