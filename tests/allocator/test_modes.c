/* Modes and settings: what a mode sets, and that single variables override it. Each case runs this
 * program again with an environment of its own and reads the settings that it prints at its end. */
#define _GNU_SOURCE
#include "support.h"

#include <stdlib.h>
#include <string.h>

static char output[65536];

/* The settings under HAKMEM_MODE=mode and one more variable, where given. */
static void settings_of(const char *mode, const char *name, const char *value) {
    setenv("HAKMEM_SETTINGS", "1", 1);
    setenv("HAKMEM_MODE", mode, 1);
    if (name != NULL) {
        setenv(name, value, 1);
    }
    assert_int_equal(run_self("nothing", output, sizeof output), 0);
    unsetenv("HAKMEM_SETTINGS");
    unsetenv("HAKMEM_MODE");
    if (name != NULL) {
        unsetenv(name);
    }
}

static void assert_set(const char *line) {
    if (strstr(output, line) == NULL) {
        fail_msg("%s is not in\n%s", line, output);
    }
}

static void balanced_is_the_default(void **state) {
    static char balanced[sizeof output];
    (void)state;
    settings_of("balanced", NULL, NULL);
    memcpy(balanced, output, sizeof output);
    assert_set("setting HAKMEM_MODE=balanced\n");
    assert_set("setting HAKMEM_WHALE_MAX_MB=64\n");
    setenv("HAKMEM_SETTINGS", "1", 1);
    assert_int_equal(run_self("nothing", output, sizeof output), 0);
    unsetenv("HAKMEM_SETTINGS");
    assert_string_equal(output, balanced);
}

static void each_mode_sets_its_presets(void **state) {
    (void)state;
    settings_of("minimal", NULL, NULL);
    assert_set("setting HAKMEM_MODE=minimal\n");
    assert_set("setting HAKMEM_WHALE_MAX_MB=0\n");
    assert_set("setting HAKMEM_REGION_PURGE=munmap\n");
    settings_of("fast", NULL, NULL);
    assert_set("setting HAKMEM_WHALE_MAX_MB=1024\n");
    assert_set("setting HAKMEM_SUPERSLAB_TTL_SEC=3600\n");
    settings_of("research", NULL, NULL);
    assert_set("setting HAKMEM_SITES=1\n");
    assert_set("large.alloc "); /* HAKMEM_STATS=1 */
}

static void a_variable_overrides_the_mode(void **state) {
    (void)state;
    settings_of("minimal", "HAKMEM_WHALE_MAX_MB", "17");
    assert_set("setting HAKMEM_WHALE_MAX_MB=17\n");
    assert_set("setting HAKMEM_WHALE_LEARN=0\n");
}

static void an_unknown_mode_is_one_line_and_the_default(void **state) {
    (void)state;
    settings_of("quick", NULL, NULL);
    const char *line = "hakmem: HAKMEM_MODE=quick: needs ";
    assert_int_equal(strncmp(output, line, strlen(line)), 0);
    assert_int_equal(strncmp(strchr(output, '\n') + 1, "setting ", 8), 0);
    assert_set("setting HAKMEM_MODE=balanced\n");
    assert_set("setting HAKMEM_WHALE_MAX_MB=64\n");
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc == 2) {
        free(malloc(1));
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(balanced_is_the_default),
        cmocka_unit_test(each_mode_sets_its_presets),
        cmocka_unit_test(a_variable_overrides_the_mode),
        cmocka_unit_test(an_unknown_mode_is_one_line_and_the_default),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
