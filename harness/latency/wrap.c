/* hkl-latency: times each call of malloc, calloc, realloc and free that the driver and its
 * scenarios make. The linker's --wrap leads the calls here; __real_malloc and the like are the
 * process's own allocator. Calls that other libraries make are neither timed nor slowed. */
#include "harness/latency.h"
#include "harness/ticks.h"

#include <stddef.h>

static struct hkl_latency recorded;
struct hkl_latency *const hkl_latency = &recorded;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

static void record(enum hkl_call call, uint64_t ticks) {
    if (recorded.recording)
        hkl_histogram_add(&recorded.calls[call], ticks);
}

void *__wrap_malloc(size_t size) {
    const uint64_t before = hkl_ticks_before(recorded.cycles);
    void *block = __real_malloc(size);
    record(HKL_MALLOC, hkl_ticks_after(recorded.cycles) - before);
    return block;
}

void *__wrap_calloc(size_t count, size_t size) {
    const uint64_t before = hkl_ticks_before(recorded.cycles);
    void *block = __real_calloc(count, size);
    record(HKL_CALLOC, hkl_ticks_after(recorded.cycles) - before);
    return block;
}

void *__wrap_realloc(void *block, size_t size) {
    const uint64_t before = hkl_ticks_before(recorded.cycles);
    void *moved = __real_realloc(block, size);
    record(HKL_REALLOC, hkl_ticks_after(recorded.cycles) - before);
    return moved;
}

void __wrap_free(void *block) {
    const uint64_t before = hkl_ticks_before(recorded.cycles);
    __real_free(block);
    record(HKL_FREE, hkl_ticks_after(recorded.cycles) - before);
}
