/*
 * Many threads: blocks freed by another thread than the one that allocated them, threads that come
 * and go and leave blocks behind, and memory that must not grow with the number of threads that
 * ever lived.
 */
#define _GNU_SOURCE
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* assert_* jumps out of a test, which only the test's own thread may do: other threads count their
 * errors. */
static atomic_size_t errors;

struct item {
    char *block;
    size_t size;
    uint64_t pattern;
};

static struct item make_item(uint64_t *random, size_t largest) {
    struct item item = {NULL, random_size(random, 1, largest), next_random(random)};
    item.block = malloc(item.size);
    if (item.block == NULL) {
        errors++;
    } else {
        fill(item.block, item.size, item.pattern);
    }
    return item;
}

static void check_and_free(struct item item) {
    if (item.block != NULL && first_difference(item.block, item.size, item.pattern) != item.size) {
        errors++;
    }
    free(item.block);
}

/* ---- Queues: each thread allocates, hands the block to any thread, and frees what it was handed
 * -------- */

enum { THREADS = 4, CALLS = 200000, QUEUE_LENGTH = 512 };

static struct queue {
    pthread_mutex_t lock;
    size_t count;
    struct item items[QUEUE_LENGTH];
} queues[THREADS];

static int push(struct queue *queue, struct item item) {
    pthread_mutex_lock(&queue->lock);
    int fits = queue->count < QUEUE_LENGTH;
    if (fits) {
        queue->items[queue->count++] = item;
    }
    pthread_mutex_unlock(&queue->lock);
    return fits;
}

static struct item pop(struct queue *queue) {
    struct item item = {NULL, 0, 0};
    pthread_mutex_lock(&queue->lock);
    if (queue->count > 0) {
        item = queue->items[--queue->count];
    }
    pthread_mutex_unlock(&queue->lock);
    return item;
}

static void *exchange(void *argument) {
    struct queue *own = argument;
    uint64_t random = (uint64_t)(own - queues) * 1000003;
    for (size_t i = 0; i < CALLS; i++) {
        struct item item = make_item(&random, i % 50 ? 3000 : 200000);
        if (!push(&queues[next_random(&random) % THREADS], item)) {
            check_and_free(item);
        }
        check_and_free(pop(own));
    }
    return NULL;
}

static void blocks_handed_between_threads_stay_whole(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    errors = 0;
    for (size_t i = 0; i < THREADS; i++) {
        pthread_mutex_init(&queues[i].lock, NULL);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, exchange, &queues[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    /* The threads are gone; their blocks are not. */
    for (size_t i = 0; i < THREADS; i++) {
        while (queues[i].count > 0) {
            check_and_free(pop(&queues[i]));
        }
    }
    assert_int_equal(errors, 0);
}

/* ---- One thread produces, another frees: memory must go round, not pile up
 * ------------------------------ */

enum { HANDED = 400000 };

static atomic_int producer_done;

static void *produce(void *argument) {
    struct queue *queue = argument;
    uint64_t random = 5;
    for (size_t i = 0; i < HANDED; i++) {
        struct item item = make_item(&random, 2000);
        while (!push(queue, item)) {
            sched_yield();
        }
    }
    producer_done = 1;
    return NULL;
}

static void memory_freed_by_another_thread_is_used_again(void **state) {
    (void)state;
    struct queue *queue = &queues[0];
    pthread_t producer;
    size_t before = resident_kib();
    errors = 0;
    queue->count = 0;
    producer_done = 0;
    assert_int_equal(pthread_create(&producer, NULL, produce, queue), 0);
    for (;;) {
        int last = producer_done;
        struct item item = pop(queue);
        if (item.block == NULL && last) {
            break;
        }
        check_and_free(item);
    }
    pthread_join(producer, NULL);
    assert_int_equal(errors, 0);
    /* About 100 MiB went through; a few hundred blocks were live at any time. */
    assert_in_range(resident_kib(), 0, before + 24 * KIB);
}

/* ---- Threads that come and go
 * -------------------------------------------------------------------------- */

enum { CHURN_BATCH = 4, CHURN_BATCHES = 500, LEFT_BEHIND = 20 };

struct visitor {
    uint64_t random;
    struct item left[LEFT_BEHIND];
};

static void *visit(void *argument) {
    struct visitor *visitor = argument;
    struct item items[100];
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        items[i] = make_item(&visitor->random, i % 20 ? 1500 : 100000);
    }
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        if (i < LEFT_BEHIND) {
            visitor->left[i] = items[i];
        } else {
            check_and_free(items[i]);
        }
    }
    return NULL;
}

