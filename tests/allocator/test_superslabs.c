/*
 * SuperSlabs by the counters: they come, change tier and go with what is allocated, emptied ones
 * are kept as long as the LRU's limits allow, and prewarmed ones are used. A block of 1 MiB is half
 * a SuperSlab, which makes small figures.
 */
#define _GNU_SOURCE
#include "parts.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hakmem.h"

#define SUPERSLAB (2 * MIB)

static void *blocks[1 << 20];

static void allocate(size_t n, size_t size) {
    for (size_t i = 0; i < n; i++) {
        blocks[i] = malloc(size);
        assert_non_null(blocks[i]);
    }
}

static void free_all(size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(blocks[i]);
    }
}

static uintptr_t superslab_of(const void *block) {
    return (uintptr_t)block / SUPERSLAB;
}

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t) * (void *const *)a, y = (uintptr_t) * (void *const *)b;
    return x < y ? -1 : x > y;
}

/* Allocates n SuperSlabs full of blocks of 1 MiB into blocks[0 .. 2n-1], by address. */
static void fill_superslabs(size_t n) {
    allocate(2 * n, MIB);
    qsort(blocks, 2 * n, sizeof blocks[0], by_address);
    for (size_t i = 0; i < 2 * n; i += 2) {
        assert_int_equal(superslab_of(blocks[i]), superslab_of(blocks[i + 1]));
    }
}

/* Of the n SuperSlabs of fill_superslabs, which were freed in their order: the number that is still
 * mapped. They must be those that were freed last. */
static size_t newest_mapped(size_t n) {
    size_t first = 0;
    while (first < n && !is_mapped(blocks[2 * first])) {
        first++;
    }
    for (size_t i = first; i < n; i++) {
        assert_true(is_mapped(blocks[2 * i]) && is_mapped(blocks[2 * i + 1]));
    }
    return n - first;
}

/* ---- Live SuperSlabs and their tiers ---- */

static void assert_tiers_add_up(void) {
    assert_int_equal(stat_of("superslab.hot") + stat_of("superslab.draining"),
                     stat_of("superslab.live"));
}

static void what_is_freed_leaves_no_superslab_live(void **state) {
    (void)state;
    static const size_t sizes[] = {16, 64, 1000, 5000, 20000, 300000, MIB};
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        size_t n = 64 * MIB / sizes[s] < COUNT_OF(blocks) ? 64 * MIB / sizes[s] : COUNT_OF(blocks);
        uint64_t live = stat_of("superslab.live");
        uint64_t kept = stat_of("lru.put");
        uint64_t needed = n * sizes[s] / SUPERSLAB;
        allocate(n, sizes[s]);
        assert_in_range(stat_of("superslab.live"), needed, live + needed * 5 / 4 + 1);
        assert_true(stat_of("superslab.peak") >= stat_of("superslab.live"));
        assert_tiers_add_up();
        free_all(n);
        assert_tiers_add_up();
        /* the thread's cache may hold the last blocks of a class in a SuperSlab or two */
        assert_in_range(stat_of("superslab.live"), 1, live + 2);
        assert_true(stat_of("lru.put") >= kept + needed - 2);
    }
}

/* 1 KiB blocks: 32 to a slab, 64 slabs to a SuperSlab. Frees all but the first `slabs` slabs of the
 * SuperSlab whose blocks are given in order. */
static void keep_slabs(void **first, size_t slabs) {
    for (size_t i = slabs * 32; i < 2048; i++) {
        free(first[i]);
    }
}

