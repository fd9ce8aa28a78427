/*
 * Blocks freed by another thread than the one that allocated them: which way each goes, told by the
 * counters, and what becomes of the slabs of threads that have ended. Blocks of 20,000 bytes: a
 * thread's cache holds two of them, and none when the thread has ended.
 */
#define _GNU_SOURCE
#include "parts.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { BLOCKS = 600, SIZE = 20000, IN_CACHE = 2 };

static void *blocks[BLOCKS];

static void *allocate_all(void *unused) {
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SIZE);
        fill(blocks[i], 64, i);
    }
    return unused;
}

static void *free_all(void *unused) {
    for (size_t i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    return unused;
}

static void run_thread(void *(*run)(void *), void *argument) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, argument), 0);
    pthread_join(thread, NULL);
}

/* How the counters changed since the last call. */
struct frees {
    uint64_t local, remote, direct, adopted;
};
static struct frees frees_since(struct frees *before) {
    struct frees now = {stat_of("free.local"), stat_of("free.remote"), stat_of("free.direct"),
                        stat_of("slab.adopted")};
    struct frees change = {now.local - before->local, now.remote - before->remote,
                           now.direct - before->direct, now.adopted - before->adopted};
    *before = now;
    return change;
}

static void *allocate_and_free(void *unused) {
    allocate_all(NULL);
    return free_all(unused);
}

static void own_blocks_are_freed_locally(void **state) {
    (void)state;
    struct frees before = {0};
    frees_since(&before);
    run_thread(allocate_and_free, NULL);
    struct frees change = frees_since(&before);
    assert_in_range(change.local, BLOCKS, BLOCKS + IN_CACHE);
    assert_in_range(change.remote, 0, 2); /* the C library's own, for the thread */
    assert_int_equal(change.direct, 0);
}

static void another_thread_s_blocks_are_freed_remotely(void **state) {
    (void)state;
    struct frees before = {0};
    allocate_all(NULL);
    frees_since(&before);
    run_thread(free_all, NULL);
    struct frees change = frees_since(&before);
    assert_int_equal(change.remote, BLOCKS);
    assert_in_range(change.local, 0, 2);
    assert_int_equal(change.direct, 0);
}

static void slabs_of_an_exited_thread_are_adopted(void **state) {
    (void)state;
    run_thread(allocate_all, NULL);
    for (size_t i = 0; i < BLOCKS; i += 2) {
        free(blocks[i]);
    }
    struct frees before = {0};
    frees_since(&before);
    uint64_t live = stat_of("superslab.live");
    uint64_t shared = stat_of("refill.shared");
    /* Half of BLOCKS fit into what was left: 26 blocks to a slab of 512 KiB. */
    for (size_t i = 0; i < BLOCKS / 2 - 2 * IN_CACHE; i++) {
        assert_non_null(malloc(SIZE));
    }
    struct frees change = frees_since(&before);
    assert_in_range(change.adopted, BLOCKS / 26 - 3, BLOCKS / 26 + 2);
    assert_true(stat_of("refill.shared") > shared);
    assert_int_equal(stat_of("superslab.live"), live);
    for (size_t i = 1; i < BLOCKS; i += 2) {
        assert_int_equal(first_difference(blocks[i], 64, i), 64);
    }
}

/* ---- Frees after the thread's heap is gone ---- */

/* The key is made before the allocator's own is used by a thread; destructors run by key, so a
 * second round, which a destructor asks for by setting the value again, comes after the heap's. */
static pthread_key_t key;
static atomic_uint rounds;

