/* See hardened.h. Empty in other builds. */
#include "debug/hardened.h"

#ifdef HKM_HARDENED

#include <stdatomic.h>
#include <stdint.h>

#include "debug/misuse.h"
#include "os/sys.h"
#include "superslab/arena.h"

#define PATTERN UINT64_C(0xdfdfdfdfdfdfdfdf)

/* 64-bit words of any type's block. */
typedef uint64_t __attribute__((may_alias)) word;

void hkm_hardened_freed(void *block, size_t size) {
    word *words = block;
    for (size_t i = 0; i < size / sizeof *words; i++) {
        words[i] = PATTERN;
    }
}

void hkm_hardened_allocated(void *block, size_t size) {
    const word *words = block;
    for (size_t i = 0; i < size / sizeof *words; i++) {
        if (words[i] != PATTERN && words[i] != 0) {
            hkm_misuse("malloc", &words[i], "written to after it was freed"); /* which is fatal */
        }
    }
}

uint64_t hkm_hardened_random(void) {
    static _Atomic uint64_t state;
    if (atomic_load_explicit(&state, memory_order_relaxed) == 0) {
        atomic_store_explicit(&state, hkm_sys_random() | 1, memory_order_relaxed);
    }
    uint64_t x =
        atomic_fetch_add_explicit(&state, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A place holds a block's address, with its class in the highest byte, which addresses leave free.
 */
#define PLACES      256u
#define CLASS_SHIFT 56
static _Atomic uintptr_t places[PLACES];

void *hkm_hardened_exchange(void *block) {
    for (unsigned arena = 0; arena < HKM_ARENAS; arena++) {
        uint8_t *state;
        if (!hkm_state_of(block, arena, &state)) {
            continue;
        }
        /* of two threads that free a block at the same time, one finds none */
        const uintptr_t cls = __atomic_exchange_n(state, 0, __ATOMIC_ACQ_REL);
        if (cls == 0) {
            break;
        }
        hkm_hardened_freed(block, hkm_classes[cls].size);
        const uintptr_t entry = (uintptr_t)block | cls << CLASS_SHIFT;
        const uintptr_t left = atomic_exchange(&places[hkm_hardened_random() % PLACES], entry);
        if (left == 0) {
            return NULL;
        }
        const unsigned left_class = (unsigned)(left >> CLASS_SHIFT);
        void *leaver = (void *)(left & (((uintptr_t)1 << CLASS_SHIFT) - 1));
        hkm_hardened_allocated(leaver, hkm_classes[left_class].size);
        hkm_state_set(leaver, left_class, hkm_arena_of_class(left_class));
        return leaver;
    }
    return block;
}

void hkm_hardened_shuffle(void **blocks, size_t n) {
    for (; n > 1; n--) {
        const size_t other = hkm_hardened_random() % n;
        void *const last = blocks[n - 1];
        blocks[n - 1] = blocks[other];
        blocks[other] = last;
    }
}

#else
typedef int hkm_not_hardened; /* ISO C wants a declaration */
#endif
