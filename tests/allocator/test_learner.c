/* The learner: finds a strategy among the best where they differ grossly, keeps what is pinned, and
 * learns anew when the workload shifts. The settings are read once at start, so each case is this
 * program run again with an environment of its own. What is judged is what the strategies do (page
 * faults, bytes kept), never how long it takes. */
#define _GNU_SOURCE
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "hakmem.h"

enum { MOST_ROUNDS = 200000 };

static char output[65536];

static unsigned strategy(const char *name) {
    unsigned i = 0;
    while (i < hak_policy_count() && strcmp(hak_policy_name(i), name) != 0) {
        i++;
    }
    return i;
}

static uint64_t statistic(const char *name) {
    static uint64_t values[4096];
    size_t count = hak_stats_snapshot(values, COUNT_OF(values));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(hak_stats_name(i), name) == 0) {
            return values[i];
        }
    }
    return UINT64_MAX;
}

/* One block comes and goes, every page written. */
static void round_of(size_t size) {
    volatile char *block = hak_malloc(size);
    for (size_t i = 0; i < size; i += 4096) {
        block[i] = 1;
    }
    hak_free((void *)block);
}

/* Goes on until the counter has reached `least` and the choice is settled; whether it did. */
static int goes_on_until(const char *counter, uint64_t least, size_t size) {
    for (int i = 0; i < MOST_ROUNDS; i++) {
        if (statistic(counter) >= least && hak_policy_settled()) {
            return 1;
        }
        round_of(size);
    }
    return 0;
}

/* 9 MiB do not fit into what 'nothing' and 'thrifty' keep: these fault in every block. */
static int learn(void) {
    if (hak_policy_current() != 0 || hak_policy_settled() ||
        !goes_on_until("policy.freezes", 1, 9 * MIB)) {
        return 0;
    }
    const unsigned chosen = hak_policy_current();
    return chosen != strategy("nothing") && chosen != strategy("thrifty") &&
           hak_policy_rating(chosen) > hak_policy_rating(strategy("nothing")) &&
           hak_policy_rating(chosen) > hak_policy_rating(strategy("thrifty")) &&
           statistic("policy.strategy") == chosen && statistic("policy.matches") > 0 &&
           statistic("policy.episodes") >= 2 * statistic("policy.matches");
}

static int shift(void) {
    return goes_on_until("policy.freezes", 1, 9 * MIB) && statistic("policy.thaws") == 0 &&
           goes_on_until("policy.freezes", 2, 2 * MIB) && statistic("policy.thaws") >= 1;
}

static int pin(void) {
    if (hak_policy_pin(hak_policy_count()) != -1 || hak_policy_pin(strategy("thrifty")) != 0) {
        return 0;
    }
    for (int i = 0; i < 500; i++) {
        round_of(2 * MIB);
    }
    if (hak_policy_current() != strategy("thrifty") || !hak_policy_settled() ||
        statistic("policy.matches") != 0) {
        return 0;
    }
    hak_policy_unpin();
    return !hak_policy_settled() && goes_on_until("policy.freezes", 1, 2 * MIB);
}

static int pinned_from_outside(void) {
    for (int i = 0; i < 200; i++) {
        round_of(2 * MIB);
    }
    return hak_policy_current() == strategy("nothing") && hak_policy_settled() &&
           statistic("whale.cached_bytes") == 0;
}

/* Without the learner, too: what is kept of 4 MiB says which strategy is in force. */
static void a_strategy_can_be_pinned_without_learning(void **state) {
    (void)state;
    assert_int_equal(hak_policy_settled(), 1);
    round_of(4 * MIB);
    assert_int_equal(hak_policy_current(), 0);
    assert_true(statistic("whale.cached_bytes") >= 4 * MIB);
    assert_int_equal(hak_policy_pin(strategy("nothing")), 0);
    round_of(4 * MIB);
    assert_int_equal(hak_policy_current(), strategy("nothing"));
    assert_int_equal(statistic("whale.cached_bytes"), 0);
    hak_policy_unpin();
    round_of(4 * MIB);
    assert_int_equal(hak_policy_current(), 0);
    assert_true(statistic("whale.cached_bytes") >= 4 * MIB);
    assert_int_equal(statistic("policy.episodes"), 0);
}

static void names_are_there_for_each_index(void **state) {
    (void)state;
    for (unsigned i = 0; i < hak_policy_count(); i++) {
        assert_non_null(hak_policy_name(i));
        assert_int_equal(hak_policy_rating(i), 1500);
        assert_int_equal(strategy(hak_policy_name(i)), i);
    }
    assert_null(hak_policy_name(hak_policy_count()));
    assert_int_equal(hak_policy_rating(hak_policy_count()), 0);
}

static void run(const char *mode) {
    setenv("HAKMEM_MODE", "learning", 1);
    assert_int_equal(run_self(mode, output, sizeof output), 0);
    unsetenv("HAKMEM_MODE");
}

static void a_strategy_among_the_best_is_frozen(void **state) {
    (void)state;
    setenv("HAKMEM_POLICY_STATS", "1", 1);
    run("learn");
    unsetenv("HAKMEM_POLICY_STATS");
    assert_non_null(strstr(output, "policy nothing rating "));
    assert_non_null(strstr(output, "policy choice "));
    assert_non_null(strstr(output, " frozen "));
}

static void a_shift_of_the_workload_thaws(void **state) {
    (void)state;
    run("shift");
}

static void a_pin_holds_until_it_is_taken_back(void **state) {
    (void)state;
    run("pin");
}

static void the_environment_can_pin(void **state) {
    (void)state;
    setenv("HAKMEM_STRATEGY", "nothing", 1);
    run("pinned");
    unsetenv("HAKMEM_STRATEGY");
}

static int do_mode(const char *mode) {
    if (strcmp(mode, "learn") == 0) {
        return learn();
    }
    if (strcmp(mode, "shift") == 0) {
        return shift();
    }
    return strcmp(mode, "pin") == 0 ? pin() : pinned_from_outside();
}

int main(int argc, char **argv) {
    if (argc == 2) {
        return !do_mode(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_there_for_each_index),
        cmocka_unit_test(a_strategy_can_be_pinned_without_learning),
        cmocka_unit_test(a_strategy_among_the_best_is_frozen),
        cmocka_unit_test(a_shift_of_the_workload_thaws),
        cmocka_unit_test(a_pin_holds_until_it_is_taken_back),
        cmocka_unit_test(the_environment_can_pin),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
