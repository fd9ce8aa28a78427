/* Bucket arithmetic. Half of the buckets of each doubling but the first would repeat those of the
 * doubling before, and are left out. */
#include "harness/histogram.h"

#include <math.h>
#include <stdatomic.h>

enum { HALF = 1 << HKL_HISTOGRAM_HALF_BITS, MASK = 2 * HALF - 1 };

static size_t bucket_of(uint64_t value) {
    const uint64_t largest = (UINT64_C(1) << HKL_HISTOGRAM_MAX_BITS) - 1;
    if (value > largest)
        value = largest;
    const unsigned doubling =
        63 - (unsigned)__builtin_clzll(value | MASK) - HKL_HISTOGRAM_HALF_BITS;
    return ((size_t)doubling << HKL_HISTOGRAM_HALF_BITS) + (size_t)(value >> doubling);
}

void hkl_histogram_add(struct hkl_histogram *histogram, uint64_t value) {
    atomic_fetch_add_explicit(&histogram->counts[bucket_of(value)], 1, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    while (value > max &&
           !atomic_compare_exchange_weak_explicit(&histogram->max, &max, value,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

uint64_t hkl_histogram_count(const struct hkl_histogram *histogram) {
    uint64_t count = 0;
    for (size_t i = 0; i < HKL_HISTOGRAM_BUCKETS; i++)
        count += histogram->counts[i];
    return count;
}

uint64_t hkl_histogram_top(size_t index) {
    if (index < 2 * HALF)
        return index;
    const unsigned doubling = (unsigned)(index >> HKL_HISTOGRAM_HALF_BITS) - 1;
    const uint64_t within = (index & (HALF - 1)) + HALF;
    return ((within + 1) << doubling) - 1;
}

uint64_t hkl_histogram_quantile(const struct hkl_histogram *histogram, double share) {
    const uint64_t count = hkl_histogram_count(histogram);
    const uint64_t wanted = (uint64_t)ceil(share * (double)count);
    uint64_t seen = 0;
    for (size_t i = 0; i < HKL_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen && seen >= wanted) {
            const uint64_t top = hkl_histogram_top(i);
            return top < histogram->max ? top : histogram->max;
        }
    }
    return histogram->max;
}
