/*
 * Signals: handlers that do not allocate, thousands of them in the middle of calls, and one after
 * each single instruction of a call; handlers that do allocate, where they interrupt something
 * else; and what the allocator prints meanwhile.
 */
#define _GNU_SOURCE
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "hakmem.h"
#include "model.h"

/* ---- A handler that does not allocate ---- */

static atomic_size_t handled, inside; /* all signals, and those that interrupted the allocator */
static atomic_size_t off_stack;       /* handlers that ran on another stack than they should */
static struct { uintptr_t from, size; } code; /* the allocator's */
static _Thread_local stack_t alternate;

static int find_code(struct dl_phdr_info *object, size_t size, void *argument) {
    (void)size, (void)argument;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        const uintptr_t from = object->dlpi_addr + part->p_vaddr;
        if ((part->p_flags & PF_X) != 0 && (uintptr_t)hak_version - from < part->p_memsz) {
            code.from = from;
            code.size = part->p_memsz;
        }
    }
    return 0;
}

static uintptr_t interrupted_at(const void *context) {
#if defined __x86_64__
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#else
    return ((const ucontext_t *)context)->uc_mcontext.pc; /* AArch64 */
#endif
}

static void note(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    char local[512];
    const int saved = errno;
    memset(local, 0x55, sizeof local); /* whatever lies where this stack is, is overwritten */
    off_stack += (uintptr_t)local - (uintptr_t)alternate.ss_sp >= alternate.ss_size;
    inside += interrupted_at(context) - code.from < code.size;
    handled++;
    errno = (unsigned char)local[17]; /* as a system call would */
    errno = saved;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};
    assert_int_equal(sigaction(signal, &action, NULL), 0);
}

/* Handlers of this thread run in a block of so many bytes from now on; 0: no longer. */
static int use_alternate_stack(size_t size) {
    char *const before = alternate.ss_sp;
    alternate = (stack_t){.ss_sp = size > 0 ? malloc(size) : NULL,
                          .ss_size = size,
                          .ss_flags = size > 0 ? 0 : SS_DISABLE};
    const int done = sigaltstack(&alternate, NULL);
    free(before);
    return done;
}

static void block_signals(int how) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(how, &set, NULL);
}

/* ---- Thousands of signals, wherever they fall ---- */

enum { WORKERS = 3, SLOTS = 60, INSIDE = 3000 };

static atomic_int stop;

static void call_at_random(uint64_t *random, struct model_slot *slots) {
    struct model_slot *slot = &slots[next_random(random) % SLOTS];
    const uint64_t choice = next_random(random);
    const size_t most = choice % 1000 < 900 ? KIB : choice % 1000 < 998 ? 300 * KIB : 6 * MIB;
    model_do(slot, (enum model_call)((choice >> 8) % MODEL_CALLS), random_size(random, 0, most),
             (size_t)1 << (choice >> 16) % 17, choice);
}

/* Nothing but calls, so that many signals find the thread in one. */
static void call_in_a_row(uint64_t *random) {
    void *blocks[100];
    const size_t most = next_random(random) % 2 == 0 ? KIB : 20 * KIB;
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = malloc(random_size(random, 0, most));
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        free(blocks[i]);
    }
}

/* Number of the worker, from 1. A timer sends it signals, and so does the main thread. */
static void *work(void *argument) {
    struct model_slot slots[SLOTS] = {{NULL, 0, 0, 0}};
    uint64_t random = (uintptr_t)argument;
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    event._sigev_un._tid = gettid();
    const struct itimerspec often = {{0, 200000}, {0, 200000}};
    const size_t stack = random == 1 ? 3 * MIB : 64 * KIB; /* of the large path, and of a class */
    if (use_alternate_stack(stack) != 0 || timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
        timer_settime(timer, 0, &often, NULL) != 0) {
        abort();
    }
    block_signals(SIG_UNBLOCK);
    while (!stop) {
        call_at_random(&random, slots);
        call_in_a_row(&random);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        model_do(&slots[i], MODEL_FREE, 0, 1, 0);
    }
    block_signals(SIG_BLOCK);
    timer_delete(timer);
    use_alternate_stack(0);
    return NULL;
}

static void signals_in_the_middle_of_calls_change_nothing(void **state) {
    const int flags = *(const int *)*state;
    pthread_t threads[WORKERS];
    handled = inside = off_stack = 0;
    stop = 0;
    handle(SIGALRM, note, SA_ONSTACK | flags);
    handle(SIGUSR1, note, SA_ONSTACK | flags);
    block_signals(SIG_BLOCK); /* here, and in the threads until they are ready */
    for (uintptr_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(i + 1)), 0);
    }
    for (size_t i = 0; inside < INSIDE; i++) {
        pthread_kill(threads[i % WORKERS], SIGUSR1);
        usleep(50);
    }
    stop = 1;
    for (size_t i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
    }
    block_signals(SIG_UNBLOCK);
    print_message("%zu signals, %zu in the allocator\n", (size_t)handled, (size_t)inside);
    assert_int_equal(off_stack, 0);
}

