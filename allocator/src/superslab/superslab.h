/*
 * SuperSlab and slab descriptors. A SuperSlab is 2 MiB, cut into slabs of one kind (classes.h); a
 * slab holds blocks of one class. The descriptors lie apart from the blocks (arena.h).
 *
 * A slab is in one of these states:
 *   EMPTY   not in use: one of its SuperSlab's free slabs. Changed under the pool's lock (pool.c).
 *   OWNED   held by a heap, which alone takes blocks from it. Others give blocks back to it at any
 * time. LISTED  has free blocks and waits in its class's list of the shared pool, under that list's
 * lock. FULL    held by nobody and on no list: all its blocks are out. The first block that comes
 * back makes it LISTED, or OWNED by its last owner.
 *
 *
 *       EMPTY --pool_new--> OWNED --no bit left--> FULL --first block back--> LISTED or OWNED
 *       LISTED --claim--> OWNED      OWNED --thread exits--> LISTED      OWNED, LISTED --all
 * back--> EMPTY
 *
 * Free blocks are bits: 1 = the block is in the slab. A block that is out is either the program's
 * or in a thread's unified cache. Bits are set by anyone who gives blocks back (atomic or), cleared
 * by the owner only.
 */
#ifndef HKM_SUPERSLAB_SUPERSLAB_H
#define HKM_SUPERSLAB_SUPERSLAB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "superslab/classes.h"

#define HKM_SLABS_PER_SUPERSLAB 64u /* of the smallest kind */
#define HKM_SLAB_WORDS          32u /* 64 blocks to a word: 32 KiB / 16 bytes */

struct hkm_heap;

enum hkm_slab_state { HKM_SLAB_EMPTY, HKM_SLAB_OWNED, HKM_SLAB_LISTED, HKM_SLAB_FULL };

/* slab->control: generation (32 bits) | turn (24) | state (8). The generation grows whenever the
 * slab gets a class, so that a thread that was interrupted while it gave the slab's last block back
 * cannot mistake its next life for this one. The turn grows (and wraps) whenever the slab becomes
 * OWNED, so that one who saw it FULL cannot list or take it once it has been somebody else's since.
 */
#define HKM_STATE_MASK      UINT64_C(0xff)
#define HKM_TURN            UINT64_C(0x100)
#define HKM_TURN_MASK       UINT64_C(0xffffff00)
#define HKM_GENERATION      UINT64_C(0x100000000)
#define HKM_GENERATION_MASK UINT64_C(0xffffffff00000000)

static inline enum hkm_slab_state hkm_control_state(uint64_t control) {
    return (enum hkm_slab_state)(control & HKM_STATE_MASK);
}

static inline uint64_t hkm_control_with(uint64_t control, enum hkm_slab_state state) {
    const uint64_t turn = control + (state == HKM_SLAB_OWNED ? HKM_TURN : 0);
    return (control & HKM_GENERATION_MASK) | (turn & HKM_TURN_MASK) | (uint64_t)state;
}

struct hkm_slab {
    _Atomic uint64_t control;
    struct hkm_heap *_Atomic owner; /* OWNED: its holder; else the last one. Only ever compared */
    char *base;                     /* address of block 0 */
    struct hkm_superslab *superslab;
    struct hkm_slab *next; /* in a heap's warm pool or in the class's list */
    struct hkm_slab *prev; /* in the class's list */
    uint64_t inverse;      /* as in the class */
    uint64_t virgin; /* bit i: block i reads as zero, being never taken. Slabs of one word only. The
                        owner's */
    uint32_t block_size;
    uint16_t capacity; /* blocks */
    uint8_t cls;
    uint8_t index; /* in the SuperSlab */
    _Atomic uint64_t free[HKM_SLAB_WORDS];
};

/* Under the pool's lock, but for what the slabs say of themselves. */
struct hkm_superslab {
    _Alignas(128) char *base;
    struct hkm_superslab *next, *prev; /* in the list of its tier */
    uint64_t free_slabs;               /* bit i: slab i is EMPTY */
    uint64_t zero_slabs; /* bit i: the pages of slab i, which is EMPTY, are known to read as zero */
    uint64_t emptied_ns; /* when a slab became EMPTY last */
    uint32_t number;     /* in its arena */
    uint8_t arena;
    uint8_t kind;
    uint8_t group; /* pool.c */
    uint8_t tier;  /* pool.h */
    uint8_t slabs;
    _Alignas(64) struct hkm_slab slab[HKM_SLABS_PER_SUPERSLAB];
};

/* Slab that holds an address of the SuperSlab. */
static inline struct hkm_slab *hkm_slab_of(struct hkm_superslab *superslab, const void *address) {
    const size_t offset = (uintptr_t)address & (HKM_SUPERSLAB_SIZE - 1);
    return &superslab->slab[offset >> hkm_slab_shift(superslab->kind)];
}

/* Words of slab->free that are in use, and the word when all its blocks are free. */
static inline unsigned hkm_slab_words(const struct hkm_slab *slab) {
    return (slab->capacity + 63u) / 64u;
}
static inline uint64_t hkm_slab_full_word(unsigned capacity, unsigned word) {
    const unsigned left = capacity - word * 64u;
    return left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
}

/* Number of the block of `slab` that holds the address; may be beyond the last one, in the slab's
 * unused tail. */
static inline uint32_t hkm_block_index(const struct hkm_slab *slab, const void *address) {
    return (uint32_t)(((uint64_t)((const char *)address - slab->base) * slab->inverse) >> 42);
}

#endif
