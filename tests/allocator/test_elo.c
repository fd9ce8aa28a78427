/* Elo's formulas against values worked out by hand. Linked with that one part of the allocator. */
#include "support.h"

#include "policy/elo.h"

static void assert_near(double value, double expected) {
    const double difference = value > expected ? value - expected : expected - value;
    if (difference > 1e-6) {
        fail_msg("%.9f instead of %.9f", value, expected);
    }
}

static void the_expected_score_follows_the_logistic_curve(void **state) {
    (void)state;
    assert_near(hkm_elo_expected(1500, 1500), 0.5);
    assert_near(hkm_elo_expected(1900, 1500), 10.0 / 11);  /* 1 / (1 + 10^-1) */
    assert_near(hkm_elo_expected(1500, 1900), 1.0 / 11);   /* 1 / (1 + 10^1) */
    assert_near(hkm_elo_expected(1700, 1500), 0.75974693); /* 10^-0.5 = 0.31622777 */
    assert_near(hkm_elo_expected(2300, 1500), 100.0 / 101);
    assert_near(hkm_elo_expected(1500.5, 1500), 0.50071956); /* 10^-0.00125 = 0.99712588 */
}

static void a_very_large_difference_is_cut(void **state) {
    (void)state;
    assert_near(hkm_elo_expected(9000, 1500), 100.0 / 101);
    assert_near(hkm_elo_expected(1500, 9000), 1.0 / 101);
}

static void two_players_expect_one_together(void **state) {
    (void)state;
    for (int other = 1000; other < 2000; other += 33) {
        assert_near(hkm_elo_expected(1500, other) + hkm_elo_expected(other, 1500), 1);
    }
}

static void a_match_moves_the_rating_by_k_times_the_surprise(void **state) {
    (void)state;
    assert_near(hkm_elo_updated(1500, 0.5, 1, 32), 1516);
    assert_near(hkm_elo_updated(1500, 0.5, 0, 24), 1488);
    assert_near(hkm_elo_updated(1900, 10.0 / 11, 0.5, 22), 1891);
}

static void newcomers_move_faster(void **state) {
    (void)state;
    assert_near(hkm_elo_k(0), 64);
    assert_near(hkm_elo_k(7), 64);
    assert_near(hkm_elo_k(8), 24);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_expected_score_follows_the_logistic_curve),
        cmocka_unit_test(a_very_large_difference_is_cut),
        cmocka_unit_test(two_players_expect_one_together),
        cmocka_unit_test(a_match_moves_the_rating_by_k_times_the_surprise),
        cmocka_unit_test(newcomers_move_faster),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
