/*
 * Many forks, and many threads, of a process that is busy:
 *
 *     storm forks N      N children, one after the other, of a process whose four threads allocate,
 *                        while others come and go; each child allocates, frees what it inherited,
 *                        starts a thread and ends
 *     storm threads N    N threads of a few calls each; memory must not grow with them
 *
 * Prints what was done. Exit status 1 and a line on standard error when something is wrong.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

enum { WORKERS = 4, INHERITED = 30 };

static atomic_int stop;
static atomic_ulong visitors;

static void wrong(const char *what, long n) {
    fprintf(stderr, "storm: %s (%ld)\n", what, n);
    exit(1);
}

static void use(uint64_t *random, size_t calls) {
    struct {
        char *block;
        size_t size;
    } slots[32] = {{NULL, 0}};
    for (size_t i = 0; i < calls; i++) {
        const size_t at = next_random(random) % COUNT_OF(slots);
        const uint64_t order = next_random(random) % 1000;
        if (slots[at].block != NULL && slots[at].block[slots[at].size - 1] != (char)at) {
            wrong("a block changed", (long)i);
        }
        free(slots[at].block);
        slots[at].size = random_size(random, 1,
                                     order < 950   ? 4000
                                     : order < 995 ? 200000
                                                   : 4 * MIB);
        slots[at].block = malloc(slots[at].size);
        if (slots[at].block == NULL) {
            wrong("no memory", (long)slots[at].size);
        }
        slots[at].block[slots[at].size - 1] = (char)at;
    }
    for (size_t at = 0; at < COUNT_OF(slots); at++) {
        free(slots[at].block);
    }
}

static void *visit(void *argument) {
    uint64_t random = (uintptr_t)argument;
    use(&random, 50);
    visitors++;
    return NULL;
}

/* One of four that never rest; each also lets threads come and go. */
static void *work(void *argument) {
    uint64_t random = (uintptr_t)argument;
    while (!stop) {
        pthread_t thread;
        use(&random, 200);
        if (pthread_create(&thread, NULL, visit, (void *)(uintptr_t)next_random(&random)) == 0) {
            pthread_join(thread, NULL);
        }
    }
    return NULL;
}

static void in_child(char **inherited, uint64_t random) {
    alarm(30);
    for (size_t i = 0; i < INHERITED; i++) {
        if (first_difference(inherited[i], 200 * i, i) != 200 * i) {
            wrong("an inherited block changed", (long)i);
        }
        free(inherited[i]);
    }
    use(&random, 300);
    pthread_t thread;
    if (pthread_create(&thread, NULL, visit, (void *)(uintptr_t)random) != 0 ||
        pthread_join(thread, NULL) != 0) {
        wrong("no thread in the child", 0);
    }
    _exit(0);
}

static void storm_of_forks(long forks) {
    pthread_t threads[WORKERS];
    for (uintptr_t i = 0; i < WORKERS; i++) {
        pthread_create(&threads[i], NULL, work, (void *)(i + 1));
    }
    for (long n = 0; n < forks; n++) {
        char *inherited[INHERITED];
        for (size_t i = 0; i < INHERITED; i++) {
            inherited[i] = malloc(200 * i);
            fill(inherited[i], 200 * i, i);
        }
        const pid_t pid = fork();
        if (pid == 0) {
            in_child(inherited, (uint64_t)n);
        }
        int status = -1;
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            wrong("a child's wait status", status);
        }
        for (size_t i = 0; i < INHERITED; i++) {
            free(inherited[i]);
        }
    }
    stop = 1;
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    printf("forks %ld threads %lu\n", forks, visitors);
}

static void storm_of_threads(long count) {
    size_t resident = 0, mappings = 0;
    for (long n = 0; n < count; n += 2) {
        pthread_t threads[2];
        for (uintptr_t i = 0; i < 2; i++) {
            if (pthread_create(&threads[i], NULL, visit, (void *)((uintptr_t)n + i)) != 0) {
                wrong("no thread", n);
            }
        }
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        if (n == count / 5 / 2 * 2) {
            resident = resident_kib();
            mappings = count_mappings();
        }
    }
    if (resident_kib() > resident + 16 * KIB) {
        wrong("KiB more than after a fifth of the threads", (long)(resident_kib() - resident));
    }
    if (count_mappings() > mappings + 40) {
        wrong("mappings more", (long)(count_mappings() - mappings));
    }
    printf("threads %lu\n", visitors);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    const long n = strtol(argv[2], NULL, 10);
    if (strcmp(argv[1], "forks") == 0) {
        storm_of_forks(n);
    } else {
        storm_of_threads(n);
    }
    return 0;
}
