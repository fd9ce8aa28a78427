/* See range_set.h. */
#include "large/range_set.h"

/* Ranges of the request's own bin may be too small; at most this many are looked at before the next
 * bin. */
#define LOOK 16

static unsigned bin_of(size_t size) {
    const size_t pages = size >> 12;
    const unsigned log = 63u - (unsigned)__builtin_clzll(pages);
    const unsigned step =
        log >= 3 ? (unsigned)(pages >> (log - 3)) & 7u : (unsigned)(pages << (3 - log)) & 7u;
    const unsigned bin = log * 8 + step;
    return bin < HKM_RANGE_BINS ? bin : HKM_RANGE_BINS - 1;
}

static void insert(struct hkm_range_set *set, struct hkm_range *range) {
    const unsigned bin = bin_of(range->size);
    range->set = set;
    range->bin_prev = NULL;
    range->bin_next = set->bin[bin];
    if (set->bin[bin] != NULL) {
        set->bin[bin]->bin_prev = range;
    }
    set->bin[bin] = range;
    set->occupied[bin / 64] |= UINT64_C(1) << (bin % 64);
    range->newer = NULL;
    range->older = set->newest;
    *(set->newest != NULL ? &set->newest->newer : &set->oldest) = range;
    set->newest = range;
    set->bytes += range->size;
    set->count++;
}

void hkm_range_set_remove(struct hkm_range_set *set, struct hkm_range *range) {
    const unsigned bin = bin_of(range->size);
    *(range->bin_prev != NULL ? &range->bin_prev->bin_next : &set->bin[bin]) = range->bin_next;
    if (range->bin_next != NULL) {
        range->bin_next->bin_prev = range->bin_prev;
    }
    if (set->bin[bin] == NULL) {
        set->occupied[bin / 64] &= ~(UINT64_C(1) << (bin % 64));
    }
    *(range->newer != NULL ? &range->newer->older : &set->newest) = range->older;
    *(range->older != NULL ? &range->older->newer : &set->oldest) = range->newer;
    range->set = NULL;
    set->bytes -= range->size;
    set->count--;
}

void hkm_range_set_put(struct hkm_range_set *set, struct hkm_range *range, uint64_t now_ns) {
    struct hkm_range *before = hkm_range_before(range->base);
    struct hkm_range *after = hkm_range_at(range->base + range->size);
    if (before != NULL && before->set == set && !set->apart) {
        range->zero = range->zero && before->zero;
        hkm_range_set_remove(set, before);
        char *const base = before->base;
        const size_t size = before->size + range->size;
        hkm_range_delete(before);
        hkm_range_move(range, base, size);
    }
    if (after != NULL && after->set == set && !set->apart) {
        range->zero = range->zero && after->zero;
        hkm_range_set_remove(set, after);
        const size_t size = range->size + after->size;
        hkm_range_delete(after);
        hkm_range_move(range, range->base, size);
    }
    range->freed_ns = now_ns;
    insert(set, range);
}

struct hkm_range *hkm_range_set_find(const struct hkm_range_set *set, size_t size) {
    const unsigned own = bin_of(size);
    struct hkm_range *best = NULL;
    int looked = 0;
    for (struct hkm_range *range = set->bin[own]; range != NULL && looked < LOOK;
         range = range->bin_next, looked++) {
        if (range->size >= size && (best == NULL || range->size < best->size)) {
            best = range;
        }
    }
    if (best != NULL) {
        return best;
    }
    for (unsigned word = (own + 1) / 64; word < HKM_RANGE_BINS / 64; word++) {
        uint64_t bits = set->occupied[word];
        if (word == (own + 1) / 64) {
            bits &= ~UINT64_C(0) << ((own + 1) % 64);
        }
        if (bits != 0) {
            return set->bin[word * 64 + (unsigned)__builtin_ctzll(bits)];
        }
    }
    return NULL;
}

struct hkm_range *hkm_range_set_find_exact(const struct hkm_range_set *set, size_t size) {
    struct hkm_range *range = set->oldest;
    while (range != NULL && range->size != size) {
        range = range->newer;
    }
    return range;
}
