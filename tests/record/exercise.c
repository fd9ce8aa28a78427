/* A program with a known sequence of allocation calls, for the recorder to record. The first
 * argument chooses which. Block sizes that only occur here mark the calls. */
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANDED = 2000 };

static volatile size_t nothing; /* a size that no tool foresees */

/* Keeps the last block, so that no tool complains that it is lost. */
static void *kept;

static void must_fail(void *block) {
    kept = block;
    if (block)
        abort();
}

static void family(void) {
    char *a = malloc(10001);
    char *b = calloc(3, 10002);
    a = realloc(a, 10003);
    void *c = NULL;
    if (posix_memalign(&c, 256, 10004) != 0)
        abort();
    void *d = aligned_alloc(64, 10048);
    void *e = memalign(128, 10005);
    void *f = valloc(10006);
    void *g = pvalloc(10007);
    void *h = reallocarray(NULL, 5, 10008);
    kept = h;
    must_fail(realloc(h, nothing)); /* the C library frees */
    /* These fail, and change nothing. */
    volatile size_t huge = SIZE_MAX / 2;
    must_fail(malloc(huge));
    must_fail(realloc(b, huge));
    must_fail(calloc(huge, 4));
    must_fail(reallocarray(b, huge, 4));
    free(b);
    free(a);
    free(c);
    free(d);
    free(e);
    free(f);
    free(g);
    free(NULL);
    kept = malloc(10009); /* stays */
}

static _Atomic(char *) queue[HANDED];

static void *produce(void *unused) {
    for (size_t i = 0; i < HANDED; i++)
        queue[i] = malloc(20000 + i);
    return unused;
}

static void *consume(void *unused) {
    for (int i = 0; i < HANDED; i++) {
        char *block;
        while (!(block = queue[i]))
            sched_yield();
        if (i % 2)
            block = realloc(block, 30000);
        free(block);
    }
    return unused;
}

static void hand_over(void) {
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, produce, NULL);
    pthread_create(&threads[1], NULL, consume, NULL);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

static void *one_block(void *block) {
    free(block);
    return malloc(40001);
}

/* More threads, one after the other, than a trace has numbers for. */
static void many_threads(void) {
    void *block = malloc(40000);
    for (int i = 0; i < 300; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, one_block, block);
        pthread_join(thread, &block);
    }
    free(block);
}

/* The child calls too, much; only the parent's calls count. */
static void forks(void) {
    char *before = malloc(10001);
    const pid_t child = fork();
    if (child == 0) {
        free(before);
        for (int i = 0; i < 50000; i++)
            free(malloc(7777));
        _exit(5);
    }
    int status;
    waitpid(child, &status, 0);
    free(before);
    free(malloc(10002));
    exit(WEXITSTATUS(status));
}

static void busy(void) {
    for (int i = 0; i < 100000; i++)
        free(malloc(5000));
    if (write(STDOUT_FILENO, "unharmed\n", 9) != 9)
        abort();
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "family") == 0)
        family();
    else if (strcmp(what, "hand_over") == 0)
        hand_over();
    else if (strcmp(what, "many_threads") == 0)
        many_threads();
    else if (strcmp(what, "forks") == 0)
        forks();
    else if (strcmp(what, "busy") == 0)
        busy();
    else if (strcmp(what, "close_all") == 0) {
        for (int i = 3; i < 100; i++)
            close(i);
        busy();
    } else if (strcmp(what, "killed") == 0) {
        free(malloc(10001));
        abort();
    } else if (strcmp(what, "quick_exit") == 0) {
        free(malloc(10001));
        _exit(9);
    } else
        return 99;
    return 0;
}