static void a_superslab_drains_at_a_quarter_and_is_then_left_alone(void **state) {
    (void)state;
    allocate(4 * 2048, KIB);
    qsort(blocks, 4 * 2048, sizeof blocks[0], by_address);
    /* The first whole SuperSlab begins where the address is a multiple. */
    size_t start = 0;
    while ((uintptr_t)blocks[start] % SUPERSLAB != 0 ||
           superslab_of(blocks[start]) != superslab_of(blocks[start + 2047])) {
        start++;
    }
    uint64_t hot = stat_of("superslab.hot");
    uint64_t draining = stat_of("superslab.draining");
    /* Margins of a few slabs, for what the thread's cache holds. */
    keep_slabs(blocks + start, 20);
    assert_int_equal(stat_of("superslab.hot"), hot);
    assert_int_equal(stat_of("superslab.draining"), draining);
    assert_tiers_add_up();
    void **second = blocks + start + 2048;
    assert_int_equal(superslab_of(second[0]), superslab_of(second[2047]));
    keep_slabs(second, 12);
    assert_int_equal(stat_of("superslab.hot"), hot - 1);
    assert_int_equal(stat_of("superslab.draining"), draining + 1);
    assert_tiers_add_up();
    /* Another class of the same SuperSlabs finds room in the hot ones: 30 slabs' worth. */
    for (size_t i = 0; i < 30 * 34; i++) {
        void *block = malloc(960);
        assert_int_not_equal(superslab_of(block), superslab_of(second[0]));
    }
    assert_int_equal(stat_of("superslab.live"), hot + draining);
}

/* ---- The LRU's limits ---- */

static void nothing_is_kept_with_max_cached_0(void **state) {
    (void)state;
    uint64_t live = stat_of("superslab.live");
    fill_superslabs(20);
    assert_int_equal(stat_of("superslab.live"), live + 20);
    free_all(40);
    assert_int_equal(stat_of("superslab.cached"), 0);
    assert_int_equal(stat_of("lru.evict"), stat_of("lru.put"));
    assert_in_range(newest_mapped(20), 0, 1); /* the thread's cache has one block */
}

/* Fills and empties 20 SuperSlabs; `kept` of them must be kept, the ones emptied last. */
static void expect_kept(size_t kept) {
    fill_superslabs(20);
    uint64_t live = stat_of("superslab.live");
    free_all(40);
    assert_int_equal(stat_of("superslab.cached"), kept);
    assert_int_equal(stat_of("lru.put") - stat_of("lru.evict"), kept);
    size_t still_live = stat_of("superslab.live") - (live - 20);
    assert_in_range(still_live, 0, 1);
    assert_int_equal(newest_mapped(20), kept + still_live);
    /* What is kept is used before anything is mapped. */
    uint64_t fresh = stat_of("refill.fresh");
    uint64_t from_lru = stat_of("refill.lru");
    allocate(2 * kept, MIB);
    assert_int_equal(stat_of("refill.fresh"), fresh);
    size_t used = stat_of("refill.lru") - from_lru;
    assert_true(used <= kept && used + still_live >= kept);
}

static void the_newest_is_kept_with_max_cached_1(void **state) {
    (void)state;
    expect_kept(1);
}

static void the_newest_are_kept_with_max_cached_5(void **state) {
    (void)state;
    expect_kept(5);
}

static void the_newest_are_kept_up_to_max_memory(void **state) {
    (void)state;
    expect_kept(3); /* of 2 MiB each, in 7 MiB */
}

static void nothing_is_kept_with_max_memory_0(void **state) {
    (void)state;
    expect_kept(0);
}

static void the_tighter_of_two_limits_counts(void **state) {
    (void)state;
    expect_kept(2);
}

/* Fills 20 SuperSlabs, empties the first ten, lets their time run out. */
static void let_ten_grow_old(void) {
    fill_superslabs(20);
    free_all(20);
    assert_in_range(stat_of("superslab.cached"), 9, 10);
    sleep_ms(1100);
}

static void a_free_evicts_what_is_past_its_time(void **state) {
    (void)state;
    let_ten_grow_old();
    assert_in_range(stat_of("superslab.cached"), 9, 10); /* an idle program does nothing */
    for (size_t i = 20; i < 40; i++) {
        free(blocks[i]);
    }
    for (size_t i = 0; i < 18; i++) {
        assert_false(is_mapped(blocks[i]));
    }
    assert_in_range(newest_mapped(20), 1, 11);
    assert_true(stat_of("lru.evict") >= 9);
}

