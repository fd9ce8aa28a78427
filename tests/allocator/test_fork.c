/*
 * fork while other threads allocate: the child must find no lock taken by a thread that it does not
 * have. A child that hangs is killed by its alarm, and the test fails.
 */
#define _GNU_SOURCE
#include "support.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FORKS = 200, WORKERS = 4 };

static atomic_int stop;

/* Keeps every part of the allocator busy, big blocks and thread exits included. */
static void *allocate_until_stopped(void *argument) {
    uint64_t random = *(uint64_t *)argument;
    char *blocks[64] = {NULL};
    while (!stop) {
        size_t i = next_random(&random) % COUNT_OF(blocks);
        size_t order = next_random(&random) % 100;
        free(blocks[i]);
        blocks[i] = malloc(random_size(&random, 1,
                                       order < 90   ? 4000
                                       : order < 97 ? 200000
                                                    : 6 * MIB));
        blocks[i][0] = 1;
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        free(blocks[i]);
    }
    return NULL;
}

static void *allocate_a_little(void *argument) {
    for (size_t size = 1; size < 100000; size *= 3) {
        free(malloc(size));
    }
    return argument;
}

/* What the child does; its exit status tells which check failed. */
static int child(char **inherited, size_t count, uint64_t seed) {
    for (size_t i = 0; i < count; i++) {
        if (first_difference(inherited[i], 100 * i, i) != 100 * i) {
            return 10;
        }
        free(inherited[i]);
    }
    char *blocks[300];
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            size_t size = random_size(&seed, 1, i % 20 ? 5000 : 3 * MIB);
            blocks[i] = malloc(size);
            if (blocks[i] == NULL) {
                return 11;
            }
            blocks[i][0] = blocks[i][size - 1] = 1;
        }
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            free(blocks[i]);
        }
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, allocate_a_little, NULL) != 0 ||
        pthread_join(thread, NULL) != 0) {
        return 12;
    }
    return 0;
}

static void children_of_a_busy_process_can_allocate(void **state) {
    (void)state;
    skip_under_emulator(); /* qemu itself fails at times after a process with threads has forked */
    pthread_t threads[WORKERS];
    uint64_t seeds[WORKERS];
    stop = 0;
    for (size_t i = 0; i < WORKERS; i++) {
        seeds[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_until_stopped, &seeds[i]), 0);
    }
    int first_bad = 0;
    for (size_t n = 0; n < FORKS && first_bad == 0; n++) {
        char *inherited[40];
        for (size_t i = 0; i < COUNT_OF(inherited); i++) {
            inherited[i] = malloc(100 * i);
            fill(inherited[i], 100 * i, i);
        }
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            _exit(child(inherited, COUNT_OF(inherited), n));
        }
        int status = -1;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            first_bad = status;
        }
        for (size_t i = 0; i < COUNT_OF(inherited); i++) {
            free(inherited[i]);
        }
    }
    stop = 1;
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    if (first_bad != 0) {
        fail_msg("a child ended with wait status %#x", (unsigned)first_bad);
    }
}

/* What fork() prepared must be good for the next generation too. */
static void children_can_fork_and_exit_in_turn(void **state) {
    (void)state;
    for (size_t n = 0; n < 20; n++) {
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            pid_t grandchild = fork();
            if (grandchild == 0) {
                alarm(20);
                _exit(child(NULL, 0, n));
            }
            int status = -1;
            waitpid(grandchild, &status, 0);
            _exit(status == 0 ? child(NULL, 0, n) : 13);
        }
        int status = -1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_of_a_busy_process_can_allocate),
        cmocka_unit_test(children_can_fork_and_exit_in_turn),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
