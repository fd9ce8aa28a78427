/*
 * Safe free: what is no block of ours is told apart from our own metadata, whatever address it is,
 * and what then happens is as HAKMEM_ON_ERROR says. Each misuse is done in a child, this program
 * run again.
 */
#define _GNU_SOURCE
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char in_static_data[64];

/* Ways to come by a pointer that may not be freed. */
static char *of_static_data(void) {
    return in_static_data + 16;
}
static char *of_code(void) {
    return (char *)(uintptr_t)of_static_data;
}
static char *of_stack(void) {
    return __builtin_frame_address(0);
}
static char *of_program_s_mapping(void) {
    return mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static char *of_unreadable_memory(void) {
    return mmap(NULL, 8 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static char *of_unmapped_memory(void) {
    char *address = of_unreadable_memory();
    munmap(address, 8 * MIB);
    return address;
}
static char *of_first_page(void) {
    return (char *)8;
}
static char *of_non_canonical_address(void) {
    return (char *)((uintptr_t)1 << 52);
}
static char *of_kernel(void) {
    return (char *)(UINTPTR_MAX - 4095);
}
static char *of_last_byte(void) {
    return (char *)UINTPTR_MAX;
}

static char *freed(size_t size) {
    char *block = malloc(size);
    free(block);
    return block;
}
static char *freed_small(void) {
    return freed(100);
}
static char *freed_middle(void) {
    return freed(20000);
}
static char *freed_large(void) {
    return freed(3 * MIB);
}
static char *freed_long_ago(void) {
    static char *blocks[20000];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = malloc(100);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        free(blocks[i]);
    }
    return blocks[5000];
}
static char *inside(size_t size, size_t offset) {
    char *block = malloc(size);
    return block + offset;
}
static char *inside_smallest(void) {
    return inside(16, 8);
}
static char *inside_small(void) {
    return inside(100, 16);
}
static char *one_into_small(void) {
    return inside(100, 1);
}
static char *inside_middle(void) {
    return inside(20000, 4096);
}
static char *eight_into_middle(void) {
    return inside(20000, 8);
}
static char *inside_large(void) {
    return inside(3 * MIB, 2 * MIB);
}
static char *eight_into_large(void) {
    return inside(3 * MIB, 8);
}

static const struct misuse {
    const char *name;
    char *(*pointer)(void);
} misuses[] = {
    {"static data", of_static_data},
    {"code", of_code},
    {"the stack", of_stack},
    {"the program's own mapping", of_program_s_mapping},
    {"unreadable memory", of_unreadable_memory},
    {"unmapped memory", of_unmapped_memory},
    {"the first page", of_first_page},
    {"a non-canonical address", of_non_canonical_address},
    {"the kernel's half", of_kernel},
    {"the last byte", of_last_byte},
    {"a freed small block", freed_small},
    {"a freed middle block", freed_middle},
    {"a freed large block", freed_large},
    {"a block freed long ago", freed_long_ago},
    {"the middle of the smallest block", inside_smallest},
    {"the middle of a small block", inside_small},
    {"the second byte of a small block", one_into_small},
    {"the middle of a middle block", inside_middle},
    {"the ninth byte of a middle block", eight_into_middle},
    {"the middle of a large block", inside_large},
    {"the ninth byte of a large block", eight_into_large},
};

/* Whether the allocator still gives out blocks that are apart from each other. */
static int still_works(void) {
    static char *blocks[4000];
    int good = 1;
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = malloc(i % 100 ? i % 300 : 30000);
        fill(blocks[i], i % 100 ? i % 300 : 30000, i);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        size_t size = i % 100 ? i % 300 : 30000;
        good &= first_difference(blocks[i], size, i) == size;
        free(blocks[i]);
    }
    return good;
}

static void say(const char *text) {
    assert_true(write(STDOUT_FILENO, text, strlen(text)) > 0);
}

/* The child: 'free N' or 'realloc N' does misuse N, then says whether all still works. */
static int do_misuse(const char *mode) {
    const struct misuse *misuse = &misuses[strtoul(strchr(mode, ' '), NULL, 10)];
    char *volatile pointer = misuse->pointer();
    if (mode[0] == 'f') {
        free(pointer);
    } else {
        pointer = realloc(pointer, 200);
    }
    say(still_works() ? "works\n" : "broken\n");
    return 0;
}

static int run_misuse(const char *function, size_t n, const char *on_error, char *output,
                      size_t size) {
    char mode[64];
    snprintf(mode, sizeof mode, "%s %zu", function, n);
    if (on_error != NULL) {
        setenv("HAKMEM_ON_ERROR", on_error, 1);
    }
    int status = run_self(mode, output, size);
    unsetenv("HAKMEM_ON_ERROR");
    return status;
}

static char output[4096];

/* All misuses are tried before the test fails, and each that goes wrong is told. */
static void expect_of_all(const char *function, const char *on_error, int status, const char *begin,
                          const char *last_line) {
    size_t wrong = 0;
    for (size_t n = 0; n < COUNT_OF(misuses); n++) {
        int got = run_misuse(function, n, on_error, output, sizeof output);
        char *first_end = strchr(output, '\n');
        int one_line_said = strncmp(output, begin, strlen(begin)) == 0 && first_end != NULL;
        const char *rest = begin[0] == '\0' ? output : one_line_said ? first_end + 1 : "";
        if (got != status || !one_line_said || strcmp(rest, last_line) != 0) {
            print_message("%s of %s: wait status %#x, output:\n%s\n", function, misuses[n].name,
                          (unsigned)got, output);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void free_aborts_with_a_line_by_default(void **state) {
    (void)state;
    expect_of_all("free", NULL, SIGABRT, "hakmem: free(0x", "");
}

static void realloc_aborts_with_a_line_by_default(void **state) {
    (void)state;
    expect_of_all("realloc", NULL, SIGABRT, "hakmem: realloc(0x", "");
}

static void free_reports_and_goes_on_when_told(void **state) {
    (void)state;
    expect_of_all("free", "report", 0, "hakmem: free(0x", "works\n");
}

static void realloc_reports_and_goes_on_when_told(void **state) {
    (void)state;
    expect_of_all("realloc", "report", 0, "hakmem: realloc(0x", "works\n");
}

static void free_ignores_when_told(void **state) {
    (void)state;
    expect_of_all("free", "ignore", 0, "", "works\n");
}

static void an_unknown_setting_is_told_and_the_default_used(void **state) {
    (void)state;
    int status = run_misuse("free", 0, "perhaps", output, sizeof output);
    assert_int_equal(status, SIGABRT);
    assert_non_null(strstr(output, "HAKMEM_ON_ERROR=perhaps"));
    assert_non_null(strstr(output, "hakmem: free(0x"));
}

int main(int argc, char **argv) {
    if (argc == 2) {
        return do_misuse(argv[1]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_aborts_with_a_line_by_default),
        cmocka_unit_test(realloc_aborts_with_a_line_by_default),
        cmocka_unit_test(free_reports_and_goes_on_when_told),
        cmocka_unit_test(realloc_reports_and_goes_on_when_told),
        cmocka_unit_test(free_ignores_when_told),
        cmocka_unit_test(an_unknown_setting_is_told_and_the_default_used),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