static void an_allocation_evicts_what_is_past_its_time(void **state) {
    (void)state;
    let_ten_grow_old();
    char *volatile block = malloc(300); /* the first of its class: it needs a slab */
    assert_non_null(block);
    assert_true(stat_of("lru.evict") >= 9);
    for (size_t i = 0; i < 18; i++) {
        assert_false(is_mapped(blocks[i]));
    }
    free(block);
}

static void *allocate_and_end(void *unused) {
    free(malloc(64));
    return unused;
}

static void the_end_of_a_thread_evicts_what_is_past_its_time(void **state) {
    (void)state;
    let_ten_grow_old();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, allocate_and_end, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(stat_of("superslab.cached"), 0);
    assert_true(stat_of("lru.evict") >= 9);
}

static void the_background_thread_evicts_what_is_past_its_time(void **state) {
    (void)state;
    fill_superslabs(20);
    free_all(40);
    for (unsigned tries = 0; tries < 80 && stat_of("superslab.cached") > 0; tries++) {
        sleep_ms(100);
    }
    assert_int_equal(stat_of("superslab.cached"), 0);
    assert_true(stat_of("lru.evict") >= 19);
    assert_in_range(newest_mapped(20), 0, 1);
}

/* ---- Prewarming ---- */

static void expect_prewarmed(size_t size, unsigned n) {
    unsigned cls = 1;
    while (hak_class_size(cls) < size) {
        cls++;
    }
    free(malloc(size)); /* the first SuperSlab of its kind */
    uint64_t mapped = stat_of("sys.mmap");
    uint64_t cached = stat_of("superslab.cached");
    uint64_t live = stat_of("superslab.live");
    assert_int_equal(hak_ss_prewarm_class(cls, n), n);
    assert_int_equal(stat_of("superslab.cached"), cached + n);
    assert_int_equal(stat_of("superslab.live"), live);
    assert_int_equal(stat_of("sys.mmap"), mapped + n);
    uint64_t fresh = stat_of("refill.fresh");
    uint64_t from_lru = stat_of("refill.lru");
    for (size_t i = 0; stat_of("superslab.live") < live + n; i += 10) {
        assert_true(i < COUNT_OF(blocks));
        for (size_t k = 0; k < 10; k++) {
            blocks[i + k] = malloc(size);
        }
    }
    assert_int_equal(stat_of("refill.fresh"), fresh);
    assert_int_equal(stat_of("refill.lru"), from_lru + n);
    assert_int_equal(stat_of("sys.mmap"), mapped + n);
}

static void prewarmed_superslabs_are_mapped_once_and_then_used(void **state) {
    (void)state;
    expect_prewarmed(1024, 5);
    expect_prewarmed(20000, 4);
    expect_prewarmed(5000, 1);
    assert_int_equal(hak_ss_prewarm_class(1, 0), 0);
}

static void a_class_that_does_not_exist_is_not_prewarmed(void **state) {
    (void)state;
    uint64_t mapped = stat_of("sys.mmap");
    assert_int_equal(hak_ss_prewarm_class(0, 3), 0);
    assert_int_equal(hak_ss_prewarm_class(hak_class_count() + 1, 3), 0);
    assert_int_equal(hak_ss_prewarm_class(~0u, 3), 0);
    assert_int_equal(stat_of("sys.mmap"), mapped);
}

static void superslabs_are_prewarmed_at_start(void **state) {
    (void)state;
    assert_int_equal(stat_of("superslab.cached") + stat_of("refill.lru"), 6);
    uint64_t live = stat_of("superslab.live");
    uint64_t fresh = stat_of("refill.fresh");
    size_t n = 0;
    while (stat_of("superslab.cached") > 0) {
        blocks[n++] = malloc(1000);
        assert_true(n < COUNT_OF(blocks));
    }
    assert_int_equal(stat_of("refill.lru"), 6);
    assert_int_equal(stat_of("refill.fresh"), fresh);
    assert_in_range(stat_of("superslab.live"), live + 1, live + 6);
}

