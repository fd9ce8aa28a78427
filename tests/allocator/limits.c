/*
 * Every kind of call, of every range of sizes, while the kernel really has no more to give:
 *
 * "limits mappings N": the process has as many mappings as vm.max_map_count allows; then one less,
 * and so on, N times. "limits addresses N" and "limits data N": 16 MiB of address space (RLIMIT_AS)
 * or of private memory (RLIMIT_DATA) are left.
 *
 * Each call gives a sound block, or NULL with ENOMEM (model.h). The limit is then lifted, and each
 * must give a block. Prints how many allocations, threads, forks and system calls were refused, and
 * KiB resident while half of what was held is freed (without and with the limit), and KiB
 * resident, and mapped though not for blocks, before the limit was met and after it was lifted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"
#include "model.h"
#include "support.h"

static _Noreturn void wrong(const char *what) {
    fprintf(stderr, "limits: %s, %s\n", what, strerror(errno));
    _exit(1);
}

/* The first line of a file of /proc. */
static void read_line(const char *path, char *text, size_t size) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = fd >= 0 ? read(fd, text, size - 1) : -1;
    if (length <= 0) {
        wrong(path);
    }
    text[length] = '\0';
    close(fd);
}

/* ---- The calls ---- */

enum { SLOTS = 3000, STAY_OF = 50, SIZES = 10 };
#define OF_EACH_SIZE (8 * MIB)
static const size_t sizes[SIZES] = {24,         200, 1000,    5000,    40000,
                                    300 * 1000, MIB, MIB + 1, 3 * MIB, 8 * MIB};
static struct model_slot slots[SLOTS], stay[SIZES][SLOTS / STAY_OF];
static unsigned threads_refused, forks_refused;

static enum model_call allocating(size_t i) {
    return MODEL_MALLOC + i % (MODEL_PVALLOC - MODEL_MALLOC + 1);
}

/* Allocates blocks of a size, resizes and frees some, allocates again, frees all but a few. */
static void use_size(size_t which, uint64_t *random) {
    const size_t size = sizes[which];
    const size_t count = OF_EACH_SIZE / size < SLOTS ? OF_EACH_SIZE / size : SLOTS;
    for (unsigned turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < count; i++) {
            if (slots[i].block == NULL) {
                model_do(&slots[i], allocating(i + turn), size, (size_t)1 << i % 17,
                         next_random(random));
            }
        }
        for (size_t i = turn; i < count; i += 3) {
            model_do(&slots[i], MODEL_REALLOC, i % 2 == 0 ? size * 2 : size / 3, 1,
                     next_random(random));
        }
        for (size_t i = turn + 1; i < count; i += 3) {
            model_do(&slots[i], MODEL_FREE, 0, 1, 0);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (i % STAY_OF == 0) {
            struct model_slot *place = &stay[which][i / STAY_OF];
            model_do(place, MODEL_FREE, 0, 1, 0);
            *place = slots[i];
            slots[i].block = NULL;
        } else {
            model_do(&slots[i], MODEL_FREE, 0, 1, 0);
        }
    }
}

static void *use_all_sizes(void *argument) {
    uint64_t random = (uintptr_t)argument;
    for (size_t which = 0; which < SIZES; which++) {
        use_size(which, &random);
    }
    return NULL;
}

static void let_all_go(void) {
    for (size_t which = 0; which < SIZES; which++) {
        for (size_t i = 0; i < SLOTS / STAY_OF; i++) {
            model_do(&stay[which][i], MODEL_FREE, 0, 1, 0);
        }
    }
}

static void use_in_thread(uintptr_t seed) {
    pthread_t thread;
    const int error = pthread_create(&thread, NULL, use_all_sizes, (void *)seed);
    if (error == 0) {
        pthread_join(thread, NULL);
        return;
    }
    threads_refused++;
    if (error != EAGAIN || !model_may_fail) {
        wrong("no thread");
    }
}

static void use_in_child(uintptr_t seed) {
    const pid_t child = fork();
    if (child == 0) {
        use_all_sizes((void *)seed);
        let_all_go();
        _exit(0);
    }
    forks_refused += child < 0;
    if (child < 0 && (errno != ENOMEM || !model_may_fail)) {
        wrong("no fork");
    }
    int status = 0;
    if (child > 0 && (waitpid(child, &status, 0) != child || status != 0)) {
        wrong("a child failed");
    }
}

static void use(uintptr_t seed) {
    use_all_sizes((void *)seed);
    use_in_thread(seed + 1);
    use_in_child(seed + 2);
}

/* ---- Blocks from before: side by side, so that giving back some leaves holes ---- */

#define STRETCH (2 * MIB) /* that is freed, and the next one is not */
enum { HELD = 20000 };
static const struct {
    size_t size, count;
} held_of[] = {{500, HELD}, {300 * 1000, 60}, {3 * MIB / 2, 20}, {3 * MIB, 20}};
static struct model_slot held[COUNT_OF(held_of)][HELD];

static void hold(uint64_t random) {
    for (size_t k = 0; k < COUNT_OF(held_of); k++) {
        for (size_t i = 0; i < held_of[k].count; i++) {
            model_do(&held[k][i], MODEL_MALLOC, held_of[k].size, 1, next_random(&random));
        }
    }
}

