/*
 * The hak_ names: the counters as a program sees them, and the allocation functions as the same
 * ones under other names.
 */
#define _GNU_SOURCE
#include "support.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hakmem.h"

enum { MOST = 4096 };

static uint64_t before[MOST];
static uint64_t after[MOST];

static void names_are_unique_and_well_formed(void **state) {
    (void)state;
    size_t count = hak_stats_count();
    assert_in_range(count, 1, MOST);
    for (size_t i = 0; i < count; i++) {
        const char *name = hak_stats_name(i);
        assert_non_null(name);
        assert_ptr_equal(name, hak_stats_name(i));
        assert_true(strlen(name) > 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_."), strlen(name));
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(name, hak_stats_name(k));
        }
    }
}

static void indices_out_of_range_are_harmless(void **state) {
    (void)state;
    size_t count = hak_stats_count();
    assert_null(hak_stats_name(count));
    assert_null(hak_stats_name(SIZE_MAX));
    assert_int_equal(hak_stats_kind(count), HAK_STAT_COUNTER);
    assert_int_equal(hak_stats_kind(SIZE_MAX), HAK_STAT_COUNTER);
    for (size_t i = 0; i < count; i++) {
        enum hak_stat_kind kind = hak_stats_kind(i);
        assert_true(kind == HAK_STAT_COUNTER || kind == HAK_STAT_GAUGE);
    }
}

static void a_snapshot_writes_no_more_than_asked(void **state) {
    (void)state;
    size_t count = hak_stats_count();
    assert_int_equal(hak_stats_snapshot(NULL, 0), count);
    for (size_t n = 0; n <= count + 1; n++) {
        memset(after, 0xa5, sizeof after);
        assert_int_equal(hak_stats_snapshot(after, n), count);
        size_t written = n < count ? n : count;
        for (size_t i = written; i < count + 2; i++) {
            assert_true(after[i] == 0xa5a5a5a5a5a5a5a5u);
        }
    }
}

static void *use_memory(void *argument) {
    uint64_t random = 1;
    char *blocks[500];
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            blocks[i] = malloc(random_size(&random, 1, i % 50 ? 4000 : 4 * MIB));
            blocks[i][0] = 1;
        }
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            free(blocks[i]);
        }
    }
    return argument;
}

static void counters_only_grow_and_outlive_their_threads(void **state) {
    (void)state;
    size_t count = hak_stats_count();
    size_t grown = 0;
    hak_stats_snapshot(before, MOST);
    for (size_t round = 0; round < 5; round++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, use_memory, NULL), 0);
        pthread_join(thread, NULL);
        hak_stats_snapshot(after, MOST);
        for (size_t i = 0; i < count; i++) {
            if (hak_stats_kind(i) == HAK_STAT_COUNTER) {
                if (after[i] < before[i]) {
                    fail_msg("%s fell from %llu to %llu", hak_stats_name(i),
                             (unsigned long long)before[i], (unsigned long long)after[i]);
                }
                grown += after[i] > before[i];
            }
        }
        memcpy(before, after, sizeof before);
    }
    assert_true(grown > 0);
}

static void gauges_are_levels_not_wrapped_differences(void **state) {
    (void)state;
    use_memory(NULL);
    size_t count = hak_stats_snapshot(after, MOST);
    for (size_t i = 0; i < count; i++) {
        if (hak_stats_kind(i) == HAK_STAT_GAUGE && after[i] > (uint64_t)1 << 48) {
            fail_msg("%s is %llu", hak_stats_name(i), (unsigned long long)after[i]);
        }
    }
}

static void a_snapshot_allocates_nothing(void **state) {
    (void)state;
    hak_stats_snapshot(before, MOST);
    for (size_t i = 0; i < 1000; i++) {
        hak_stats_snapshot(after, MOST);
    }
    assert_memory_equal(before, after, hak_stats_count() * sizeof before[0]);
}

