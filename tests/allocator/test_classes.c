/*
 * Size classes: what a block of every size up to 1 MiB may hold, how much of it is wasted at most,
 * and what the program is told of the classes.
 */
#include "support.h"

#include <malloc.h>
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_gets_enough_and_little_more),
        cmocka_unit_test(blocks_of_more_are_whole_pages),
        cmocka_unit_test(classes_ascend_and_end_at_a_mebibyte),
        cmocka_unit_test(a_request_is_served_from_the_smallest_class_that_holds_it),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