/* Of the stretches, every other one: the first, third ... or the others. */
static void let_go(size_t which) {
    for (size_t k = 0; k < COUNT_OF(held_of); k++) {
        for (size_t i = 0; i < held_of[k].count; i++) {
            const size_t place = held_of[k].size > STRETCH ? i : i * held_of[k].size / STRETCH;
            if (place % 2 == which) {
                model_do(&held[k][i], MODEL_FREE, 0, 1, 0);
            }
        }
    }
}

/* ---- The number of mappings ---- */

enum { PAGE = 4096, MOST_FILLERS = 100 };
static char *stretch;
static size_t stretch_size, fillers;
static void *filler[MOST_FILLERS];

static size_t max_map_count(void) {
    char text[32] = "";
    read_line("/proc/sys/vm/max_map_count", text, sizeof text);
    return strtoul(text, NULL, 10);
}

/* A mapping whose pages can be read by turns is as many mappings; then single ones, which the
 * kernel merges with no other; of these, `spare` are given back. */
static void fill_mappings(size_t spare) {
    stretch_size = max_map_count() * PAGE;
    stretch = __real_mmap(NULL, stretch_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t at = PAGE;
    while (stretch != MAP_FAILED && at < stretch_size &&
           mprotect(stretch + at, PAGE, PROT_READ) == 0) {
        at += (size_t)2 * PAGE;
    }
    void *one = NULL;
    while (errno == ENOMEM && fillers < MOST_FILLERS && one != MAP_FAILED) {
        one = __real_mmap(NULL, PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        filler[fillers] = one;
        fillers += one != MAP_FAILED;
    }
    if (one != MAP_FAILED || errno != ENOMEM) {
        wrong("the mappings are not at their limit");
    }
    for (size_t i = 0; i < spare && fillers > 0; i++) {
        __real_munmap(filler[--fillers], PAGE);
    }
}

static void release_mappings(void) {
    while (fillers > 0) {
        __real_munmap(filler[--fillers], PAGE);
    }
    __real_munmap(stretch, stretch_size);
}

/* ---- Memory ---- */

/* Bytes of the process: field 0 of statm is its address space, 5 its private memory. */
static size_t bytes_of(unsigned field) {
    unsigned long pages = 0;
    char text[128] = "", *end = text;
    read_line("/proc/self/statm", text, sizeof text);
    for (unsigned i = 0; i <= field; i++) {
        pages = strtoul(end, &end, 10);
    }
    return pages * PAGE;
}

static void set_limit(__rlimit_resource_t resource, rlim_t bytes) {
    struct rlimit limit;
    getrlimit(resource, &limit);
    limit.rlim_cur = bytes;
    if (setrlimit(resource, &limit) != 0) {
        wrong("setrlimit");
    }
}

/* ---- A limit is met, and lifted ---- */

static const char *limit;

static void meet(size_t spare) {
    if (strcmp(limit, "mappings") == 0) {
        fill_mappings(spare);
    } else if (strcmp(limit, "addresses") == 0) {
        set_limit(RLIMIT_AS, bytes_of(0) + 16 * MIB);
    } else {
        set_limit(RLIMIT_DATA, bytes_of(5) + 16 * MIB);
    }
    model_may_fail = 1;
}

static void lift(void) {
    model_may_fail = 0;
    if (strcmp(limit, "mappings") == 0) {
        release_mappings();
    } else {
        set_limit(strcmp(limit, "addresses") == 0 ? RLIMIT_AS : RLIMIT_DATA, RLIM_INFINITY);
    }
}

/* More than any cache may hold. */
static void ask_for_much(void) {
    void *block = malloc((size_t)1 << 30);
    if (block == NULL && errno != ENOMEM) {
        wrong("NULL without ENOMEM");
    }
    model_failed += block == NULL;
    free(block);
}

/* KiB resident when half of what was held had been freed: without a limit, and the most with one.
 */
static size_t halved[2];

static void cycle(size_t number, int limited) {
    hold(number);
    if (limited) {
        meet(number);
        ask_for_much();
    }
    let_go(1);
    const size_t now = resident_kib();
    if (now > halved[limited]) {
        halved[limited] = now;
    }
    use(number);
    let_go(0);
    if (limited) {
        lift();
    }
    let_all_go();
}

int main(int argc, char **argv) {
    if (argc != 3) {
        return 2;
    }
    limit = argv[1];
    const size_t cycles = strtoul(argv[2], NULL, 10);
    cycle(1, 0);
    cycle(2, 0);
    const size_t resident = resident_kib(), besides = kernel_mapped_besides_blocks() / KIB;
    for (size_t spare = 0; spare < cycles; spare++) {
        cycle(spare, 1);
    }
    cycle(3, 0);
    printf("failed %lu threads %u forks %u mmap %u munmap %u mremap %u madvise %u "
           "halved %zu %zu resident %zu %zu besides %zu %zu\n",
           model_failed, threads_refused, forks_refused, kernel.refused[MMAP],
           kernel.refused[MUNMAP], kernel.refused[MREMAP], kernel.refused[MADVISE], halved[0],
           halved[1], resident, resident_kib(), besides, kernel_mapped_besides_blocks() / KIB);
    return 0;
}
