/*
 * What the allocator's tests share: a check that hakmem is what answers, patterns that tell whose
 * bytes a block holds, random numbers, figures of the process, and a way to run this program again
 * as a child.
 */
#ifndef TESTS_ALLOCATOR_SUPPORT_H
#define TESTS_ALLOCATOR_SUPPORT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include <cmocka.h>

#define KIB             ((size_t)1024)
#define MIB             ((size_t)1024 * 1024)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* A group set-up that fails if malloc is the C library's: then the tests would judge the wrong
 * allocator. */
int require_hakmem(void **state);

/* Fills size bytes with a pattern of its own for each seed; byte i does not depend on size. */
void fill(void *block, size_t size, uint64_t seed);
/* Index of the first byte that fill() did not write so, or size when all are as written. */
size_t first_difference(const void *block, size_t size, uint64_t seed);
/* Whether size bytes are zero. */
int is_zero(const void *block, size_t size);
/* Whether the block is aligned as every block of its size must be: to 16, of 8 bytes and less to 8.
 */
int is_well_aligned(const void *block, size_t size);

/* The next number of a generator whose state is *state. */
uint64_t next_random(uint64_t *state);
/* A random size in [low, high], each order of magnitude as likely as another. */
size_t random_size(uint64_t *state, size_t low, size_t high);
/* The seed of this run: HAKMEM_TEST_SEED, or a new one. It is printed, so that a failure can be
 * repeated. */
uint64_t test_seed(void);
/* How many random operations to do instead of so many: the number divided by HAKMEM_TEST_FEWER, as
 * set where a sanitizer makes them slow. At least one. */
size_t fewer(size_t operations);

/* Resident memory of this process in KiB, and the number of its mappings. Neither allocates. */
size_t resident_kib(void);
size_t count_mappings(void);

/* The emulator that this program, built for another machine, runs under: HAKMEM_TEST_UNDER. NULL:
 * none. */
const char *emulator(void);
/* Ends a test that cannot be judged under an emulator as skipped; to be called first. */
void skip_under_emulator(void);

/* Runs this program again as 'program mode'; returns its wait status. output receives what it wrote
 * to standard output and error, as a string of at most size - 1 bytes. It is ended after ten
 * seconds, under an emulator after two minutes. */
int run_self(const char *mode, char *output, size_t size);

#ifdef __cplusplus
}
#endif

#endif
