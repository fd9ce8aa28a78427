/*
 * Double frees between threads, told or ignored as HAKMEM_ON_ERROR says, after which the heap still
 * works. Also the case that no state of a block shows: two threads that free it in the same moment.
 * test_misuse.c has the wrong frees of a single thread.
 */
#define _GNU_SOURCE
#include "parts.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Every size frees into another part of the allocator: small, middle, and large. */
static const size_t sizes[] = {16, 100, 1024, 3000, 20000, 300000, MIB, 3 * MIB};

static void *free_it(void *block) {
    free(block);
    return NULL;
}

static void free_elsewhere(void *block) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, free_it, block), 0);
    pthread_join(thread, NULL);
}

/* Blocks of all sizes, in use at once, do not overlap. */
static void assert_works(void) {
    enum { EACH = 50 };
    static char *blocks[COUNT_OF(sizes) * EACH];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = malloc(sizes[i / EACH]);
        assert_non_null(blocks[i]);
        fill(blocks[i], sizes[i / EACH], i);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        assert_int_equal(first_difference(blocks[i], sizes[i / EACH], i), sizes[i / EACH]);
        free(blocks[i]);
    }
}

static void each_second_free_is_counted_whichever_thread_did_the_first(void **state) {
    (void)state;
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        for (unsigned order = 0; order < 3; order++) {
            uint64_t before = stat_of("misuse.detected");
            void *volatile block = malloc(sizes[s]);
            if (order == 0) {
                free(block);
                free_elsewhere(block);
            } else if (order == 1) {
                free_elsewhere(block);
                free(block);
            } else {
                free_elsewhere(block);
                free_elsewhere(block);
            }
            assert_int_equal(stat_of("misuse.detected"), before + 1);
        }
    }
    assert_works();
}

static void wrong_pointers_into_live_blocks_leave_them_as_they_are(void **state) {
    (void)state;
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        char *block = malloc(sizes[s]);
        fill(block, sizes[s], s);
        uint64_t before = stat_of("misuse.detected");
        const size_t offsets[] = {1, 8, sizes[s] / 2, sizes[s] - 1};
        for (size_t i = 0; i < COUNT_OF(offsets); i++) {
            char *volatile inside = block + offsets[i];
            free(inside);
            assert_null(realloc(inside, 5000));
        }
        assert_int_equal(stat_of("misuse.detected"), before + 2 * COUNT_OF(offsets));
        assert_int_equal(first_difference(block, sizes[s], s), sizes[s]);
        free(block);
        assert_int_equal(stat_of("misuse.detected"), before + 2 * COUNT_OF(offsets));
    }
    assert_works();
}

/* ---- At the same moment ---- */

enum { RACES = 3000 };

static void *raced[RACES];
static atomic_size_t arrived;

/* Both threads free each block as nearly at once as can be. They then end, so that what their
 * caches hold goes back to its slab. */
static void *race(void *unused) {
    for (size_t i = 0; i < RACES; i++) {
        arrived++;
        while (arrived < 2 * (i + 1)) {
            sched_yield();
        }
        free(raced[i]);
    }
    return unused;
}

static void race_for_blocks_of(size_t size) {
    pthread_t threads[2];
    for (size_t i = 0; i < RACES; i++) {
        raced[i] = malloc(size);
        assert_non_null(raced[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, race, NULL), 0);
    }
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(stat_of("misuse.detected"), RACES);
    assert_works();
}

static void one_of_two_frees_at_once_is_found_at_the_latest_in_the_slab(void **state) {
    (void)state;
    race_for_blocks_of(20000);
}

static void one_of_two_frees_of_a_big_block_at_once_is_found(void **state) {
    (void)state;
    race_for_blocks_of(200000);
}

int main(int argc, char **argv) {
    static const struct part parts[] = {
        PART(each_second_free_is_counted_whichever_thread_did_the_first, "HAKMEM_ON_ERROR=ignore"),
        PART(each_second_free_is_counted_whichever_thread_did_the_first, "HAKMEM_ON_ERROR=report"),
        PART(wrong_pointers_into_live_blocks_leave_them_as_they_are, "HAKMEM_ON_ERROR=ignore"),
        PART(wrong_pointers_into_live_blocks_leave_them_as_they_are, "HAKMEM_ON_ERROR=report"),
        PART(one_of_two_frees_at_once_is_found_at_the_latest_in_the_slab, "HAKMEM_ON_ERROR=ignore"),
        PART(one_of_two_frees_of_a_big_block_at_once_is_found, "HAKMEM_ON_ERROR=ignore"),
    };
    return run_parts(argc, argv, parts, COUNT_OF(parts));
}
