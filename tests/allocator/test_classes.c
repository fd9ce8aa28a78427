/*
 * Size classes: what a block of every size up to 1 MiB may hold, how much of it is wasted at most,
 * and what the program is told of the classes.
 */
#include "support.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

#include "hakmem.h"

static size_t usable_for(size_t size) {
    void *block = malloc(size);
    assert_non_null(block);
    size_t usable = malloc_usable_size(block);
    free(block);
    return usable;
}

static void every_request_gets_enough_and_little_more(void **state) {
    (void)state;
    for (size_t size = 0; size <= MIB; size++) {
        size_t usable = usable_for(size);
        int good = usable >= size && usable % 16 == 0;
        if (size <= 256) {
            good &= usable == (size == 0 ? 16 : (size + 15) / 16 * 16);
        } else {
            good &= usable - size <= size / 4;
        }
        if (!good) {
            fail_msg("malloc(%zu) has %zu usable bytes", size, usable);
        }
    }
}

static void blocks_of_more_are_whole_pages(void **state) {
    (void)state;
    for (size_t size = MIB + 1; size < 64 * MIB; size += size / 13) {
        size_t usable = usable_for(size);
        assert_int_equal(usable % 4096, 0);
        assert_in_range(usable, size, size + size / 4);
    }
}

static void classes_ascend_and_end_at_a_mebibyte(void **state) {
    (void)state;
    unsigned count = hak_class_count();
    assert_int_equal(hak_class_size(1), 16);
    assert_int_equal(hak_class_size(count), MIB);
    for (unsigned cls = 2; cls <= count; cls++) {
        assert_true(hak_class_size(cls) > hak_class_size(cls - 1));
    }
    assert_int_equal(hak_class_size(0), 0);
    assert_int_equal(hak_class_size(count + 1), 0);
    assert_int_equal(hak_class_size(~0u), 0);
}

static void a_request_is_served_from_the_smallest_class_that_holds_it(void **state) {
    (void)state;
    size_t below = 0;
    for (unsigned cls = 1; cls <= hak_class_count(); cls++) {
        size_t size = hak_class_size(cls);
        assert_int_equal(usable_for(below + 1), size);
        assert_int_equal(usable_for(size), size);
        below = size;
    }
}

static void blocks_of_many_pages_begin_at_various_lines_of_a_page(void **state) {
    (void)state;
    enum { BLOCKS = 64 };
    for (size_t size = 32769; size <= MIB / 2; size *= 2) {
        void *blocks[BLOCKS];
        bool seen[4096] = {false};
        unsigned different = 0;
        for (size_t i = 0; i < BLOCKS; i++) {
            blocks[i] = malloc(size);
            assert_non_null(blocks[i]);
            const size_t in_page = (uintptr_t)blocks[i] % 4096;
            assert_int_not_equal(in_page, 0);
            assert_int_equal(in_page % 128, 0);
            different += !seen[in_page];
            seen[in_page] = true;
        }
        assert_in_range(different, 2, 4);
        for (size_t i = 0; i < BLOCKS; i++) {
            free(blocks[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_gets_enough_and_little_more),
        cmocka_unit_test(blocks_of_more_are_whole_pages),
        cmocka_unit_test(classes_ascend_and_end_at_a_mebibyte),
        cmocka_unit_test(a_request_is_served_from_the_smallest_class_that_holds_it),
        cmocka_unit_test(blocks_of_many_pages_begin_at_various_lines_of_a_page),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
