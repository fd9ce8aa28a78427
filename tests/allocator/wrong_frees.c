/*
 * Wrong frees, tried one by one on whatever allocator this program runs under, each in a child of
 * its own. Prints a line for each: kind, function, thread, size and what came of it, with tabs
 * between:
 *
 *     aborted   the allocator ended the program
 *     crashed   it died of an invalid access
 *     told      it went on, after a message
 *     silent    it went on, nothing was said, and what was looked at afterwards was sound
 *     twice     it went on, and memory is now in two hands: a block given out twice, or blocks that
 *               overlap
 *     hung      it did not come to an end
 *
 * test_wrong_frees.py says what hakmem must do; scripts/wrong-frees prints a table of all.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MAPPED          ((size_t)1 << 20)

static const size_t sizes[] = {16, 100, 1000, 3000, 20000, 300000, 1 << 20, 3 << 20};

/* ---- Pointers that may not be freed; the size is that of the block, where there is one ---- */

static char global[64];

static char *stack_of(size_t size) {
    (void)size;
    return __builtin_frame_address(0);
}
static char *global_of(size_t size) {
    (void)size;
    return global + 16;
}
static char *code_of(size_t size) {
    (void)size;
    return (char *)(uintptr_t)stack_of;
}
static char *mapping(int protection) {
    return mmap(NULL, MAPPED, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static char *mapping_of(size_t size) {
    (void)size;
    return mapping(PROT_READ | PROT_WRITE) + 64;
}
static char *guard_of(size_t size) {
    (void)size;
    return mapping(PROT_NONE);
}
static char *unmapped_of(size_t size) {
    (void)size;
    char *at = mapping(PROT_READ);
    munmap(at, MAPPED);
    return at;
}
static char *low_of(size_t size) {
    (void)size;
    return (char *)0x10000;
}
static char *non_canonical_of(size_t size) {
    (void)size;
    return (char *)((uintptr_t)1 << 52);
}
static char *kernel_of(size_t size) {
    (void)size;
    return (char *)(UINTPTR_MAX - 4095);
}

static char *block_of(size_t size) {
    return malloc(size);
}
static char *one_in(size_t size) {
    return block_of(size) + 1;
}
static char *eight_in(size_t size) {
    return block_of(size) + 8;
}
static char *sixteen_in(size_t size) {
    return block_of(size + 16) + 16;
}
static char *middle_of(size_t size) {
    return block_of(size) + size / 2 / 16 * 16 + (size < 32 ? 8 : 0);
}
static char *last_of(size_t size) {
    return block_of(size) + size - 1;
}

static char *freed(size_t size) {
    char *volatile block = malloc(size);
    free(block);
    return block;
}
static char *freed_before_another(size_t size) {
    char *volatile block = malloc(size);
    char *volatile other = malloc(size);
    free(block);
    free(other);
    return block;
}
static char *freed_before_a_reuse(size_t size) {
    char *volatile block = malloc(size);
    char *volatile other = malloc(size);
    free(block);
    free(other);
    other = malloc(size); /* the other one, from a stack; if it is the same, see below */
    /* cppcheck-suppress memleak */
    return other == block ? NULL : block;
}
static char *freed_before_many(size_t size) {
    static char *others[200];
    const size_t count = size > 100000 ? 20 : COUNT_OF(others);
    char *volatile block = malloc(size);
    for (size_t i = 0; i < count; i++) {
        others[i] = malloc(size);
    }
    free(block);
    for (size_t i = 0; i < count; i++) {
        free(others[i]);
    }
    return block;
}
static void *free_it(void *block) {
    free(block);
    return NULL;
}
static char *freed_by_another_thread(size_t size) {
    pthread_t thread;
    char *volatile block = malloc(size);
    pthread_create(&thread, NULL, free_it, block);
    pthread_join(thread, NULL);
    return block;
}

static const struct kind {
    const char *name;
    char *(*pointer)(size_t size);
    int sized;
} kinds[] = {
    {"foreign: stack", stack_of, 0},
    {"foreign: global", global_of, 0},
    {"foreign: code", code_of, 0},
    {"foreign: mapping", mapping_of, 0},
    {"foreign: unreadable mapping", guard_of, 0},
    {"foreign: unmapped", unmapped_of, 0},
    {"foreign: low address", low_of, 0},
    {"foreign: non-canonical", non_canonical_of, 0},
    {"foreign: kernel's", kernel_of, 0},
    {"interior: 1 byte in", one_in, 1},
    {"interior: 8 bytes in", eight_in, 1},
    {"interior: 16 bytes in", sixteen_in, 1},
    {"interior: middle", middle_of, 1},
    {"interior: last byte", last_of, 1},
    {"double: at once", freed, 1},
    {"double: after another's free", freed_before_another, 1},
    {"double: after another's reuse", freed_before_a_reuse, 1},
    {"double: after many frees", freed_before_many, 1},
    {"double: freed by another thread", freed_by_another_thread, 1},
};

/* ---- What is done with it, and what came of it ---- */

static struct probe {
    const struct kind *kind;
    size_t size;
    int reallocates, by_another;
    char *pointer;
} probe;

static void *misuse(void *unused) {
    if (probe.reallocates) {
        char *volatile moved = realloc(probe.pointer, probe.size + 64);
        (void)moved;
    } else {
        free(probe.pointer);
    }
    return unused;
}

/* Whether blocks of the size that are live at once lie apart, and keep what is in them. */
static int blocks_are_apart(size_t size) {
    static char *blocks[40];
    int good = 1;
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = malloc(size);
        if (blocks[i] == NULL) {
            return 1;
        }
        memset(blocks[i], (int)i + 1, size);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        good &= blocks[i][0] == (char)(i + 1) && blocks[i][size - 1] == (char)(i + 1);
        for (size_t k = 0; k < i; k++) {
            good &= blocks[i] + size <= blocks[k] || blocks[k] + size <= blocks[i];
        }
    }
    return good;
}

enum { SOUND = 20, TWICE, NOT_POSSIBLE };

static int child(void) {
    probe.pointer = probe.kind->pointer(probe.size);
    if (probe.pointer == NULL) {
        return NOT_POSSIBLE; /* the reuse was of the very block: no allocator could tell */
    }
    if (probe.by_another) {
        pthread_t thread;
        pthread_create(&thread, NULL, misuse, NULL);
        pthread_join(thread, NULL);
    } else {
        misuse(NULL);
    }
    return blocks_are_apart(probe.size) ? SOUND : TWICE;
}

static const char *outcome(int status, int told) {
    if (WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        return number == SIGABRT ? "aborted" : number == SIGALRM ? "hung" : "crashed";
    }
    switch (WEXITSTATUS(status)) {
    case SOUND:
        return told ? "told" : "silent";
    case TWICE:
        return "twice";
    case NOT_POSSIBLE:
        return "none";
    default:
        return "aborted"; /* it called exit itself */
    }
}

static void run(void) {
    int ends[2];
    if (pipe(ends) != 0) {
        exit(2);
    }
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        alarm(10);
        _exit(child());
    }
    close(ends[1]);
    char text[4096];
    ssize_t told = 0, n;
    while ((n = read(ends[0], text, sizeof text)) > 0) {
        told += n;
    }
    close(ends[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    char line[200];
    const int length =
        snprintf(line, sizeof line, "%s\t%s\t%s\t%zu\t%s\n", probe.kind->name,
                 probe.reallocates ? "realloc" : "free", probe.by_another ? "another" : "same",
                 probe.kind->sized ? probe.size : 0, outcome(status, told > 0));
    if (write(STDOUT_FILENO, line, (size_t)length) != length) {
        exit(2);
    }
}

int main(void) {
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        for (size_t s = 0; s < (kinds[k].sized ? COUNT_OF(sizes) : 1); s++) {
            for (int way = 0; way < 4; way++) {
                probe = (struct probe){&kinds[k], kinds[k].sized ? sizes[s] : 100, way & 1,
                                       way >> 1, NULL};
                run();
            }
        }
    }
    return 0;
}