static void the_printed_form_has_every_statistic(void **state) {
    (void)state;
    static char text[1 << 20];
    FILE *file = tmpfile();
    assert_non_null(file);
    hak_stats_print(fileno(file));
    rewind(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    char *line = text;
    for (size_t i = 0; i < hak_stats_count(); i++) {
        const char *name = hak_stats_name(i);
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        assert_int_equal(strncmp(line, name, strlen(name)), 0);
        char *value = line + strlen(name);
        assert_int_equal(*value, ' ');
        char *rest;
        strtoull(value + 1, &rest, 10);
        assert_true(rest > value + 1 && *rest == '\0');
        line = end + 1;
    }
    assert_int_equal(*line, '\0');
}

static void the_version_is_that_of_the_header(void **state) {
    (void)state;
    assert_string_equal(hak_version(), HAKMEM_VERSION);
}

static void hak_names_and_standard_names_share_their_blocks(void **state) {
    (void)state;
    for (size_t size = 1; size < 5 * MIB; size = size * 2 + 3) {
        char *block = hak_malloc(size);
        fill(block, size, 1);
        block = realloc(block, size + 10);
        assert_int_equal(first_difference(block, size, 1), size);
        assert_int_equal(hak_malloc_usable_size(block), malloc_usable_size(block));
        hak_free(block);
        block = malloc(size);
        fill(block, size, 2);
        block = hak_reallocarray(block, size, 2);
        assert_int_equal(first_difference(block, size, 2), size);
        block = hak_realloc(block, 1);
        free(block);
        block = hak_calloc(size, 1);
        assert_true(is_zero(block, size));
        free(block);
        block = hak_aligned_alloc(4096, size);
        assert_int_equal((uintptr_t)block % 4096, 0);
        free(block);
        void *out = NULL;
        assert_int_equal(hak_posix_memalign(&out, 128, size), 0);
        assert_int_equal((uintptr_t)out % 128, 0);
        free(out);
    }
}

static void hak_names_fail_as_the_standard_ones_do(void **state) {
    (void)state;
    volatile size_t half = SIZE_MAX / 2 + 1;
    void *out = &out;
#define ASSERT_ERRNO(call, error)                                                                  \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_null(call);                                                                         \
        assert_int_equal(errno, error);                                                            \
    } while (0)
    ASSERT_ERRNO(hak_malloc(half), ENOMEM);
    ASSERT_ERRNO(hak_calloc(half, 2), ENOMEM);
    ASSERT_ERRNO(hak_realloc(NULL, half), ENOMEM);
    ASSERT_ERRNO(hak_reallocarray(NULL, half, 2), ENOMEM);
    ASSERT_ERRNO(hak_aligned_alloc(64, half), ENOMEM);
    ASSERT_ERRNO(hak_aligned_alloc(48, 64), EINVAL);
    errno = 4711;
    assert_int_equal(hak_posix_memalign(&out, 48, 64), EINVAL);
    assert_int_equal(hak_posix_memalign(&out, 64, half), ENOMEM);
    assert_ptr_equal(out, &out);
    hak_free(NULL);
    assert_int_equal(errno, 4711);
    assert_int_equal(hak_malloc_usable_size(NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_unique_and_well_formed),
        cmocka_unit_test(indices_out_of_range_are_harmless),
        cmocka_unit_test(a_snapshot_writes_no_more_than_asked),
        cmocka_unit_test(counters_only_grow_and_outlive_their_threads),
        cmocka_unit_test(gauges_are_levels_not_wrapped_differences),
        cmocka_unit_test(a_snapshot_allocates_nothing),
        cmocka_unit_test(the_printed_form_has_every_statistic),
        cmocka_unit_test(the_version_is_that_of_the_header),
        cmocka_unit_test(hak_names_and_standard_names_share_their_blocks),
        cmocka_unit_test(hak_names_fail_as_the_standard_ones_do),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
