/* The random numbers of the scenarios: small, fast, the same on every machine for the same seed.
 *
 * splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014),
 * in the form of Sebastiano Vigna's public-domain splitmix64.c,
 * https://prng.di.unimi.it/splitmix64.c */
#ifndef HKL_RANDOM_H
#define HKL_RANDOM_H

#include <stdint.h>

struct hkl_random {
    uint64_t state;
};

/* The next 64 random bits. */
static inline uint64_t hkl_random_next(struct hkl_random *random) {
    uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A generator for `seed`; different streams of one seed (threads, say) have nothing in common. */
static inline struct hkl_random hkl_random_seeded(uint64_t seed, uint64_t stream) {
    struct hkl_random random = {seed};
    random.state = hkl_random_next(&random) + stream;
    random.state = hkl_random_next(&random);
    return random;
}

/* 0 .. n-1, n from 1 to 2^32. Uniform to within n/2^32: no division, no loop. */
static inline uint64_t hkl_random_below(struct hkl_random *random, uint64_t n) {
    return ((hkl_random_next(random) >> 32) * n) >> 32;
}

/* min .. max, both included. */
static inline uint64_t hkl_random_between(struct hkl_random *random, uint64_t min, uint64_t max) {
    return min + hkl_random_below(random, max - min + 1);
}

#endif
