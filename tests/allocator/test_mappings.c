/*
 * The kernel's view: the number of mappings (the kernel allows 65,530) and resident memory stay
 * bounded however many big blocks come and go.
 */
#define _GNU_SOURCE
#include "parts.h"
#include "support.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 16, EVICTIONS = 100000 };

static void mappings_stay_bounded_over_whale_evictions(void **state) {
    (void)state;
    char *slots[SLOTS] = {NULL};
    uint64_t random = test_seed();
    size_t mappings = 0;
    for (size_t i = 0; i < EVICTIONS; i++) {
        size_t slot = next_random(&random) % SLOTS;
        free(slots[slot]);
        slots[slot] = malloc(2 * MIB + next_random(&random) % (22 * MIB));
        assert_non_null(slots[slot]);
        slots[slot][0] = 1;
        if (i == EVICTIONS / 10) {
            mappings = count_mappings();
        }
    }
    assert_in_range(count_mappings(), 0, mappings + 200);
    for (size_t i = 0; i < SLOTS; i++) {
        free(slots[i]);
    }
}

static void memory_stays_bounded_when_big_sizes_vary(void **state) {
    (void)state;
    uint64_t random = test_seed();
    size_t before = resident_kib();
    /* One block live at a time, each touched whole: 4 GiB go through. */
    for (size_t i = 0; i < 600; i++) {
        size_t size = random_size(&random, 64 * KIB, 24 * MIB);
        char *block = malloc(size);
        assert_non_null(block);
        memset(block, 1, size);
        free(block);
    }
    assert_in_range(resident_kib(), 0, before + 700 * KIB);
}

static void memory_stays_bounded_when_sizes_drift(void **state) {
    (void)state;
    /* 32 MiB live in blocks whose size doubles: what the small ones left must serve the next ones,
     * or be given back. */
    static char *blocks[32 * MIB / 64];
    size_t before = resident_kib();
    for (size_t size = 64; size <= MIB; size *= 2) {
        size_t count = 32 * MIB / size;
        for (size_t i = 0; i < count; i++) {
            blocks[i] = malloc(size);
            assert_non_null(blocks[i]);
            memset(blocks[i], 1, size);
        }
        for (size_t i = 0; i < count; i++) {
            free(blocks[i]);
        }
    }
    assert_in_range(resident_kib(), 0, before + 320 * KIB);
}

static void a_block_that_grows_by_realloc_does_not_pile_up(void **state) {
    (void)state;
    size_t before = resident_kib();
    size_t mappings = count_mappings();
    for (size_t round = 0; round < 5; round++) {
        char *block = NULL;
        for (size_t size = 4096; size <= 48 * MIB; size += size / 8) {
            block = realloc(block, size);
            assert_non_null(block);
            block[size - 1] = 1;
        }
        free(block);
    }
    assert_in_range(resident_kib(), 0, before + 600 * KIB);
    assert_in_range(count_mappings(), 0, mappings + 200);
}

enum { GROWING = 8, GROWN = 900 * KIB };

/* Grows blocks side by side from 60 KiB to GROWN, each filled to its last usable byte. */
static void grow_side_by_side(char *blocks[GROWING]) {
    for (size_t size = 60 * KIB; size <= GROWN; size += size / 8) {
        for (size_t i = 0; i < GROWING; i++) {
            const size_t kept = blocks[i] != NULL ? malloc_usable_size(blocks[i]) : 0;
            blocks[i] = realloc(blocks[i], size);
            assert_non_null(blocks[i]);
            const size_t usable = malloc_usable_size(blocks[i]);
            fill(blocks[i] + (kept < usable ? kept : usable), kept < usable ? usable - kept : 0, i);
        }
    }
}

/* ... they leave no pages behind in the classes that they would have gone through. */
static void blocks_that_grow_leave_no_pages_behind(void **state) {
    (void)state;
    skip_under_emulator(); /* most of what is resident is the emulator's */
    char *blocks[GROWING] = {NULL};
    const size_t before = resident_kib();
    grow_side_by_side(blocks);
    assert_in_range(resident_kib(), 0, before + GROWING * (GROWN + 64 * KIB) / KIB + 256);
    for (size_t i = 0; i < GROWING; i++) {
        free(blocks[i]);
    }
}

