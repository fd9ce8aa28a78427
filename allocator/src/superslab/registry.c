/* See registry.h. */
#include "superslab/registry.h"

#include <stdint.h>

#if HKM_REGISTRY != HKM_REGISTRY_MAP

#include <stdatomic.h>
#include <stddef.h>

#include "superslab/superslab.h"

#define REMOVED ((uintptr_t)1)

static uintptr_t base_of(const void *address) {
    return (uintptr_t)address & ~(uintptr_t)(HKM_SUPERSLAB_SIZE - 1);
}

#if HKM_REGISTRY == HKM_REGISTRY_HASH

#define SLOTS 262144u
static _Atomic uintptr_t slots[SLOTS];

static size_t first_slot(uintptr_t base) {
    return (size_t)(((base >> HKM_SUPERSLAB_SHIFT) * UINT64_C(0x9e3779b97f4a7c15)) >>
                    46); /* Fibonacci hashing, 18 bits */
}

/* Slot that holds the base; or, where there is none, NULL. */
static _Atomic uintptr_t *find(uintptr_t base) {
    for (size_t i = first_slot(base), seen = 0; seen < SLOTS; i = (i + 1) % SLOTS, seen++) {
        const uintptr_t entry = atomic_load_explicit(&slots[i], memory_order_acquire);
        if (entry == base) {
            return &slots[i];
        }
        if (entry == 0) {
            break;
        }
    }
    return NULL;
}

bool hkm_registry_has(const void *address) {
    return find(base_of(address)) != NULL;
}

void hkm_registry_add(const struct hkm_superslab *superslab) {
    const uintptr_t base = (uintptr_t)superslab->base;
    for (size_t i = first_slot(base), seen = 0; seen < SLOTS; i = (i + 1) % SLOTS, seen++) {
        if (atomic_load_explicit(&slots[i], memory_order_relaxed) <= REMOVED) {
            atomic_store_explicit(&slots[i], base, memory_order_release);
            return;
        }
    }
}

void hkm_registry_remove(const struct hkm_superslab *superslab) {
    _Atomic uintptr_t *slot = find((uintptr_t)superslab->base);
    if (slot != NULL) {
        atomic_store_explicit(slot, REMOVED, memory_order_release);
    }
}

#else

#if HKM_REGISTRY == HKM_REGISTRY_LINEAR
#define TABLES 1u
#define SLOTS  262144u
#else
#define TABLES HKM_KINDS
#define SLOTS  16384u
#endif

/* Entries 0 .. used-1 may be set; holes are used again. */
static struct table {
    _Atomic size_t used;
    _Atomic uintptr_t entries[SLOTS];
} tables[TABLES];

static _Atomic uintptr_t *find(struct table *table, uintptr_t base) {
    const size_t used = atomic_load_explicit(&table->used, memory_order_acquire);
    for (size_t i = 0; i < used; i++) {
        if (atomic_load_explicit(&table->entries[i], memory_order_acquire) == base) {
            return &table->entries[i];
        }
    }
    return NULL;
}

bool hkm_registry_has(const void *address) {
    for (unsigned i = 0; i < TABLES; i++) {
        if (find(&tables[i], base_of(address)) != NULL) {
            return true;
        }
    }
    return false;
}

void hkm_registry_add(const struct hkm_superslab *superslab) {
    struct table *table = &tables[superslab->kind % TABLES];
    _Atomic uintptr_t *entry = find(table, REMOVED);
    const size_t used = atomic_load_explicit(&table->used, memory_order_relaxed);
    if (entry == NULL && used < SLOTS) {
        entry = &table->entries[used];
    }
    if (entry != NULL) {
        atomic_store_explicit(entry, (uintptr_t)superslab->base, memory_order_release);
        if (entry == &table->entries[used]) {
            atomic_store_explicit(&table->used, used + 1, memory_order_release);
        }
    }
}

void hkm_registry_remove(const struct hkm_superslab *superslab) {
    _Atomic uintptr_t *entry = find(&tables[superslab->kind % TABLES], (uintptr_t)superslab->base);
    if (entry != NULL) {
        atomic_store_explicit(entry, REMOVED, memory_order_release);
    }
}

#endif

#endif