/* ---- Without SuperSlabs ---- */

static void *use_and_free(void *unused) {
    allocate(2000, 20000);
    for (size_t i = 0; i < 2000; i++) {
        memset(blocks[i], 1, 20000);
    }
    free_all(2000);
    return unused;
}

static void without_superslabs_no_mapping_stays(void **state) {
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, allocate_and_end, NULL), 0);
    pthread_join(thread, NULL);
    size_t before = count_mappings();
    assert_int_equal(pthread_create(&thread, NULL, use_and_free, NULL), 0);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < 2000; i++) {
        assert_false(is_mapped(blocks[i]));
    }
    assert_in_range(count_mappings(), 0, before + 2);
    assert_int_equal(stat_of("superslab.cached"), 0);
    assert_int_equal(hak_ss_prewarm_class(1, 3), 0);
    /* Small blocks: but for the slabs of the last few in the thread's cache. */
    allocate(COUNT_OF(blocks) / 4, 64);
    free_all(COUNT_OF(blocks) / 4);
    size_t slabs_mapped = 0;
    for (size_t i = 0; i < COUNT_OF(blocks) / 4; i++) {
        slabs_mapped += (uintptr_t)blocks[i] % (32 * KIB) == 0 && is_mapped(blocks[i]);
    }
    assert_in_range(slabs_mapped, 0, 6);
    assert_tiers_add_up();
}

int main(int argc, char **argv) {
    static const struct part parts[] = {
        PART(what_is_freed_leaves_no_superslab_live, NULL),
        PART(a_superslab_drains_at_a_quarter_and_is_then_left_alone, NULL),
        PART(nothing_is_kept_with_max_cached_0, "HAKMEM_SUPERSLAB_MAX_CACHED=0"),
        PART(the_newest_is_kept_with_max_cached_1, "HAKMEM_SUPERSLAB_MAX_CACHED=1"),
        PART(the_newest_are_kept_with_max_cached_5, "HAKMEM_SUPERSLAB_MAX_CACHED=5"),
        PART(the_newest_are_kept_up_to_max_memory, "HAKMEM_SUPERSLAB_MAX_MEMORY_MB=7"),
        PART(nothing_is_kept_with_max_memory_0, "HAKMEM_SUPERSLAB_MAX_MEMORY_MB=0"),
        PART(the_tighter_of_two_limits_counts,
             "HAKMEM_SUPERSLAB_MAX_MEMORY_MB=4 HAKMEM_SUPERSLAB_MAX_CACHED=9"),
        PART(a_free_evicts_what_is_past_its_time, "HAKMEM_SUPERSLAB_TTL_SEC=1"),
        PART(an_allocation_evicts_what_is_past_its_time, "HAKMEM_SUPERSLAB_TTL_SEC=1"),
        PART(the_end_of_a_thread_evicts_what_is_past_its_time, "HAKMEM_SUPERSLAB_TTL_SEC=1"),
        PART(the_background_thread_evicts_what_is_past_its_time,
             "HAKMEM_SUPERSLAB_TTL_SEC=1 HAKMEM_BACKGROUND=1"),
        PART(prewarmed_superslabs_are_mapped_once_and_then_used, NULL),
        PART(a_class_that_does_not_exist_is_not_prewarmed, NULL),
        PART(superslabs_are_prewarmed_at_start, "HAKMEM_PREWARM_SUPERSLABS=6"),
        PART(without_superslabs_no_mapping_stays, "HAKMEM_TINY_USE_SUPERSLAB=0"),
    };
    return run_parts(argc, argv, parts, COUNT_OF(parts));
}
