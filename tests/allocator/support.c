/* See support.h. Nothing here allocates, so that it may be called at any moment. */
#define _GNU_SOURCE
#include "support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int require_hakmem(void **state) {
    (void)state;
    Dl_info provider;
    void *symbol = dlsym(RTLD_DEFAULT, "malloc");
    if (symbol == NULL || dladdr(symbol, &provider) == 0) {
        return -1;
    }
    if (strstr(provider.dli_fname, "libc.so") != NULL) {
        print_error("malloc is that of %s\n", provider.dli_fname);
        return -1;
    }
    free(malloc(1)); /* so that this thread has a heap, also where the C library uses another */
    return 0;
}

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* Built in, as the tests are built with -fno-builtin: not a call for each word. */
void fill(void *block, size_t size, uint64_t seed) {
    unsigned char *bytes = block;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word = mix(seed + i);
        __builtin_memcpy(bytes + i, &word, 8);
    }
    uint64_t word = mix(seed + i);
    memcpy(bytes + i, &word, size - i);
}

size_t first_difference(const void *block, size_t size, uint64_t seed) {
    const unsigned char *bytes = block;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word;
        __builtin_memcpy(&word, bytes + i, 8);
        if (word != mix(seed + i)) {
            break;
        }
    }
    uint64_t word = mix(seed + i);
    const unsigned char *expected = (const unsigned char *)&word;
    for (size_t k = 0; i + k < size && k < 8; k++) {
        if (bytes[i + k] != expected[k]) {
            return i + k;
        }
    }
    return size;
}

int is_zero(const void *block, size_t size) {
    const unsigned char *bytes = block;
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

int is_well_aligned(const void *block, size_t size) {
    return (uintptr_t)block % (size <= 8 ? 8 : 16) == 0;
}

uint64_t next_random(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    return mix(*state);
}

size_t random_size(uint64_t *state, size_t low, size_t high) {
    unsigned octaves = 1;
    while (octaves < 63 && (low + 1) << octaves <= high) {
        octaves++;
    }
    size_t top = (low + 1) << (next_random(state) % octaves + 1);
    size_t size = low + next_random(state) % (top - low);
    return size > high ? high : size;
}

uint64_t test_seed(void) {
    const char *given = getenv("HAKMEM_TEST_SEED");
    uint64_t seed;
    if (given != NULL) {
        seed = strtoull(given, NULL, 0);
    } else {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = mix((uint64_t)now.tv_nsec + (uint64_t)now.tv_sec) & 0xffffffffu;
    }
    print_message("HAKMEM_TEST_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

size_t fewer(size_t operations) {
    const char *text = getenv("HAKMEM_TEST_FEWER");
    const size_t divisor = text != NULL ? strtoul(text, NULL, 10) : 1;
    return divisor > 0 && operations > divisor ? operations / divisor : 1;
}

size_t resident_kib(void) {
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
#ifdef TESTS_ALLOCATOR_PREFIXED_H
    return 0; /* most of it is the sanitizer's own: such a build does not judge memory */
#endif
    char *end;
    strtoul(text, &end, 10);
    return strtoul(end, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) / KIB;
}

size_t count_mappings(void) {
    static char text[65536];
    size_t lines = 0;
    ssize_t n;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    while ((n = read(fd, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            lines += text[i] == '\n';
        }
    }
    close(fd);
#ifdef TESTS_ALLOCATOR_PREFIXED_H
    return 0; /* likewise */
#endif
    return lines;
}

const char *emulator(void) {
    return getenv("HAKMEM_TEST_UNDER");
}

void skip_under_emulator(void) {
    if (emulator() != NULL) {
        skip();
    }
}

/* Becomes 'program mode'. Where there is an emulator, /proc/self/exe is it to the kernel, the
 * program to us. */
_Noreturn static void run_again(const char *mode) {
    char program[4096] = "";
    if (emulator() == NULL) {
        execl("/proc/self/exe", "test", mode, (char *)NULL);
    } else if (readlink("/proc/self/exe", program, sizeof program - 1) > 0) {
        execlp(emulator(), emulator(), program, mode, (char *)NULL);
    }
    _exit(127);
}

/* What qemu says of a program that a signal ends, the kernel does not. */
static void cut_emulator_s_line(char *output) {
    char *line = strstr(output, "qemu: uncaught target signal");
    if (emulator() != NULL && line != NULL) {
        *line = '\0';
    }
}

int run_self(const char *mode, char *output, size_t size) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
#ifdef TESTS_ALLOCATOR_PREFIXED_H
        alarm(120); /* sanitizers are slow */
#else
        alarm(emulator() == NULL ? 10 : 120);
#endif
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}); /* one that aborts leaves no core behind */
        run_again(mode);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t n;
    while (length + 1 < size && (n = read(ends[0], output + length, size - 1 - length)) > 0) {
        length += (size_t)n;
    }
    output[length] = '\0';
    cut_emulator_s_line(output);
    close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}
