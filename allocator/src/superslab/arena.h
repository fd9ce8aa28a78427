/*
 * The two arenas: where SuperSlabs lie, and the map that says what any pointer is.
 *
 * An arena is a stretch of address space, chosen at random at start, in which nobody else maps:
 * SuperSlab i of the arena lies at base + i * 2 MiB. Nothing is reserved; a SuperSlab is mapped
 * when it is needed, so limits on address space are met exactly. Beside the blocks, and never among
 * them, lie
 *   - the state map: one byte for each possible block address (16-byte granules in the small arena,
 * 128-byte granules in the middle one). It holds the block's class while the program owns the block
 * and 0 at every other time and place. So one load answers: is this pointer ours, is it the start
 * of a block, is that block allocated, and what is its class? A foreign pointer, an interior one
 * and a second free all read 0 or lie outside the arena.
 *   - the SuperSlab descriptors (superslab.h).
 * Both are mapped by groups of SuperSlabs, and stay.
 *
 * A byte of the state map is written only by whoever owns the block at that time: malloc before it
 * returns the block, free when it takes it. Hence plain stores suffice; free takes blocks of more
 * than 64 KiB by an atomic exchange all the same.
 */
#ifndef HKM_SUPERSLAB_ARENA_H
#define HKM_SUPERSLAB_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "superslab/classes.h"
#include "superslab/registry.h"

enum { HKM_ARENA_SMALL, HKM_ARENA_MIDDLE, HKM_ARENAS };
#define HKM_SMALL_GRANULE_SHIFT  4
#define HKM_MIDDLE_GRANULE_SHIFT 7

struct hkm_superslab;

/* What the fast paths read; written once, but for `limit`, which grows. */
struct hkm_arena {
    uintptr_t base;          /* address of SuperSlab 0; 0 before start */
    _Atomic uintptr_t limit; /* granules from base on for which the state map is there */
    uint8_t *state;          /* state of granule 0 */
    uint8_t *state_bias;     /* state - (base >> granule shift): indexed by address >> shift */
    struct hkm_superslab *descriptors;
};
extern HKM_HIDDEN struct hkm_arena hkm_arenas[HKM_ARENAS] __attribute__((aligned(64)));

static inline unsigned hkm_arena_of_class(unsigned cls) {
    return cls > HKM_SMALL_CLASSES;
}

static inline unsigned hkm_granule_shift(unsigned arena) {
    return arena == HKM_ARENA_SMALL ? HKM_SMALL_GRANULE_SHIFT : HKM_MIDDLE_GRANULE_SHIFT;
}

/* Finds the state byte of an address in `arena`; false when it lies elsewhere or not on a granule's
 * border. The rotation puts the bits below the granule on top, so that one comparison refuses both.
 */
static inline bool hkm_state_of(const void *address, unsigned arena, uint8_t **state) {
    const unsigned shift = hkm_granule_shift(arena);
    const uintptr_t offset = (uintptr_t)address - hkm_arenas[arena].base;
    const uintptr_t granule = (offset >> shift) | (offset << (64 - shift));
    /* as a number: for an address that is not ours it points nowhere */
    *state = (uint8_t *)((uintptr_t)hkm_arenas[arena].state + granule);
    return granule < atomic_load_explicit(&hkm_arenas[arena].limit, memory_order_relaxed) &&
           hkm_registry_has(address);
}

/* Marks a block of class `cls` as the program's. */
static inline void hkm_state_set(const void *block, unsigned cls, unsigned arena) {
    hkm_arenas[arena].state_bias[(uintptr_t)block >> hkm_granule_shift(arena)] = (uint8_t)cls;
}

/* Chooses the places; before any other call. Returns false when not even the first group could be
 * mapped. */
bool hkm_arenas_init(void);
/* Maps one more SuperSlab, zeroed, in the lowest free place; NULL with errno ENOMEM when there is
 * no memory. The caller holds the pool's lock. */
struct hkm_superslab *hkm_arena_map_superslab(unsigned arena);
/* Gives a SuperSlab's memory back and, if the kernel lets it, its address range. The caller holds
 * the pool's lock. */
void hkm_arena_unmap_superslab(struct hkm_superslab *superslab);
/* Number of places of the arena that have descriptors; one that is not mapped has base NULL. */
size_t hkm_arena_places(unsigned arena);
/* Descriptor of the SuperSlab that holds an address for which hkm_state_of is true. */
struct hkm_superslab *hkm_superslab_of(const void *address, unsigned arena);

#endif