/* ---- A signal after each instruction ---- */

#ifdef __x86_64__

/* With the trap flag set, the processor traps after every instruction and the kernel sends SIGTRAP;
 * the handler itself runs without it. What lies below the stack pointer is the compiler's. */
static inline void step(void) {
    __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; "
                     "lea 128(%%rsp), %%rsp" ::
                         : "memory", "cc");
}

static inline void stop_stepping(void) {
    __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; "
                     "lea 128(%%rsp), %%rsp" ::
                         : "memory", "cc");
}

/* Makes the call step by step; some of its instructions must be the allocator's. */
#define STEP_BY_STEP(call)                                                                         \
    do {                                                                                           \
        const size_t inside_before = inside;                                                       \
        errno = 12345;                                                                             \
        step();                                                                                    \
        call;                                                                                      \
        stop_stepping();                                                                           \
        assert_true(inside >= inside_before + 5);                                                  \
    } while (0)

static void free_step_by_step(void *block) {
    STEP_BY_STEP(free(block));
    assert_int_equal(errno, 12345);
}

static void check_and_free(void *block, size_t size, uint64_t seed) {
    assert_non_null(block);
    assert_int_equal(first_difference(block, size, seed), size);
    free_step_by_step(block);
}

/* The most that may be copied or cleared: each byte is a step. */
enum { COPIED = 5000 };

static void resize_step_by_step(char *block, size_t size, size_t to) {
    STEP_BY_STEP(block = realloc(block, to));
    check_and_free(block, size < to ? size : to, 1);
}

static void all_calls_step_by_step(size_t size) {
    char *block, *aligned = NULL;
    int error = 0;
    STEP_BY_STEP(error = posix_memalign((void **)&aligned, 4096, size));
    assert_int_equal(error, 0);
    assert_int_equal((uintptr_t)aligned % 4096, 0);
    fill(aligned, size, 2);
    for (size_t i = 0; i < 2; i++) {
        STEP_BY_STEP(block = malloc(size));
        assert_non_null(block);
        fill(block, size, 1);
        if (size <= COPIED || size >= 3 * MIB) { /* the latter are not copied */
            resize_step_by_step(block, size, i == 0 ? size * 2 : size / 3 + 1);
        } else {
            check_and_free(block, size, 1);
        }
    }
    if (size <= COPIED) {
        STEP_BY_STEP(block = calloc(1, size));
        assert_non_null(block);
        assert_true(is_zero(block, size));
        free_step_by_step(block);
    }
    check_and_free(aligned, size, 2);
}

/* Blocks enough that caches are filled and emptied on the way. */
static void many_step_by_step(size_t size) {
    char *blocks[100];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        STEP_BY_STEP(blocks[i] = malloc(size));
        assert_non_null(blocks[i]);
        fill(blocks[i], size, i);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        check_and_free(blocks[i], size, i);
    }
}

static void a_signal_after_each_instruction_changes_nothing(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 16, 100, 1000, 1025, 5000, 70000, MIB + 1, 3 * MIB};
    handled = inside = off_stack = 0;
    handle(SIGTRAP, note, SA_ONSTACK);
    assert_int_equal(use_alternate_stack(64 * KIB), 0);
    for (size_t turn = 0; turn < 2; turn++) { /* the second time there is something in the caches */
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            all_calls_step_by_step(sizes[i]);
        }
    }
    char *fresh;
    STEP_BY_STEP(fresh = calloc(1, 20 * MIB));
    assert_non_null(fresh);
    assert_true(is_zero(fresh, 20 * MIB));
    free_step_by_step(fresh);
    many_step_by_step(100);
    many_step_by_step(5000);
    use_alternate_stack(0);
    print_message("%zu signals, %zu in the allocator\n", (size_t)handled, (size_t)inside);
    assert_int_equal(off_stack, 0);
}

#else

static void a_signal_after_each_instruction_changes_nothing(void **state) {
    (void)state;
    print_message("not done: how to step by instruction is known for x86-64 only\n");
    skip();
}

#endif

/* ---- Handlers that allocate, and interrupt something else ---- */

static struct model_slot shared[SLOTS];
static uint64_t shared_random;

static void allocate_and_free(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    for (size_t i = 0; i < 20; i++) {
        call_at_random(&shared_random, shared);
    }
    handled++;
}

static void free_shared(void) {
    for (size_t i = 0; i < SLOTS; i++) {
        model_do(&shared[i], MODEL_FREE, 0, 1, 0);
    }
}

