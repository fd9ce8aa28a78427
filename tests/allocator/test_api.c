/*
 * Conformance of the standard names: results, errno, overflow, alignment, usable size. Built three
 * ways (linked with the library, linked statically, preloaded), so it calls nothing but the
 * standard names.
 */
#define _GNU_SOURCE
#include "support.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Sizes that no allocator can serve. volatile: the compiler knows their like and warns. */
static const volatile size_t impossible[] = {
    (size_t)PTRDIFF_MAX + 1,
    (size_t)PTRDIFF_MAX + 4096,
    SIZE_MAX - 65536,
    SIZE_MAX - 4096,
    SIZE_MAX - 4095,
    SIZE_MAX - 64,
    SIZE_MAX - 15,
    SIZE_MAX - 1,
    SIZE_MAX,
};

static void zero_size_gives_unique_blocks_that_can_be_freed(void **state) {
    (void)state;
    void *blocks[1000];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = i % 2 ? malloc(0) : calloc(i, 0);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 8, 0);
        for (size_t k = 0; k < i; k++) {
            assert_ptr_not_equal(blocks[i], blocks[k]);
        }
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        free(blocks[i]);
    }
}

static void impossible_sizes_give_null_and_enomem(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(impossible); i++) {
        size_t size = impossible[i];
        void *out = &out;
#define ASSERT_NO_MEMORY(call)                                                                     \
    do {                                                                                           \
        errno = 0;                                                                                 \
        assert_null(call);                                                                         \
        assert_int_equal(errno, ENOMEM);                                                           \
    } while (0)
        ASSERT_NO_MEMORY(malloc(size));
        ASSERT_NO_MEMORY(calloc(1, size));
        ASSERT_NO_MEMORY(calloc(size, 1));
        ASSERT_NO_MEMORY(realloc(NULL, size));
        ASSERT_NO_MEMORY(reallocarray(NULL, size, 1));
        ASSERT_NO_MEMORY(aligned_alloc(16, size));
        ASSERT_NO_MEMORY(aligned_alloc(65536, size));
        ASSERT_NO_MEMORY(memalign(64, size));
        ASSERT_NO_MEMORY(valloc(size));
        ASSERT_NO_MEMORY(pvalloc(size));
        assert_int_equal(posix_memalign(&out, 64, size), ENOMEM);
        assert_ptr_equal(out, &out);
    }
}

static void products_that_overflow_give_null_and_enomem(void **state) {
    (void)state;
    static const volatile size_t factors[][2] = {
        {SIZE_MAX, 2},           {2, SIZE_MAX},
        {SIZE_MAX / 2, 3},       {(size_t)1 << 32, (size_t)1 << 32},
        {SIZE_MAX / 8 + 1, 8},   {SIZE_MAX, SIZE_MAX},
        {16, SIZE_MAX / 16 + 1},
    };
    /* volatile: the compiler takes every reallocarray for one that frees. */
    char *volatile block = malloc(100);
    fill(block, 100, 1);
    for (size_t i = 0; i < COUNT_OF(factors); i++) {
        ASSERT_NO_MEMORY(calloc(factors[i][0], factors[i][1]));
        ASSERT_NO_MEMORY(reallocarray(NULL, factors[i][0], factors[i][1]));
        ASSERT_NO_MEMORY(reallocarray(block, factors[i][0], factors[i][1]));
        assert_int_equal(first_difference(block, 100, 1), 100);
    }
    free(block);
}

static void a_failed_realloc_leaves_the_block_alone(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 100, 2000, 40000, 500000, 3 * MIB};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *block = malloc(sizes[i]);
        fill(block, sizes[i], i);
        for (size_t k = 0; k < COUNT_OF(impossible); k++) {
            ASSERT_NO_MEMORY(realloc(block, impossible[k]));
            assert_int_equal(first_difference(block, sizes[i], i), sizes[i]);
        }
        free(block);
    }
}

static void reallocarray_resizes(void **state) {
    (void)state;
    char *block = reallocarray(NULL, 10, 10);
    fill(block, 100, 1);
    block = reallocarray(block, 1000, 100);
    assert_non_null(block);
    assert_int_equal(first_difference(block, 100, 1), 100);
    fill(block, 100000, 2);
    block = reallocarray(block, 7, 11);
    assert_int_equal(first_difference(block, 77, 2), 77);
    free(block);
}

