/*
 * Tests that each need a process, settings and counters of their own: every part is this program
 * run again, under its settings. Also the counters by name.
 */
#ifndef TESTS_ALLOCATOR_PARTS_H
#define TESTS_ALLOCATOR_PARTS_H

#include "support.h"

struct part {
    const char *name;
    const char *settings; /* "NAME=value NAME=value", or NULL */
    void (*test)(void **state);
};

#define PART(test, settings)                                                                       \
    { #test, settings, test }

/* What main returns: runs each part as a test in a child, or, in the child, the part that argv
 * names. */
int run_parts(int argc, char **argv, const struct part *parts, size_t count);

/* Value of a counter or gauge now; the test fails when there is none of that name. */
uint64_t stat_of(const char *name);

/* Whether the page at an address is mapped. */
int is_mapped(const void *address);

/* Sleeps; a signal does not shorten it. */
void sleep_ms(unsigned ms);

#endif
