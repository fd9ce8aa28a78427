/* Large blocks by call site: what two sites of this program did, and that more sites than the table
 * has places for are refused and counted. Only with HAKMEM_SITES=1, so the program runs itself. */
#define _GNU_SOURCE
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "hakmem.h"

enum { MOST = 256 };

static char output[65536];
static struct hak_policy_site sites[MOST];

static uint64_t ignored(void) {
    static uint64_t values[4096];
    size_t count = hak_stats_snapshot(values, COUNT_OF(values));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(hak_stats_name(i), "site.ignored") == 0) {
            return values[i];
        }
    }
    return 0;
}

__attribute__((noinline)) static void *allocate_here(size_t size) {
    void *volatile block = hak_malloc(size);
    return block;
}

/* Whether the table has a site with these figures. */
static int has(uint64_t allocations, uint64_t frees, uint64_t live, uint64_t peak) {
    size_t count = hak_policy_sites(sites, MOST);
    for (size_t i = 0; i < count; i++) {
        const struct hak_policy_site *site = &sites[i];
        if (site->allocations == allocations && site->frees == frees && site->live_bytes == live &&
            site->peak_bytes == peak) {
            return 1;
        }
    }
    return 0;
}

static int account(void) {
    void *blocks[3];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = allocate_here(4 * MIB);
    }
    hak_free(blocks[0]);
    hak_free(blocks[2]);
    void *volatile other = hak_malloc(16 * MIB);
    int good = has(3, 2, 4 * MIB, 12 * MIB) && has(1, 0, 16 * MIB, 16 * MIB);
    hak_free(blocks[1]);
    hak_free(other);
    good &= has(3, 3, 0, 12 * MIB) && has(1, 1, 0, 16 * MIB);
    return good && hak_policy_sites(NULL, 0) == 2 && ignored() == 0;
}

#define TEN(call)      call call call call call call call call call call
#define THOUSAND(call) TEN(TEN(TEN(call)))

/* A thousand call sites. */
static int overflow(void) {
    void *volatile block;
    THOUSAND(block = hak_malloc(2 * MIB); hak_free(block);)
    const size_t count = hak_policy_sites(sites, MOST);
    uint64_t events = ignored();
    for (size_t i = 0; i < count; i++) {
        events += sites[i].allocations + sites[i].frees;
        if (sites[i].allocations != sites[i].frees || sites[i].live_bytes != 0) {
            return 0;
        }
    }
    return count <= MOST && count > MOST / 2 && ignored() > 0 && events == 2 * 1000;
}

static void run(const char *mode) {
    setenv("HAKMEM_SITES", "1", 1);
    assert_int_equal(run_self(mode, output, sizeof output), 0);
    unsetenv("HAKMEM_SITES");
}

static void a_site_has_its_allocations_frees_and_bytes(void **state) {
    (void)state;
    run("account");
}

static void the_table_is_printed_at_the_end(void **state) {
    (void)state;
    run("account");
    assert_non_null(strstr(output, " allocations 3 frees 3 live_bytes 0 peak_bytes 12582912\n"));
    assert_non_null(strstr(output, " allocations 1 frees 1 live_bytes 0 peak_bytes 16777216\n"));
    assert_non_null(strstr(output, "sites ignored 0\n"));
}

static void the_table_is_bounded(void **state) {
    (void)state;
    run("overflow");
}

static void nothing_is_kept_unless_asked(void **state) {
    (void)state;
    hak_free(allocate_here(4 * MIB));
    assert_int_equal(hak_policy_sites(sites, MOST), 0);
}

int main(int argc, char **argv) {
    if (argc == 2) {
        return !(strcmp(argv[1], "account") == 0 ? account() : overflow());
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_has_its_allocations_frees_and_bytes),
        cmocka_unit_test(the_table_is_printed_at_the_end),
        cmocka_unit_test(the_table_is_bounded),
        cmocka_unit_test(nothing_is_kept_unless_asked),
    };
    return cmocka_run_group_tests(tests, require_hakmem, NULL);
}
