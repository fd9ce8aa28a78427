/*
 * What is in the blocks: alignment over all sizes, zeroes from calloc, contents kept by realloc,
 * live blocks that never overlap, and long random sequences of calls against a model of what each
 * block must hold.
 */
#define _GNU_SOURCE
#include "support.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static const size_t big_sizes[] = {
    70001,       98304,    131072,   200000,       262143,          262144,   262145,
    524288,      1000000,  MIB - 1,  MIB,          MIB + 1,         3 * MIB,  2 * MIB,
    2 * MIB + 1, 10000000, 16 * MIB, 33 * MIB + 5, 64 * MIB - 4096, 64 * MIB,
};

static void blocks_of_every_size_are_aligned(void **state) {
    (void)state;
    /* A window of live blocks, so that the first of a slab is not all that is ever seen. */
    static char *live[128];
    for (size_t size = 0; size <= 70000; size++) {
        char *block = malloc(size);
        assert_non_null(block);
        assert_true(is_well_aligned(block, size));
        if (size > 0) {
            block[0] = block[size - 1] = 1;
        }
        free(live[size % COUNT_OF(live)]);
        live[size % COUNT_OF(live)] = block;
    }
    for (size_t i = 0; i < COUNT_OF(live); i++) {
        free(live[i]);
    }
    for (size_t i = 0; i < COUNT_OF(big_sizes); i++) {
        char *block = malloc(big_sizes[i]);
        assert_non_null(block);
        assert_true(is_well_aligned(block, big_sizes[i]));
        block[0] = block[big_sizes[i] - 1] = 1;
        free(block);
        block = calloc(1, big_sizes[i]);
        assert_true(is_well_aligned(block, big_sizes[i]));
        block = realloc(block, big_sizes[i] + 100);
        assert_true(is_well_aligned(block, big_sizes[i]));
        free(block);
    }
}

static void calloc_zeroes_what_was_dirty(size_t size) {
    char *blocks[12];
    size_t count = size > MIB ? 2 : COUNT_OF(blocks);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(size);
        assert_non_null(blocks[i]);
        memset(blocks[i], 0xa5, malloc_usable_size(blocks[i]));
    }
    for (size_t i = 0; i < count; i++) {
        free(blocks[i]);
    }
    for (size_t i = 0; i < count; i++) {
        blocks[i] = i % 2 ? calloc(1, size) : calloc(size, 1);
        assert_non_null(blocks[i]);
        assert_true(is_zero(blocks[i], size));
        memset(blocks[i], 0xa5, size);
    }
    for (size_t i = 0; i < count; i++) {
        free(blocks[i]);
    }
}

static void calloc_gives_zeroes(void **state) {
    (void)state;
    for (size_t size = 0; size <= 2100; size++) {
        calloc_zeroes_what_was_dirty(size);
    }
    for (size_t size = 2101; size < 40 * MIB; size += size / 9) {
        calloc_zeroes_what_was_dirty(size);
    }
    for (size_t i = 0; i < COUNT_OF(big_sizes); i++) {
        calloc_zeroes_what_was_dirty(big_sizes[i]);
    }
}

/* A block dirtied at a big size must still be zero when a smaller calloc gets a part of it. */
static void calloc_gives_zeroes_in_what_a_bigger_block_left(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (size_t round = 0; round < 60; round++) {
        size_t dirty = random_size(&random, 70000, 30 * MIB);
        char *block = malloc(dirty);
        memset(block, 0xa5, dirty);
        free(block);
        size_t size = random_size(&random, 1000, dirty);
        block = calloc(1, size);
        assert_true(is_zero(block, size));
        free(block);
    }
}

/* What was never used is zero already: calloc leaves its pages alone. */
static void calloc_of_untouched_memory_is_zero_and_touches_nothing(void **state) {
    (void)state;
    static const size_t sizes[] = {40000, 100000, 700000, MIB, 3 * MIB, 96 * MIB};
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        size_t count = 96 * MIB / sizes[s];
        char **blocks = malloc(count * sizeof *blocks);
        memset(blocks, 1, count * sizeof *blocks);
        size_t before = resident_kib();
        for (size_t i = 0; i < count; i++) {
            blocks[i] = calloc(1, sizes[s]);
            assert_non_null(blocks[i]);
        }
        /* Of middle blocks that come two at a time, one is cleared. 8 MiB are for metadata. */
        size_t cleared = sizes[s] < 64 * KIB ? 60 * KIB : 0;
        assert_in_range(resident_kib(), 0, before + cleared + 8 * KIB);
        for (size_t i = 0; i < count; i++) {
            assert_true(is_zero(blocks[i], sizes[s]));
            memset(blocks[i], 0xa5, sizes[s]);
        }
        for (size_t i = 0; i < count; i++) {
            free(blocks[i]);
        }
        for (size_t i = 0; i < count; i++) {
            blocks[i] = calloc(1, sizes[s]);
            assert_true(is_zero(blocks[i], sizes[s]));
        }
        for (size_t i = 0; i < count; i++) {
            free(blocks[i]);
        }
        free(blocks);
    }
}

