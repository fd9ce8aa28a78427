/*
 * Random calls from many threads, judged by the model (model.h):
 *
 *     stress [--seed N] [--threads N] [--operations N] [--lockstep] [--corrupt N]
 *
 * Sizes to 64 MiB, alignments to 64 KiB; blocks are passed between threads; threads end in the
 * middle of it and leave their blocks to new ones; twenty times all threads stop and all blocks are
 * compared for overlaps. With --lockstep one thread runs at a time, and the seed says which: such a
 * run repeats exactly. Otherwise the seed sets what each thread does, but not when. --corrupt
 * breaks a block before that operation, by which the model is seen to notice.
 *
 * Prints the seed at once, and at the end the number of operations and a digest of all that was
 * done.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model.h"
#include "support.h"

enum { MOST_THREADS = 16, SLOTS = 400, MAILBOXES = 32, ROUNDS = 20 };
#define MOST_LARGE_BYTES (768 * MIB)

static uint64_t seed, operations = 1000000, corrupt;
static unsigned thread_count = 4;
static int lockstep;

static struct worker {
    unsigned number;
    uint64_t random, done, digest;
    struct model_slot slots[SLOTS];
} workers[MOST_THREADS];

/* ---- Blocks on the way between threads ---- */

static struct mailbox {
    pthread_mutex_t lock;
    struct model_slot slot;
} mailboxes[MAILBOXES];

static void swap_with_mailbox(struct worker *worker, struct model_slot *slot) {
    struct mailbox *box = &mailboxes[next_random(&worker->random) % MAILBOXES];
    pthread_mutex_lock(&box->lock);
    const struct model_slot theirs = box->slot;
    box->slot = *slot;
    *slot = theirs;
    pthread_mutex_unlock(&box->lock);
}

/* ---- One operation ---- */

static _Atomic size_t large_bytes; /* live, in blocks of over 1 MiB */

static size_t random_request(struct worker *worker) {
    const uint64_t choice = next_random(&worker->random) % 10000;
    const size_t most = choice < 9000   ? KIB
                        : choice < 9800 ? 32 * KIB
                        : choice < 9990 ? MIB
                                        : 64 * MIB;
    const size_t size = random_size(&worker->random, 0, most);
    /* the draw comes first: what others hold must not change the sequence */
    return size > MIB && !lockstep && large_bytes > MOST_LARGE_BYTES ? size % MIB : size;
}

static size_t large_part(const struct model_slot *slot) {
    return slot->block != NULL && slot->usable > MIB ? slot->usable : 0;
}

static void operate(struct worker *worker) {
    static const enum model_call calls[] = {
        MODEL_FREE,   MODEL_FREE,    MODEL_FREE,           MODEL_FREE,         MODEL_MALLOC,
        MODEL_MALLOC, MODEL_MALLOC,  MODEL_MALLOC,         MODEL_MALLOC,       MODEL_CALLOC,
        MODEL_CALLOC, MODEL_REALLOC, MODEL_REALLOC,        MODEL_REALLOCARRAY, MODEL_ALIGNED_ALLOC,
        MODEL_VALLOC, MODEL_PVALLOC, MODEL_POSIX_MEMALIGN, MODEL_MEMALIGN,     MODEL_CHECK,
    };
    struct model_slot *slot = &worker->slots[next_random(&worker->random) % SLOTS];
    const uint64_t choice = next_random(&worker->random);
    const enum model_call call = calls[choice % COUNT_OF(calls)];
    const size_t size = random_request(worker);
    size_t alignment = (size_t)1 << (choice >> 32) % 17; /* to 64 KiB */
    if ((choice >> 40) % 16 != 0 && alignment > 256) {
        alignment = 256; /* small ones more often */
    }
    if ((choice >> 48) % 8 == 0) {
        swap_with_mailbox(worker, slot);
    }
    if (++worker->done == corrupt && slot->block != NULL) {
        slot->block[slot->usable - 1] ^= 1;
    }
    snprintf(model_context, sizeof model_context,
             "seed %llu thread %u operation %llu: call %d size %zu alignment %zu",
             (unsigned long long)seed, worker->number, (unsigned long long)worker->done, (int)call,
             size, alignment);
    const size_t before = large_part(slot);
    model_do(slot, call, size, alignment, choice);
    large_bytes += large_part(slot) - before;
    /* not the usable size: a large block's depends on where the kernel mapped its neighbours */
    worker->digest = (worker->digest ^ slot->size ^ choice) * UINT64_C(0x100000001b3);
}

/* ---- Threads ---- */