static void a_handler_of_a_raised_signal_may_allocate(void **state) {
    (void)state;
    shared_random = test_seed();
    handled = 0;
    handle(SIGUSR1, allocate_and_free, 0);
    for (size_t i = 0; i < 2000; i++) {
        raise(SIGUSR1);
        allocate_and_free(0, NULL, NULL); /* the program frees the handler's, and the reverse */
    }
    free_shared();
    assert_int_equal(handled, 4000);
}

static void a_handler_may_allocate_while_the_program_computes(void **state) {
    (void)state;
    const struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    volatile uint64_t sum = 0;
    shared_random = test_seed();
    handled = 0;
    handle(SIGALRM, allocate_and_free, SA_RESTART);
    setitimer(ITIMER_REAL, &often, NULL);
    while (handled < 3000) {
        sum = sum * 3 + 1;
    }
    setitimer(ITIMER_REAL, &never, NULL);
    free_shared();
}

static char *to_free[3000];

static void free_next(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    free(to_free[handled]);
    handled++;
}

static void a_handler_that_frees_keeps_errno(void **state) {
    (void)state;
    uint64_t random = test_seed();
    for (size_t i = 0; i < COUNT_OF(to_free); i++) {
        to_free[i] = malloc(random_size(&random, 1, i % 30 == 0 ? 3 * MIB : 20000));
        assert_non_null(to_free[i]);
    }
    handled = 0;
    handle(SIGUSR1, free_next, 0);
    while (handled < COUNT_OF(to_free)) {
        errno = (int)handled + 1;
        raise(SIGUSR1);
        assert_int_equal(errno, handled);
    }
}

/* ---- What is printed while signals arrive ---- */

static struct {
    int from;
    size_t length;
    char text[65536];
} reader;

/* Reads only after three more signals: the writer is in the middle of its system call then. */
static void *read_slowly(void *argument) {
    for (;;) {
        const size_t before = handled;
        while (handled < before + 3) {
            usleep(100);
        }
        const ssize_t n = read(reader.from, reader.text + reader.length, 512);
        if (n <= 0) {
            return argument;
        }
        reader.length += (size_t)n;
    }
}

static void lines_are_whole_though_signals_interrupt_them(void **state) {
    (void)state;
    const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    int ends[2];
    pthread_t thread;
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
    static const char filler[4096];
    assert_int_equal(write(ends[1], filler, sizeof filler), sizeof filler); /* no room at first */
    reader.from = ends[0];
    handled = 0;
    handle(SIGALRM, note, 0); /* interrupted system calls are not started again */
    block_signals(SIG_BLOCK);
    assert_int_equal(pthread_create(&thread, NULL, read_slowly, NULL), 0);
    block_signals(SIG_UNBLOCK);
    setitimer(ITIMER_REAL, &often, NULL);
    hak_stats_print(ends[1]);
    close(ends[1]);
    pthread_join(thread, NULL);
    setitimer(ITIMER_REAL, &never, NULL);
    const char *line = reader.text + sizeof filler;
    const size_t count = hak_stats_count();
    for (size_t i = 0; i < count; i++) {
        const char *name = hak_stats_name(i);
        assert_memory_equal(line, name, strlen(name));
        line = strchr(line, '\n');
        assert_non_null(line++);
    }
    assert_ptr_equal(line, reader.text + reader.length);
}

/* ---- The background thread ---- */

static int run_background_mode(void) {
    sigset_t pending;
    handle(SIGUSR1, note, 0);
    block_signals(SIG_BLOCK);
    kill(getpid(), SIGUSR1); /* to any thread that does not block it */
    usleep(100000);
    sigpending(&pending);
    return handled == 0 && sigismember(&pending, SIGUSR1) == 1 ? 0 : 1;
}

static void the_background_thread_takes_no_signals_of_the_program(void **state) {
    (void)state;
    char output[1000];
    setenv("HAKMEM_BACKGROUND", "1", 1);
    assert_int_equal(run_self("background", output, sizeof output), 0);
    unsetenv("HAKMEM_BACKGROUND");
    assert_string_equal(output, "");
}

int main(int argc, char **argv) {
    dl_iterate_phdr(find_code, NULL);
    if (argc == 2 && strcmp(argv[1], "background") == 0) {
        return run_background_mode();
    }
    static const int restart = SA_RESTART, no_restart = 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(signals_in_the_middle_of_calls_change_nothing, (void *)&restart),
        cmocka_unit_test_prestate(signals_in_the_middle_of_calls_change_nothing,
                                  (void *)&no_restart),
        cmocka_unit_test(a_signal_after_each_instruction_changes_nothing),
        cmocka_unit_test(a_handler_of_a_raised_signal_may_allocate),
        cmocka_unit_test(a_handler_may_allocate_while_the_program_computes),
        cmocka_unit_test(a_handler_that_frees_keeps_errno),
        cmocka_unit_test(lines_are_whole_though_signals_interrupt_them),
        cmocka_unit_test(the_background_thread_takes_no_signals_of_the_program),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