static void realloc_to_zero_frees(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 64, 1000, 5000, 100000, 4 * MIB};
    volatile size_t zero = 0;
    /* The 166 blocks of 4 MiB would show, were they not freed. */
    size_t before = resident_kib();
    for (size_t round = 0; round < 1000; round++) {
        size_t size = sizes[round % COUNT_OF(sizes)];
        char *block = malloc(size);
        memset(block, 1, size);
        assert_null(realloc(block, zero));
    }
    assert_true(resident_kib() < before + 128 * KIB);
}

static void realloc_of_null_allocates(void **state) {
    (void)state;
    char *block = realloc(NULL, 77);
    assert_non_null(block);
    fill(block, 77, 1);
    free(block);
    volatile size_t zero = 0;
    block = realloc(NULL, zero);
    assert_non_null(block);
    free(block);
}

static void free_keeps_errno(void **state) {
    (void)state;
    errno = 4711;
    free(NULL);
    assert_int_equal(errno, 4711);
    /* Many of each size, so that what free does only now and then is done too. */
    static void *blocks[64];
    for (size_t size = 1; size <= 64 * MIB; size = size * 2 + 1) {
        size_t count = size > MIB ? 4 : COUNT_OF(blocks);
        for (size_t i = 0; i < count; i++) {
            blocks[i] = malloc(size);
            assert_non_null(blocks[i]);
        }
        for (size_t i = 0; i < count; i++) {
            errno = 4711;
            free(blocks[i]);
            assert_int_equal(errno, 4711);
        }
    }
}

static void aligned_blocks_are_aligned_whole_and_freeable(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 8, 17, 100, 1024, 5000, 70000, 300000, 3 * MIB};
    for (size_t alignment = sizeof(void *); alignment <= 4 * MIB; alignment *= 2) {
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            void *blocks[9];
            for (size_t k = 0; k < COUNT_OF(blocks); k++) {
                if (k % 3 == 0) {
                    errno = 4711;
                    assert_int_equal(posix_memalign(&blocks[k], alignment, sizes[i]), 0);
                    assert_int_equal(errno, 4711);
                } else {
                    blocks[k] = k % 3 == 1 ? aligned_alloc(alignment, sizes[i])
                                           : memalign(alignment, sizes[i]);
                }
                assert_non_null(blocks[k]);
                assert_int_equal((uintptr_t)blocks[k] % alignment, 0);
                assert_true(malloc_usable_size(blocks[k]) >= sizes[i]);
                fill(blocks[k], sizes[i], k);
            }
            for (size_t k = 0; k < COUNT_OF(blocks); k++) {
                assert_int_equal(first_difference(blocks[k], sizes[i], k), sizes[i]);
                free(blocks[k]);
            }
        }
    }
}

static void aligned_blocks_can_be_reallocated(void **state) {
    (void)state;
    for (size_t alignment = 16; alignment <= 4 * MIB; alignment *= 4) {
        for (size_t size = 10; size < 200000; size = size * 3 + 1) {
            char *block = aligned_alloc(alignment, size);
            fill(block, size, alignment);
            block = realloc(block, size * 2);
            assert_non_null(block);
            assert_int_equal(first_difference(block, size, alignment), size);
            block = realloc(block, size / 2);
            assert_int_equal(first_difference(block, size / 2, alignment), size / 2);
            free(block);
        }
    }
}

static void alignments_of_one_to_four_are_served(void **state) {
    (void)state;
    for (size_t alignment = 1; alignment <= 4; alignment *= 2) {
        char *block = aligned_alloc(alignment, 100);
        assert_non_null(block);
        free(block);
        block = memalign(alignment, 100);
        assert_non_null(block);
        free(block);
    }
}