/* Whose turn it is in lockstep, for how many operations; the schedule is the seed's. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned turn, left;
    uint64_t random;
    uint64_t remaining[MOST_THREADS];
} baton = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void pass_on(void) {
    const unsigned first = (unsigned)(next_random(&baton.random) % thread_count);
    for (unsigned i = 0; i < thread_count; i++) {
        baton.turn = (first + i) % thread_count;
        if (baton.remaining[baton.turn] > 0) {
            break;
        }
    }
    baton.left = 1 + (unsigned)(next_random(&baton.random) % 100);
    pthread_cond_broadcast(&baton.changed);
}

static void run_in_lockstep(struct worker *worker) {
    pthread_mutex_lock(&baton.lock);
    while (baton.remaining[worker->number] > 0) {
        if (baton.turn != worker->number) {
            pthread_cond_wait(&baton.changed, &baton.lock);
            continue;
        }
        operate(worker);
        baton.remaining[worker->number]--;
        if (--baton.left == 0 || baton.remaining[worker->number] == 0) {
            pass_on();
        }
    }
    pthread_mutex_unlock(&baton.lock);
}

static void *run(void *argument) {
    struct worker *worker = argument;
    if (lockstep) {
        run_in_lockstep(worker);
        return NULL;
    }
    for (uint64_t i = operations / thread_count / ROUNDS; i > 0; i--) {
        operate(worker);
    }
    return NULL;
}

static void check_all_apart(void) {
    static struct model_slot all[MOST_THREADS * SLOTS + MAILBOXES];
    size_t count = 0;
    for (unsigned t = 0; t < thread_count; t++) {
        for (size_t i = 0; i < SLOTS; i++) {
            model_do(&workers[t].slots[i], MODEL_CHECK, 0, 1, 0);
            all[count++] = workers[t].slots[i];
        }
    }
    for (size_t i = 0; i < MAILBOXES; i++) {
        all[count++] = mailboxes[i].slot;
    }
    model_check_apart(all, count);
}

static void run_round(void) {
    pthread_t threads[MOST_THREADS];
    for (unsigned t = 0; t < thread_count; t++) {
        baton.remaining[t] = operations / thread_count / ROUNDS;
    }
    pass_on();
    for (unsigned t = 0; t < thread_count; t++) {
        if (pthread_create(&threads[t], NULL, run, &workers[t]) != 0) {
            fputs("stress: no thread\n", stderr);
            exit(2);
        }
    }
    for (unsigned t = 0; t < thread_count; t++) {
        pthread_join(threads[t], NULL);
    }
    check_all_apart();
}

static uint64_t number_after(char ***argument) {
    if (*++*argument == NULL) {
        fputs("stress: a number is missing\n", stderr);
        exit(2);
    }
    return strtoull(**argument, NULL, 0);
}

int main(int argc, char **argv) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    seed = (uint64_t)now.tv_nsec;
    for (char **argument = argv + 1; argc > 1 && *argument != NULL; argument++) {
        if (strcmp(*argument, "--seed") == 0) {
            seed = number_after(&argument);
        } else if (strcmp(*argument, "--threads") == 0) {
            thread_count = (unsigned)number_after(&argument) % (MOST_THREADS + 1);
        } else if (strcmp(*argument, "--operations") == 0) {
            operations = number_after(&argument);
        } else if (strcmp(*argument, "--corrupt") == 0) {
            corrupt = number_after(&argument);
        } else if (strcmp(*argument, "--lockstep") == 0) {
            lockstep = 1;
        } else {
            fprintf(stderr, "stress: %s: unknown\n", *argument);
            return 2;
        }
    }
    thread_count += thread_count == 0;
    printf("seed %llu\n", (unsigned long long)seed);
    fflush(stdout);
    baton.random = seed;
    for (size_t i = 0; i < MAILBOXES; i++) {
        pthread_mutex_init(&mailboxes[i].lock, NULL);
    }
    for (unsigned t = 0; t < thread_count; t++) {
        workers[t].number = t;
        workers[t].random = seed * 1000003 + t;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        run_round();
    }
    uint64_t done = 0, digest = 0;
    for (unsigned t = 0; t < thread_count; t++) {
        done += workers[t].done;
        digest = digest * 31 + workers[t].digest;
        for (size_t i = 0; i < SLOTS; i++) {
            model_do(&workers[t].slots[i], MODEL_FREE, 0, 1, 0);
        }
    }
    for (size_t i = 0; i < MAILBOXES; i++) {
        model_do(&mailboxes[i].slot, MODEL_FREE, 0, 1, 0);
    }
    printf("operations %llu digest %016llx\n", (unsigned long long)done,
           (unsigned long long)digest);
    return 0;
}
