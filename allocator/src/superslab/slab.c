/* See slab.h. */
#include "superslab/slab.h"

static unsigned words_of(const struct hkm_slab *slab) {
    return (slab->capacity + 63u) / 64u;
}

size_t hkm_slab_take(struct hkm_slab *slab, void **out, size_t want) {
    size_t n = 0;
    const unsigned words = words_of(slab);
    for (unsigned w = 0; w < words && n < want; w++) {
        uint64_t bits = atomic_load_explicit(&slab->free[w], memory_order_relaxed);
        if (bits == 0) {
            continue;
        }
        uint64_t taken = 0;
        while (bits != 0 && n < want) {
            const unsigned bit = (unsigned)__builtin_ctzll(bits);
            out[n++] = slab->base + (size_t)(w * 64 + bit) * slab->block_size;
            taken |= bits & -bits;
            bits &= bits - 1;
        }
        atomic_fetch_and_explicit(&slab->free[w], ~taken, memory_order_acquire);
    }
    atomic_fetch_sub_explicit(&slab->control, n, memory_order_relaxed);
    return n;
}

bool hkm_slab_change(struct hkm_slab *slab, uint64_t *control, enum hkm_slab_state to) {
    const uint64_t same = ~UINT64_C(0xffffffff);
    uint64_t now = atomic_load_explicit(&slab->control, memory_order_relaxed);
    while ((now & same) == (*control & same)) {
        if (atomic_compare_exchange_weak_explicit(&slab->control, &now, hkm_control_with(now, to), memory_order_seq_cst,
                                                  memory_order_relaxed)) {
            *control = hkm_control_with(now, to);
            return true;
        }
    }
    return false;
}

bool hkm_slab_release_full(struct hkm_slab *slab) {
    uint64_t control = atomic_load_explicit(&slab->control, memory_order_relaxed);
    const unsigned words = words_of(slab);
    hkm_slab_change(slab, &control, HKM_SLAB_FULL);
    /* A giver sets bits, then reads the state; we set the state, then read the bits. One of us sees the other;
     * when both do, the exchange decides who takes the slab. */
    for (unsigned w = 0; w < words; w++) {
        if (atomic_load_explicit(&slab->free[w], memory_order_seq_cst) != 0) {
            return !hkm_slab_change(slab, &control, HKM_SLAB_OWNED);
        }
    }
    return true;
}

enum hkm_given hkm_slab_give(struct hkm_slab *slab, unsigned word, uint64_t mask, uint64_t *control, uint64_t *twice) {
    const unsigned capacity = slab->capacity; /* read while a block of ours still keeps the slab from retiring */
    *twice = atomic_fetch_or_explicit(&slab->free[word], mask, memory_order_seq_cst) & mask;
    const uint64_t n = (uint64_t)__builtin_popcountll(mask & ~*twice);
    *control = atomic_fetch_add_explicit(&slab->control, n, memory_order_seq_cst) + n;
    if (hkm_control_state(*control) == HKM_SLAB_FULL) {
        return HKM_GIVEN_TO_FULL;
    }
    return hkm_control_count(*control) == capacity ? HKM_GIVEN_LAST : HKM_GIVEN;
}