static void blocks_that_grow_move_to_the_large_path_once(void **state) {
    (void)state;
    char *blocks[GROWING] = {NULL};
    const uint64_t large = stat_of("large.alloc");
    grow_side_by_side(blocks);
    assert_int_equal(stat_of("large.alloc"), large + GROWING);
    for (size_t i = 0; i < GROWING; i++) {
        /* shrunk in place; and back among the classes */
        char *const shrunk = realloc(blocks[i], 100 * KIB);
        assert_ptr_equal(shrunk, blocks[i]);
        assert_in_range(malloc_usable_size(shrunk), 100 * KIB, 104 * KIB);
        blocks[i] = realloc(shrunk, 1000);
        assert_int_equal(malloc_usable_size(blocks[i]), 1024);
        free(blocks[i]);
    }
    assert_int_equal(stat_of("large.live_bytes"), 0);
}

/* Page by page to 8 MiB: were each step a request to the kernel, they would be thousands; with room
 * to grow on they are at most four for each doubling of each block. */
static void blocks_that_grow_by_pages_ask_the_kernel_seldom(void **state) {
    (void)state;
    enum { SIDE_BY_SIDE = 2, LAST = 8 * MIB };
    char *blocks[SIDE_BY_SIDE] = {NULL};
    const uint64_t calls = stat_of("sys.mremap");
    for (size_t size = 4 * KIB; size <= LAST; size += 4 * KIB) {
        for (size_t i = 0; i < SIDE_BY_SIDE; i++) {
            char *const grown = realloc(blocks[i], size);
            assert_non_null(grown);
            blocks[i] = grown;
            grown[size - 1] = (char)i;
            assert_in_range(malloc_usable_size(grown), size, size + size / 4 + 4 * KIB);
        }
    }
    enum { DOUBLINGS = 7 }; /* from 64 KiB on */
    assert_in_range(stat_of("sys.mremap") - calls, 0, SIDE_BY_SIDE * DOUBLINGS * 4);
    for (size_t i = 0; i < SIDE_BY_SIDE; i++) {
        for (size_t size = 4 * KIB; size <= LAST; size += 4 * KIB) {
            assert_int_equal(blocks[i][size - 1], i);
        }
        free(blocks[i]);
    }
}

/* The ring finds by exact size: what it evicted and the region cache found again must be of it. */
static void in_the_ring_a_block_is_as_large_as_its_pages(void **state) {
    (void)state;
    enum { LIVE = 12 };
    char *blocks[LIVE] = {NULL};
    for (size_t i = 0; i < 400; i++) {
        const size_t size = 2 * MIB + (i * 7 % 23) * MIB;
        free(blocks[i % LIVE]);
        blocks[i % LIVE] = malloc(size);
        assert_non_null(blocks[i % LIVE]);
        assert_int_equal(malloc_usable_size(blocks[i % LIVE]), size);
    }
    assert_true(stat_of("region.hit") > 100);
    for (size_t i = 0; i < LIVE; i++) {
        free(blocks[i]);
    }
}

int main(int argc, char **argv) {
    static const struct part parts[] = {
        PART(mappings_stay_bounded_over_whale_evictions, NULL),
        PART(memory_stays_bounded_when_big_sizes_vary, NULL),
        PART(memory_stays_bounded_when_sizes_drift, NULL),
        PART(a_block_that_grows_by_realloc_does_not_pile_up, NULL),
        PART(blocks_that_grow_leave_no_pages_behind, NULL),
        PART(blocks_that_grow_move_to_the_large_path_once, NULL),
        PART(blocks_that_grow_by_pages_ask_the_kernel_seldom, NULL),
        PART(in_the_ring_a_block_is_as_large_as_its_pages,
             "HAKMEM_WHALE_LEARN=0 HAKMEM_WHALE_RING=1"),
    };
    return run_parts(argc, argv, parts, COUNT_OF(parts));
}