static void realloc_stays_in_place_while_half_of_the_block_is_used(void **state) {
    (void)state;
    for (size_t size = 16; size <= MIB; size += size / 5 / 16 * 16 + 16) {
        char *block = malloc(size);
        size_t usable = malloc_usable_size(block);
        /* the address as a number: a block that realloc moved may not be named any more */
        uintptr_t place = (uintptr_t)block;
        static const unsigned percent[] = {100, 75, 90, 51, 100};
        for (size_t i = 0; i < COUNT_OF(percent); i++) {
            block = realloc(block, (usable * percent[i] + 99) / 100);
            assert_int_equal((uintptr_t)block, place);
            assert_int_equal(malloc_usable_size(block), usable);
        }
        /* far less needs a smaller block */
        if (size >= 64) {
            block = realloc(block, usable / 4);
            assert_true(malloc_usable_size(block) < usable);
        }
        free(block);
    }
}

static void a_large_block_shrinks_and_grows_back_in_place(void **state) {
    (void)state;
    char *block = malloc(64 * MIB);
    uintptr_t place = (uintptr_t)block;
    fill(block, 8 * MIB, 3);
    block = realloc(block, 8 * MIB);
    assert_int_equal((uintptr_t)block, place);
    assert_in_range(malloc_usable_size(block), 8 * MIB, 9 * MIB);
    block = realloc(block, 32 * MIB); /* into what it gave back */
    assert_int_equal((uintptr_t)block, place);
    assert_int_equal(first_difference(block, 8 * MIB, 3), 8 * MIB);
    free(block);
}

/* Takes a block from size to size by realloc, checking at each step that the old contents are
 * there. */
struct resized {
    char *block;
    size_t size;
};

static void resize(struct resized *it, size_t size) {
    char *block = realloc(it->block, size);
    assert_non_null(block);
    assert_true(is_well_aligned(block, size));
    assert_true(malloc_usable_size(block) >= size);
    size_t kept = it->size < size ? it->size : size;
    assert_int_equal(first_difference(block, kept, 7), kept);
    fill(block, size, 7);
    *it = (struct resized){block, size};
}

static void realloc_keeps_the_contents_through_every_class(void **state) {
    (void)state;
    struct resized it = {NULL, 0};
    size_t borders[4096];
    size_t count = 0;
    /* The usable size is the border of the class that the block is in: go there, then one byte
     * over. */
    for (size_t size = 1; size <= 64 * MIB && count + 1 < COUNT_OF(borders);) {
        resize(&it, size);
        size_t border = malloc_usable_size(it.block);
        resize(&it, border);
        borders[count++] = border;
        size = border < 256 * KIB ? border + 1 : border + border / 3;
    }
    while (count-- > 0) {
        resize(&it, borders[count] + 1);
        resize(&it, borders[count]);
        resize(&it, borders[count] - 1);
    }
    free(it.block);
}

static void realloc_keeps_the_contents_between_any_two_sizes(void **state) {
    (void)state;
    static const size_t sizes[] = {1,      8,       16,    100,     512,     1024,
                                   1025,   4096,    32768, 65535,   65536,   70000,
                                   200000, MIB - 1, MIB,   2 * MIB, 5 * MIB, 64 * MIB};
    for (size_t from = 0; from < COUNT_OF(sizes); from++) {
        for (size_t to = 0; to < COUNT_OF(sizes); to++) {
            char *block = malloc(sizes[from]);
            size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
            fill(block, kept, from);
            block = realloc(block, sizes[to]);
            assert_non_null(block);
            assert_int_equal(first_difference(block, kept, from), kept);
            block[sizes[to] - 1] = 1;
            free(block);
        }
    }
}

