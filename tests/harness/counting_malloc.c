/* A malloc for tests, to be preloaded: passes on to the C library, counts the calls, and offers the
 * counts as the statistics that the driver looks for. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);

enum { MALLOC, CALLOC, REALLOC, FREE, BYTES, LIVE, SNAPSHOTS, STATS };

static const char *const names[STATS] = {
    "calls.malloc", "calls.calloc", "calls.realloc", "calls.free", "bytes", "live", "snapshots",
};
static _Atomic uint64_t values[STATS];

void *malloc(size_t size) {
    values[MALLOC]++;
    values[BYTES] += size;
    values[LIVE]++;
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    values[CALLOC]++;
    values[LIVE]++;
    return __libc_calloc(n, size);
}

void *realloc(void *block, size_t size) {
    values[REALLOC]++;
    values[LIVE] += !block;
    return __libc_realloc(block, size);
}

void free(void *block) {
    if (!block)
        return;
    values[FREE]++;
    values[LIVE]--;
    __libc_free(block);
}

size_t hak_stats_count(void) {
    return STATS;
}

const char *hak_stats_name(size_t index) {
    return index < STATS ? names[index] : NULL;
}

int hak_stats_kind(size_t index) {
    return index == LIVE; /* the one gauge */
}

size_t hak_stats_snapshot(uint64_t *out, size_t n) {
    values[SNAPSHOTS]++;
    for (size_t i = 0; i < n && i < STATS; i++)
        out[i] = values[i];
    return STATS;
}
