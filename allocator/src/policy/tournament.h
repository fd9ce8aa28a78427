/*
 * The tournament in which the learner (learner.c) finds the strategy that costs least. It says
 * which strategy plays next and for how many operations, and is told what that cost; it reads no
 * clock and knows nothing of memory.
 *
 * First come matches: the leader and an opponent play a short episode each, and whose operations
 * have cost less of late wins. Elo's ratings (elo.h) sum the matches up. Short episodes keep the
 * hopeless cheap, but they are unfair to the rest: a strategy is billed for what the one before it
 * has left behind, or has thrown away. So the few that have cost least, but none that cost several
 * times as much as the best, then meet in a run-off: long episodes, each after a long time to
 * settle, in turn, round after round. Who is clearly worse drops out; the least cost per operation
 * wins, and where the difference is none that matters, the strategy that is first in the list.
 */
#ifndef HKM_POLICY_TOURNAMENT_H
#define HKM_POLICY_TOURNAMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/strategy.h"

struct hkm_player {
    double rating;
    unsigned matches;
    /* Sums, the last ten episodes or so weighing most. Quotients of sums, as episodes are rarely
     * alike: one in many may cost most, and may have been cut short. */
    double cost, operations;
    bool finalist;
    double final_cost, final_operations; /* sums of the run-off, and of it alone */
};

/* What is to be played. */
struct hkm_turn {
    unsigned strategy;
    unsigned settle;     /* operations that do not count yet */
    unsigned operations; /* that count */
    double limit;        /* cost at which it has lost and need not go on; infinite: none */
};

struct hkm_tournament {
    struct hkm_player players[HKM_STRATEGIES];
    struct hkm_turn turn;
    unsigned leader; /* the winner, once it is over */
    unsigned matches;
    uint64_t random_state;
    unsigned leader_held; /* matches since the leader has changed */
    unsigned second;      /* opponent in the match that is played */
    bool run_off;
    unsigned round;
};

/* Begins anew, with a strategy as the leader that is in force now. Its random state goes on. */
void hkm_tournament_begin(struct hkm_tournament *tournament, unsigned leader);
/* Tells what tournament->turn has cost, in ns, and how many operations it took. Returns whether the
 * tournament is over; else there is another turn. */
bool hkm_tournament_played(struct hkm_tournament *tournament, double cost, unsigned operations);

/* Adds an episode to a strategy's sums, and the cost per operation that they say. */
void hkm_player_add(struct hkm_player *player, double cost, unsigned operations);
double hkm_player_cost(const struct hkm_player *player);

#endif
