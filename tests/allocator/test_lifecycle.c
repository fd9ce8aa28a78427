/*
 * Odd moments: allocation in constructors, in destructors of thread-specific data, in atexit
 * handlers and in destructors after main has returned. For the end of a process, which cannot be
 * judged from within, the program runs itself with a mode as argument.
 */
#define _GNU_SOURCE
#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Allocates blocks of many sizes, checks and frees them; whether all was well. */
static int allocator_works(void) {
    char *blocks[100];
    int good = 1;
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = i % 2 ? malloc(i * i * 10) : calloc(i * i, 10);
        good &= blocks[i] != NULL;
        if (good) {
            fill(blocks[i], i * i * 10, i);
        }
    }
    for (size_t i = 0; good && i < COUNT_OF(blocks); i++) {
        good &= first_difference(blocks[i], i * i * 10, i) == i * i * 10;
        blocks[i] = realloc(blocks[i], i * i * 10 + 1000);
        free(blocks[i]);
    }
    return good;
}

/* ---- Before main
 * ---------------------------------------------------------------------------------------- */

static char *from_constructor;
static int constructor_worked;

__attribute__((constructor(101))) static void allocate_in_constructor(void) {
    free(NULL);
    constructor_worked = allocator_works();
    from_constructor = malloc(1000);
    fill(from_constructor, 1000, 3);
}

static void constructors_can_allocate(void **state) {
    (void)state;
    assert_true(constructor_worked);
    assert_int_equal(first_difference(from_constructor, 1000, 3), 1000);
    free(from_constructor);
}

/* ---- After main
 * ----------------------------------------------------------------------------------------- */

static char *kept;
static int report_at_exit;

static void say(const char *word) {
    assert_true(write(STDOUT_FILENO, word, strlen(word)) > 0);
}

static void in_atexit(void) {
    free(kept);
    say(allocator_works() ? "atexit " : "broken ");
}

static void *in_late_thread(void *argument) {
    say(allocator_works() ? "thread " : "broken ");
    return argument;
}

static void in_first_atexit(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, in_late_thread, NULL);
    pthread_join(thread, NULL);
}

__attribute__((destructor(101))) static void in_destructor(void) {
    if (report_at_exit) {
        say(allocator_works() ? "destructor " : "broken ");
    }
}

static int run_atexit_mode(void) {
    report_at_exit = 1;
    kept = malloc(5000);
    atexit(in_first_atexit);
    atexit(in_atexit);
    return 0;
}

static void allocation_works_after_main_has_returned(void **state) {
    (void)state;
    char output[200];
    int status = run_self("atexit", output, sizeof output);
    assert_string_equal(output, "atexit thread destructor ");
    assert_int_equal(status, 0);
}

/* ---- As a thread ends
 * ----------------------------------------------------------------------------------- */

static pthread_key_t key;
static int rounds_done;
static int rounds_good;

/* Sets the key again, so that it runs in every round of destructors, the last one included: by then
 * the allocator's own thread-local data is gone. */
static void on_thread_end(void *value) {
    free(value);
    rounds_done++;
    rounds_good += allocator_works();
    pthread_setspecific(key, malloc(64));
}

static void *end_with_data(void *argument) {
    pthread_setspecific(key, malloc(64));
    return argument;
}

static void destructors_of_thread_data_can_allocate(void **state) {
    (void)state;
    assert_int_equal(pthread_key_create(&key, on_thread_end), 0);
    for (size_t i = 0; i < 50; i++) {
        pthread_t thread;
        rounds_done = rounds_good = 0;
        assert_int_equal(pthread_create(&thread, NULL, end_with_data, NULL), 0);
        pthread_join(thread, NULL);
        assert_true(rounds_done >= 4);
        assert_int_equal(rounds_good, rounds_done);
    }
    pthread_key_delete(key);
}

static void detached_threads_leave_nothing_behind(void **state) {
    (void)state;
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    assert_int_equal(pthread_key_create(&key, free), 0);
    size_t mappings = 0;
    for (size_t i = 0; i < 1000; i++) {
        pthread_t thread;
        while (pthread_create(&thread, &detached, end_with_data, NULL) != 0) {
            usleep(1000);
        }
        usleep(100);
        if (i == 300) {
            mappings = count_mappings();
        }
    }
    usleep(100000);
    assert_in_range(count_mappings(), 0, mappings + 32);
    pthread_attr_destroy(&detached);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "atexit") == 0) {
        return run_atexit_mode();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constructors_can_allocate),
        cmocka_unit_test(allocation_works_after_main_has_returned),
        cmocka_unit_test(destructors_of_thread_data_can_allocate),
        cmocka_unit_test(detached_threads_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
