/* See parts.h. */
#define _GNU_SOURCE
#include "parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "hakmem.h"

/* Sets the part's settings for the child, or takes them back. */
static void change_environment(const char *settings, int set) {
    char text[512];
    char *rest = NULL;
    size_t length = strlen(settings);
    assert_true(length < sizeof text);
    memcpy(text, settings, length + 1);
    for (char *name = strtok_r(text, " ", &rest); name != NULL; name = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(name, '=');
        assert_non_null(value);
        *value++ = '\0';
        if (set) {
            setenv(name, value, 1);
        } else {
            unsetenv(name);
        }
    }
}

static void run_part(void **state) {
    const struct part *part = *state;
    static char output[16384];
    if (part->settings != NULL) {
        change_environment(part->settings, 1);
    }
    int status = run_self(part->name, output, sizeof output);
    if (part->settings != NULL) {
        change_environment(part->settings, 0);
    }
    if (status != 0) {
        fail_msg("wait status %#x, output:\n%s", (unsigned)status, output);
    }
    if (emulator() != NULL && strstr(output, "SKIP") != NULL) { /* cmocka's word, in every format */
        skip();
    }
}

int run_parts(int argc, char **argv, const struct part *parts, size_t count) {
    struct CMUnitTest tests[64];
    assert_true(count <= COUNT_OF(tests));
    for (size_t i = 0; i < count; i++) {
        tests[i] = (struct CMUnitTest){
            .name = parts[i].name, .test_func = run_part, .initial_state = (void *)&parts[i]};
        if (argc == 2 && strcmp(argv[1], parts[i].name) == 0) {
            tests[0] = (struct CMUnitTest){.name = parts[i].name, .test_func = parts[i].test};
            return _cmocka_run_group_tests(parts[i].name, tests, 1, require_hakmem, NULL);
        }
    }
    return argc > 1 ? 2 : _cmocka_run_group_tests("parts", tests, count, require_hakmem, NULL);
}

uint64_t stat_of(const char *name) {
    uint64_t values[256];
    size_t count = hak_stats_snapshot(values, COUNT_OF(values));
    assert_true(count <= COUNT_OF(values));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(hak_stats_name(i), name) == 0) {
            return values[i];
        }
    }
    fail_msg("there is no counter %s", name);
    return 0;
}

int is_mapped(const void *address) {
    unsigned char resident;
    return mincore((void *)((uintptr_t)address & ~(uintptr_t)4095), 1, &resident) == 0;
}

void sleep_ms(unsigned ms) {
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}
