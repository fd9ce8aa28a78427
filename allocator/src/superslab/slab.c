/* See slab.h. */
#include "superslab/slab.h"

size_t hkm_slab_take(struct hkm_slab *slab, void **out, size_t want, bool *zero) {
    size_t n = 0;
    *zero = false;
    const unsigned words = hkm_slab_words(slab);
    for (unsigned w = 0; w < words && n < want; w++) {
        uint64_t bits = atomic_load_explicit(&slab->free[w], memory_order_relaxed);
        if (bits == 0) {
            continue;
        }
        const uint64_t before = bits;
        while (bits != 0 && n < want) {
            const unsigned bit = (unsigned)__builtin_ctzll(bits);
            out[n++] = slab->base + (size_t)(w * 64 + bit) * slab->block_size;
            bits &= bits - 1;
        }
        const uint64_t taken = before ^ bits;
        atomic_fetch_and_explicit(&slab->free[w], ~taken, memory_order_acquire);
        if (slab->virgin != 0) { /* this is its only word */
            *zero = (slab->virgin & taken & -taken) != 0;
            slab->virgin &= ~taken;
        }
    }
    return n;
}

bool hkm_slab_change(struct hkm_slab *slab, uint64_t *control, enum hkm_slab_state to) {
    uint64_t expected = *control;
    const uint64_t next = hkm_control_with(expected, to);
    if (!atomic_compare_exchange_strong(&slab->control, &expected, next)) {
        return false;
    }
    *control = next;
    return true;
}

bool hkm_slab_has_free(struct hkm_slab *slab, unsigned capacity) {
    for (unsigned w = 0; w * 64 < capacity; w++) {
        if (atomic_load(&slab->free[w]) != 0) {
            return true;
        }
    }
    return false;
}

bool hkm_slab_all_free(struct hkm_slab *slab, unsigned capacity) {
    for (unsigned w = 0; w * 64 < capacity; w++) {
        if (atomic_load(&slab->free[w]) != hkm_slab_full_word(capacity, w)) {
            return false;
        }
    }
    return true;
}

bool hkm_slab_release_full(struct hkm_slab *slab) {
    /* read while it is ours: afterwards it may be retired and get another class */
    const unsigned capacity = slab->capacity;
    uint64_t control = atomic_load_explicit(&slab->control, memory_order_relaxed);
    hkm_slab_change(slab, &control, HKM_SLAB_FULL); /* nobody else moves an OWNED slab */
    /* A giver sets bits, then reads the state; we set the state, then read the bits. One of us sees
     * the other; when both do, the exchange decides who takes the slab. */
    return !(hkm_slab_has_free(slab, capacity) && hkm_slab_change(slab, &control, HKM_SLAB_OWNED));
}

enum hkm_given hkm_slab_give(struct hkm_slab *slab, unsigned word, uint64_t mask, uint64_t *control,
                             uint64_t *twice) {
    /* Read while a block of ours still keeps the slab from retiring. */
    const unsigned capacity = slab->capacity;
    const uint64_t before = atomic_load_explicit(&slab->control, memory_order_relaxed);
    const uint64_t old = atomic_fetch_or(&slab->free[word], mask);
    *twice = old & mask;
    *control = atomic_load(&slab->control);
    if ((*control & HKM_GENERATION_MASK) != (before & HKM_GENERATION_MASK)) {
        return HKM_GIVEN; /* retired by whoever gave at the same time, and in its next life */
    }
    if (hkm_control_state(*control) == HKM_SLAB_FULL) {
        return HKM_GIVEN_TO_FULL;
    }
    /* Of those who fill the last words at the same time, at least one sees all of them full. */
    const bool word_is_full = (old | mask) == hkm_slab_full_word(capacity, word);
    return word_is_full && hkm_slab_all_free(slab, capacity) ? HKM_GIVEN_LAST : HKM_GIVEN;
}