static void run_visitors(size_t batch) {
    pthread_t threads[CHURN_BATCH];
    static struct visitor visitors[CHURN_BATCH];
    for (size_t i = 0; i < CHURN_BATCH; i++) {
        visitors[i].random = batch * CHURN_BATCH + i;
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &visitors[i]), 0);
    }
    for (size_t i = 0; i < CHURN_BATCH; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < CHURN_BATCH; i++) {
        for (size_t k = 0; k < LEFT_BEHIND; k++) {
            check_and_free(visitors[i].left[k]);
        }
    }
}

static void memory_does_not_grow_with_threads_that_ended(void **state) {
    (void)state;
    skip_under_emulator(); /* most of what is resident is the emulator's */
    errors = 0;
    size_t batch = 0;
    while (batch < CHURN_BATCHES / 4) {
        run_visitors(batch++);
    }
    size_t resident = resident_kib();
    size_t mappings = count_mappings();
    while (batch < CHURN_BATCHES) {
        run_visitors(batch++);
    }
    assert_int_equal(errors, 0);
    /* 1500 threads later: less than a page more for each. */
    assert_in_range(resident_kib(), 0, resident + 4 * KIB);
    assert_in_range(count_mappings(), 0, mappings + 32);
}

/* ---- Every call from every thread at once
 * ---------------------------------------------------------------- */

static void *call_everything(void *argument) {
    uint64_t random = *(uint64_t *)argument;
    struct item items[64] = {{NULL, 0, 0}};
    for (size_t i = 0; i < 60000; i++) {
        struct item *item = &items[next_random(&random) % COUNT_OF(items)];
        uint64_t choice = next_random(&random) % 8;
        if (choice < 4) {
            check_and_free(*item);
            *item = make_item(&random, i % 100 ? 5000 : 3 * MIB);
        } else if (choice == 4 && item->block != NULL) {
            size_t size = random_size(&random, 1, 20000);
            size_t kept = size < item->size ? size : item->size;
            item->block = realloc(item->block, size);
            errors += first_difference(item->block, kept, item->pattern) != kept;
            *item = (struct item){item->block, kept, item->pattern};
        } else if (choice == 5) {
            void *block = calloc(random_size(&random, 1, 3000), 2);
            errors += !is_zero(block, malloc_usable_size(block) < 2 ? 0 : 2);
            free(block);
        } else if (choice == 6) {
            size_t alignment = (size_t)64 << next_random(&random) % 8;
            void *block = aligned_alloc(alignment, 300);
            errors += (uintptr_t)block % alignment != 0;
            free(block);
        } else {
            check_and_free(*item);
            item->block = NULL;
        }
    }
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        check_and_free(items[i]);
    }
    return NULL;
}

static void all_calls_work_from_all_threads(void **state) {
    (void)state;
    pthread_t threads[8];
    uint64_t seeds[COUNT_OF(threads)];
    uint64_t random = test_seed();
    errors = 0;
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        seeds[i] = next_random(&random);
        assert_int_equal(pthread_create(&threads[i], NULL, call_everything, &seeds[i]), 0);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(errors, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_freed_by_another_thread_is_used_again),
        cmocka_unit_test(memory_does_not_grow_with_threads_that_ended),
        cmocka_unit_test(blocks_handed_between_threads_stay_whole),
        cmocka_unit_test(all_calls_work_from_all_threads),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
