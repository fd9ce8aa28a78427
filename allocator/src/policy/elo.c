/* See elo.h. Without the mathematics library, which the allocator does not depend on. */
#include "policy/elo.h"

/* 10^(x / 400) for x from 0 to 800. */
static double power(double x) {
    const unsigned whole = (unsigned)x;
    const double rest = (x - whole) * 0.005756462732485115; /* ln(10) / 400 */
    double result = 1 + rest * (1 + rest / 2 * (1 + rest / 3));
    double square = 1.0057730630017383; /* 10^(1 / 400) */
    for (unsigned bits = whole; bits != 0; bits >>= 1) {
        if (bits & 1) {
            result *= square;
        }
        square *= square;
    }
    return result;
}

double hkm_elo_expected(double own, double other) {
    double difference = own > other ? own - other : other - own;
    if (difference > 800) {
        difference = 800; /* 99 to 1: no two players count as further apart */
    }
    const double weaker = 1 / (1 + power(difference));
    return own > other ? 1 - weaker : weaker;
}

double hkm_elo_k(unsigned matches) {
    return matches < 8 ? 64 : 24;
}

double hkm_elo_updated(double rating, double expected, double score, double k) {
    return rating + k * (score - expected);
}
