/* The tournament by itself, against simulated strategies: each has a cost per operation, pays more
 * for a while after it took over from another (what that one kept is gone, and has to be kept
 * anew), and both go up and down at random. Nothing here depends on time. */
#include "support.h"

#include "policy/tournament.h"

enum { SEEDS = 10, MOST_OPERATIONS = 37000 };
enum { SETTINGS, NOTHING, THRIFTY, FIXED, UNMAP, SITES, WHALES, HOARD };

struct workload {
    double cost[HKM_STRATEGIES];  /* ns per operation, in the long run */
    double after[HKM_STRATEGIES]; /* added to it in the first operation after a change */
    double fades_in;              /* operations in which that falls to a third, or so */
    double noise;                 /* part by which an operation's cost differs at most */
};

/* As measured on the scenarios of the same names; hoard has to fill what it keeps. */
static const struct workload evict = {{450, 2990000, 2830000, 775000, 730000, 227000, 450, 450},
                                      {90000, 0, 0, 0, 0, 90000, 90000, 90000},
                                      60,
                                      0.9};
static const struct workload evict_grow = {
    {31000, 3000000, 1065000, 365000, 356000, 250000, 33000, 3900},
    {30000, 0, 0, 0, 0, 30000, 30000, 250000},
    60,
    0.9};
/* A close race, whose winner pays most for a change; and a program that should keep nothing. */
static const struct workload close_race = {{11500, 90000, 60000, 25000, 24000, 10000, 11500, 12000},
                                           {0, 0, 0, 0, 0, 20000, 0, 0},
                                           40,
                                           0.5};
static const struct workload dear_memory = {
    {9000, 2000, 2500, 6000, 5000, 9000, 9000, 40000}, {0, 3000, 2000, 0, 0, 0, 0, 0}, 40, 0.5};
static const struct workload no_difference = {
    {700, 700, 700, 700, 700, 700, 700, 700}, {0, 0, 0, 0, 0, 0, 0, 0}, 1, 0.05};

struct play {
    struct hkm_tournament tournament;
    uint64_t random;
    unsigned now;    /* strategy in force */
    double after;    /* what it still pays for the change */
    unsigned played; /* operations of this tournament */
};

/* Cost of one operation. */
static double operate(struct play *play, const struct workload *workload) {
    const double at = (double)(next_random(&play->random) >> 11) / (double)(UINT64_C(1) << 53);
    const double cost = workload->cost[play->now] + play->after;
    play->after -= play->after / workload->fades_in;
    play->played++;
    return cost * (1 + workload->noise * (2 * at - 1));
}

/* Plays until it is over; who won. */
static unsigned play_out(struct play *play, const struct workload *workload) {
    struct hkm_tournament *tournament = &play->tournament;
    play->played = 0;
    hkm_tournament_begin(tournament, play->now);
    for (;;) {
        const struct hkm_turn turn = tournament->turn;
        if (turn.strategy != play->now) {
            play->now = turn.strategy;
            play->after = workload->after[turn.strategy];
        }
        for (unsigned i = 0; i < turn.settle; i++) {
            operate(play, workload);
        }
        double cost = 0;
        unsigned operations = 0;
        while (operations < turn.operations && cost <= turn.limit) {
            cost += operate(play, workload);
            operations++;
        }
        if (hkm_tournament_played(tournament, cost, operations)) {
            play->now = tournament->leader;
            return tournament->leader;
        }
        assert_true(play->played < MOST_OPERATIONS);
    }
}

static double least(const struct workload *workload) {
    double least = workload->cost[0];
    for (unsigned i = 1; i < HKM_STRATEGIES; i++) {
        least = workload->cost[i] < least ? workload->cost[i] : least;
    }
    return least;
}

static struct play begun(uint64_t seed) {
    return (struct play){.tournament = {.random_state = seed}, .random = seed * 7919};
}

static void within_5_percent(const struct workload *workload) {
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play play = begun(seed);
        const unsigned won = play_out(&play, workload);
        if (workload->cost[won] > least(workload) * 1.05) {
            fail_msg("seed %u: strategy %u won", (unsigned)seed, won);
        }
        for (unsigned i = 0; i < HKM_STRATEGIES; i++) {
            assert_true(play.tournament.players[i].matches >= 3);
        }
    }
}

static void the_best_is_found_on_evict(void **state) {
    (void)state;
    within_5_percent(&evict);
}

static void the_best_is_found_though_others_waste_what_it_keeps(void **state) {
    (void)state;
    within_5_percent(&evict_grow);
}

static void the_best_is_found_in_a_close_race(void **state) {
    (void)state;
    within_5_percent(&close_race);
}

static void the_best_is_found_where_memory_is_dear(void **state) {
    (void)state;
    within_5_percent(&dear_memory);
}

static void the_first_is_kept_where_there_is_no_difference(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play play = begun(seed);
        assert_int_equal(play_out(&play, &no_difference), SETTINGS);
    }
}

static void it_begins_anew_from_any_choice(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct play play = begun(seed);
        assert_int_equal(play_out(&play, &evict_grow), HOARD);
        assert_int_equal(play_out(&play, &dear_memory), NOTHING);
        assert_int_equal(play_out(&play, &close_race), SITES);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_is_found_on_evict),
        cmocka_unit_test(the_best_is_found_though_others_waste_what_it_keeps),
        cmocka_unit_test(the_best_is_found_in_a_close_race),
        cmocka_unit_test(the_best_is_found_where_memory_is_dear),
        cmocka_unit_test(the_first_is_kept_where_there_is_no_difference),
        cmocka_unit_test(it_begins_anew_from_any_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
