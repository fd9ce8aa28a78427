/* A histogram of whole numbers over many orders of magnitude, in the log-linear layout that
 * HdrHistogram documents (http://hdrhistogram.org, "two significant digits"): values below 256 have
 * a bucket each; above, each doubling is parted into 128 buckets of equal width, so that a value is
 * known to within 1/128 of it. */
#ifndef HKL_HISTOGRAM_H
#define HKL_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    HKL_HISTOGRAM_HALF_BITS = 7, /* 128 buckets for a doubling */
    HKL_HISTOGRAM_MAX_BITS = 44, /* larger values count as the largest: an hour in ticks of a ns */
    HKL_HISTOGRAM_BUCKETS = (HKL_HISTOGRAM_MAX_BITS - HKL_HISTOGRAM_HALF_BITS + 1)
                            << HKL_HISTOGRAM_HALF_BITS,
};

struct hkl_histogram {
    _Atomic uint64_t counts[HKL_HISTOGRAM_BUCKETS];
    _Atomic uint64_t max; /* exact */
};

/* Adds one value. Any thread, at any time. */
void hkl_histogram_add(struct hkl_histogram *histogram, uint64_t value);

/* Number of values. */
uint64_t hkl_histogram_count(const struct hkl_histogram *histogram);

/* The largest value that falls into bucket `index`. */
uint64_t hkl_histogram_top(size_t index);

/* The least value, to within its bucket's width, that at least `share` (0 .. 1) of all values do
 * not exceed; never above the maximum. 0 of an empty histogram. */
uint64_t hkl_histogram_quantile(const struct hkl_histogram *histogram, double share);

#endif