static void free_late(void *first) {
    if (rounds++ < 2) {
        pthread_setspecific(key, first);
        return;
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
}

static void *allocate_and_leave_to_destructor(void *unused) {
    allocate_all(NULL);
    pthread_setspecific(key, blocks);
    return unused;
}

static void frees_after_the_heap_is_gone_are_direct(void **state) {
    (void)state;
    assert_int_equal(pthread_key_create(&key, free_late), 0);
    struct frees before = {0};
    frees_since(&before);
    uint64_t live = stat_of("superslab.live");
    run_thread(allocate_and_leave_to_destructor, NULL);
    struct frees change = frees_since(&before);
    assert_int_equal(rounds, 3);
    assert_in_range(change.direct, BLOCKS, BLOCKS + 2);
    assert_in_range(stat_of("superslab.live"), 0, live); /* each block is back in its slab */
}

/* Allocates when the heap is gone, too. */
static void allocate_late(void *first) {
    if (rounds++ < 2) {
        pthread_setspecific(key, first);
        return;
    }
    allocate_all(NULL);
}

static void *leave_to_destructor(void *unused) {
    free(malloc(SIZE));
    pthread_setspecific(key, blocks);
    return unused;
}

static void blocks_allocated_after_the_heap_is_gone_are_whole(void **state) {
    (void)state;
    assert_int_equal(pthread_key_create(&key, allocate_late), 0);
    uint64_t heaps = stat_of("heap.created");
    for (unsigned thread = 0; thread < 3; thread++) {
        rounds = 0;
        run_thread(leave_to_destructor, NULL);
        for (size_t i = 0; i < BLOCKS; i++) {
            assert_int_equal(first_difference(blocks[i], 64, i), 64);
        }
        free_all(NULL);
    }
    assert_in_range(stat_of("heap.created"), heaps,
                    heaps + 2); /* one that all such threads share */
}

/* ---- Producer and consumer ---- */

enum { HANDED = 300000, RING = 1024 };

static struct {
    void *_Atomic slots[RING];
    size_t sizes[RING];
} ring;
static atomic_size_t wrong;

static void *consume(void *unused) {
    for (size_t i = 0; i < HANDED; i++) {
        void *block;
        while ((block = atomic_load(&ring.slots[i % RING])) == NULL) {
            sched_yield();
        }
        wrong += first_difference(block, ring.sizes[i % RING], i) != ring.sizes[i % RING];
        free(block);
        atomic_store(&ring.slots[i % RING], NULL);
    }
    return unused;
}

static void handed_blocks_are_whole_and_counted_remote(void **state) {
    (void)state;
    pthread_t consumer;
    uint64_t random = test_seed();
    struct frees before = {0};
    frees_since(&before);
    assert_int_equal(pthread_create(&consumer, NULL, consume, NULL), 0);
    for (size_t i = 0; i < HANDED; i++) {
        while (atomic_load(&ring.slots[i % RING]) != NULL) {
            sched_yield();
        }
        size_t size = random_size(&random, 8, i % 50 ? 600 : 9000);
        void *block = malloc(size);
        fill(block, size, i);
        ring.sizes[i % RING] = size;
        atomic_store(&ring.slots[i % RING], block);
    }
    pthread_join(consumer, NULL);
    struct frees change = frees_since(&before);
    assert_int_equal(wrong, 0);
    /* All but what the consumer's caches still hold or were flushed for: 127 blocks of a class. */
    assert_true(change.remote + change.local <= HANDED + 16);
    assert_true(change.remote > HANDED * 9 / 10);
    assert_true(change.local < HANDED / 100);
    assert_int_equal(change.direct, 0);
    assert_in_range(stat_of("superslab.live"), 1, 16); /* about a MiB was live at any time */
}

/* ---- Blocks that few slabs hold, handed in all directions ---- */

enum { SWAPPERS = 6, SWAPS = 60000, HELD = 40, SHELVES = 256 };

struct marked {
    struct marked *self;
    uint64_t live;
};
static struct marked *_Atomic shelf[SHELVES];

static void free_marked(struct marked *block) {
    wrong += block->self != block || block->live != 42;
    block->live = 0;
    free(block);
}

/* Fills and empties HELD places at random; what leaves a place goes on the shelf, and what lay
 * there is freed. */
static void *swap(void *argument) {
    uint64_t random = (uintptr_t)argument;
    size_t size = (size_t)(random >> 8);
    struct marked *held[HELD] = {NULL};
    for (size_t i = 0; i < SWAPS; i++) {
        size_t place = next_random(&random) % HELD;
        if (held[place] == NULL) {
            struct marked *block = malloc(size);
            /* What a live block holds: reading what malloc has not written is the point here. */
            /* cppcheck-suppress uninitStructMember */
            /* NOLINTNEXTLINE(clang-analyzer-core.*) */
            wrong += block->self == block && block->live == 42; /* given out already */
            *block = (struct marked){block, 42};
            held[place] = block;
        } else {
            size_t at = next_random(&random) % SHELVES;
            struct marked *old = atomic_exchange(&shelf[at], held[place]);
            held[place] = NULL;
            if (old != NULL) {
                free_marked(old);
            }
        }
    }
    for (size_t place = 0; place < HELD; place++) {
        if (held[place] != NULL) {
            free_marked(held[place]);
        }
    }
    return NULL;
}

static void no_block_is_given_to_two(void **state) {
    (void)state;
    static const size_t sizes[] = {20000, 300000, MIB};
    for (size_t round = 0; round < fewer(20) * COUNT_OF(sizes); round++) {
        pthread_t threads[SWAPPERS];
        for (size_t i = 0; i < SWAPPERS; i++) {
            uintptr_t seed = sizes[round % COUNT_OF(sizes)] << 8 | (round * SWAPPERS + i);
            assert_int_equal(pthread_create(&threads[i], NULL, swap, (void *)seed), 0);
        }
        for (size_t i = 0; i < SWAPPERS; i++) {
            pthread_join(threads[i], NULL);
        }
        for (size_t i = 0; i < SHELVES; i++) {
            struct marked *left = atomic_exchange(&shelf[i], NULL);
            if (left != NULL) {
                free_marked(left);
            }
        }
        assert_int_equal(wrong, 0);
    }
}

int main(int argc, char **argv) {
    static const struct part parts[] = {
        PART(own_blocks_are_freed_locally, NULL),
        PART(another_thread_s_blocks_are_freed_remotely, NULL),
        PART(slabs_of_an_exited_thread_are_adopted, NULL),
        PART(frees_after_the_heap_is_gone_are_direct, NULL),
        PART(blocks_allocated_after_the_heap_is_gone_are_whole, NULL),
        PART(handed_blocks_are_whole_and_counted_remote, NULL),
        PART(no_block_is_given_to_two, NULL),
    };
    return run_parts(argc, argv, parts, COUNT_OF(parts));
}