static void live_blocks_never_overlap(void **state) {
    (void)state;
    enum { BLOCKS = 30000 };
    static char *blocks[BLOCKS];
    static size_t sizes[BLOCKS];
    uint64_t random = test_seed();
    for (size_t i = 0; i < BLOCKS; i++) {
        sizes[i] = random_size(&random, 1, i % 100 ? 2000 : 100000);
        blocks[i] = malloc(sizes[i]);
        assert_non_null(blocks[i]);
        fill(blocks[i], sizes[i], i);
    }
    /* Every other block makes room for others; those that stayed must not notice. */
    for (size_t i = 0; i < BLOCKS; i += 2) {
        free(blocks[i]);
    }
    for (size_t i = 0; i < BLOCKS; i += 2) {
        sizes[i] = random_size(&random, 1, i % 100 ? 2000 : 100000);
        blocks[i] = malloc(sizes[i]);
        fill(blocks[i], sizes[i], i);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_int_equal(first_difference(blocks[i], sizes[i], i), sizes[i]);
        free(blocks[i]);
    }
}

/* One random call on a random slot; the model (size, pattern) says what the slot's block must hold.
 */
struct slot {
    char *block;
    size_t size;
    uint64_t pattern;
};

static void random_call(struct slot *slot, uint64_t *random, size_t largest) {
    uint64_t choice = next_random(random) % 100;
    size_t size = random_size(random, 0, largest);
    size_t alignment = 1;
    if (slot->block != NULL) {
        assert_int_equal(first_difference(slot->block, slot->size, slot->pattern), slot->size);
        if (choice >= 30) {
            free(slot->block);
            slot->block = NULL;
            return;
        }
        size += size == 0;
        char *block = choice < 5 ? reallocarray(slot->block, size, 1) : realloc(slot->block, size);
        assert_non_null(block);
        size_t kept = slot->size < size ? slot->size : size;
        assert_int_equal(first_difference(block, kept, slot->pattern), kept);
        slot->block = block;
    } else if (choice < 60) {
        slot->block = malloc(size);
    } else if (choice < 80) {
        slot->block = calloc(size, 1);
        assert_true(is_zero(slot->block, size));
    } else {
        alignment = (size_t)8 << next_random(random) % 12;
        slot->block = NULL;
        assert_int_equal(posix_memalign((void **)&slot->block, alignment, size), 0);
    }
    assert_non_null(slot->block);
    assert_true(is_well_aligned(slot->block, size) && (uintptr_t)slot->block % alignment == 0);
    assert_true(malloc_usable_size(slot->block) >= size);
    slot->size = size;
    slot->pattern = next_random(random);
    fill(slot->block, size, slot->pattern);
}

static void run_model(size_t slots, size_t calls, size_t largest) {
    static struct slot model[4000];
    uint64_t random = test_seed();
    memset(model, 0, sizeof model);
    calls = fewer(calls);
    for (size_t i = 0; i < calls; i++) {
        random_call(&model[next_random(&random) % slots], &random, largest);
    }
    for (size_t i = 0; i < slots; i++) {
        if (model[i].block != NULL) {
            assert_int_equal(first_difference(model[i].block, model[i].size, model[i].pattern),
                             model[i].size);
            free(model[i].block);
        }
    }
}

static void random_small_calls_match_the_model(void **state) {
    (void)state;
    run_model(4000, 1000000, 1100);
}

static void random_calls_up_to_a_mebibyte_match_the_model(void **state) {
    (void)state;
    run_model(300, 60000, MIB);
}

static void random_big_calls_match_the_model(void **state) {
    (void)state;
    run_model(20, 1200, 24 * MIB);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        /* the first, in fresh memory */
        cmocka_unit_test(calloc_of_untouched_memory_is_zero_and_touches_nothing),
        cmocka_unit_test(blocks_of_every_size_are_aligned),
        cmocka_unit_test(calloc_gives_zeroes),
        cmocka_unit_test(calloc_gives_zeroes_in_what_a_bigger_block_left),
        cmocka_unit_test(realloc_stays_in_place_while_half_of_the_block_is_used),
        cmocka_unit_test(a_large_block_shrinks_and_grows_back_in_place),
        cmocka_unit_test(realloc_keeps_the_contents_through_every_class),
        cmocka_unit_test(realloc_keeps_the_contents_between_any_two_sizes),
        cmocka_unit_test(live_blocks_never_overlap),
        cmocka_unit_test(random_small_calls_match_the_model),
        cmocka_unit_test(random_calls_up_to_a_mebibyte_match_the_model),
        cmocka_unit_test(random_big_calls_match_the_model),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