static void bad_alignments_are_refused(void **state) {
    (void)state;
    static const volatile size_t not_powers[] = {0, 3, 24, 48, 100, 4095, 65537, 3 * MIB, SIZE_MAX};
    for (size_t i = 0; i < COUNT_OF(not_powers); i++) {
        errno = 0;
        assert_null(aligned_alloc(not_powers[i], 64));
        assert_int_equal(errno, EINVAL);

        void *out = &out;
        errno = 4711;
        assert_int_equal(posix_memalign(&out, not_powers[i], 64), EINVAL);
        assert_ptr_equal(out, &out);
        assert_int_equal(errno, 4711);
    }
    /* Powers of two, but no multiples of sizeof(void *). */
    for (size_t alignment = 1; alignment < sizeof(void *); alignment *= 2) {
        void *out = &out;
        assert_int_equal(posix_memalign(&out, alignment, 64), EINVAL);
        assert_ptr_equal(out, &out);
    }
}

static void posix_memalign_without_memory_keeps_out_and_errno(void **state) {
    (void)state;
    static const volatile size_t alignments[] = {
        8, 64, 4096, 4 * MIB, (size_t)1 << 62, (size_t)1 << 63};
    for (size_t i = 0; i < COUNT_OF(alignments); i++) {
        for (size_t k = 0; k < COUNT_OF(impossible); k++) {
            void *out = &out;
            errno = 4711;
            assert_int_equal(posix_memalign(&out, alignments[i], impossible[k]), ENOMEM);
            assert_ptr_equal(out, &out);
            assert_int_equal(errno, 4711);
        }
    }
    ASSERT_NO_MEMORY(aligned_alloc(alignments[4], 64));
    ASSERT_NO_MEMORY(aligned_alloc(alignments[5], 64));
}

static void valloc_and_pvalloc_give_pages(void **state) {
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    static const size_t sizes[] = {1, 100, 4095, 4096, 4097, 70000, 3 * MIB + 1};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *block = valloc(sizes[i]);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % page, 0);
        fill(block, sizes[i], i);
        char *pages = pvalloc(sizes[i]);
        assert_non_null(pages);
        assert_int_equal((uintptr_t)pages % page, 0);
        size_t whole = (sizes[i] + page - 1) / page * page;
        assert_true(malloc_usable_size(pages) >= whole);
        fill(pages, whole, i + 1);
        assert_int_equal(first_difference(block, sizes[i], i), sizes[i]);
        free(block);
        free(pages);
    }
    char *block = valloc(0);
    assert_non_null(block);
    free(block);
    block = pvalloc(0);
    assert_non_null(block);
    free(block);
}

static void every_usable_byte_is_the_block_s_own(void **state) {
    (void)state;
    assert_int_equal(malloc_usable_size(NULL), 0);
    static char *blocks[8];
    for (size_t size = 0; size < 40 * MIB; size += size < 2000 ? 1 : size / 5) {
        size_t usable[COUNT_OF(blocks)];
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            blocks[i] = malloc(size);
            assert_non_null(blocks[i]);
            usable[i] = malloc_usable_size(blocks[i]);
            assert_true(usable[i] >= size);
            if (size < MIB) {
                fill(blocks[i], usable[i], i);
            } else {
                blocks[i][0] = blocks[i][usable[i] - 1] = (char)i;
            }
        }
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            if (size < MIB) {
                assert_int_equal(first_difference(blocks[i], usable[i], i), usable[i]);
            } else {
                assert_int_equal(blocks[i][0], i);
                assert_int_equal(blocks[i][usable[i] - 1], i);
            }
            free(blocks[i]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_size_gives_unique_blocks_that_can_be_freed),
        cmocka_unit_test(impossible_sizes_give_null_and_enomem),
        cmocka_unit_test(products_that_overflow_give_null_and_enomem),
        cmocka_unit_test(a_failed_realloc_leaves_the_block_alone),
        cmocka_unit_test(reallocarray_resizes),
        cmocka_unit_test(realloc_to_zero_frees),
        cmocka_unit_test(realloc_of_null_allocates),
        cmocka_unit_test(free_keeps_errno),
        cmocka_unit_test(aligned_blocks_are_aligned_whole_and_freeable),
        cmocka_unit_test(aligned_blocks_can_be_reallocated),
        cmocka_unit_test(alignments_of_one_to_four_are_served),
        cmocka_unit_test(bad_alignments_are_refused),
        cmocka_unit_test(posix_memalign_without_memory_keeps_out_and_errno),
        cmocka_unit_test(valloc_and_pvalloc_give_pages),
        cmocka_unit_test(every_usable_byte_is_the_block_s_own),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
