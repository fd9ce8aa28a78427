/*
 * The library loaded by dlopen into a process whose malloc is the C library's, as a language's
 * foreign function interface would: the hak_ names must work from every thread, next to the other
 * allocator.
 */
#define _GNU_SOURCE
#include "support.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

typedef void *allocate_function(size_t size);
typedef void free_function(void *block);

static allocate_function *hak_malloc_loaded;
static free_function *hak_free_loaded;

static void *allocate_and_free(void *argument) {
    char *blocks[300];
    size_t bad = 0;
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = hak_malloc_loaded(i * 37);
        char *other = malloc(i * 37);
        fill(blocks[i], i * 37, i);
        fill(other, i * 37, i + 1);
        bad += first_difference(blocks[i], i * 37, i) != i * 37;
        free(other);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        bad += first_difference(blocks[i], i * 37, i) != i * 37;
        hak_free_loaded(blocks[i]);
    }
    return bad == 0 ? argument : NULL;
}

static void a_loaded_library_serves_all_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    void *library = dlopen("libhakmem.so", RTLD_NOW);
    if (library == NULL) {
        fail_msg("%s", dlerror());
    }
    /* ISO C knows no way from an object pointer to a function; POSIX promises this one. */
    *(void **)&hak_malloc_loaded = dlsym(library, "hak_malloc");
    *(void **)&hak_free_loaded = dlsym(library, "hak_free");
    assert_non_null(hak_malloc_loaded);
    assert_non_null(hak_free_loaded);
    assert_non_null(allocate_and_free(library));
    for (size_t round = 0; round < 50; round++) {
        for (size_t i = 0; i < COUNT_OF(threads); i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, allocate_and_free, library), 0);
        }
        for (size_t i = 0; i < COUNT_OF(threads); i++) {
            void *result = NULL;
            pthread_join(threads[i], &result);
            assert_non_null(result);
        }
    }
    assert_int_equal(dlclose(library), 0);
    free(malloc(1000));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_library_serves_all_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
