/*
 * Size classes. A block's class is also its *code* in the state map (arena.h), so that 0 means "no
 * block".
 *
 *   small (arena 0)   classes  1..32  16 to 256 bytes in steps of 16, to 512 of 32, to 1 KiB of 64
 *   middle (arena 1)  classes 33..56  to 8 KiB, eight to a doubling (at most 12.5 % above the
 * request) classes 57..84  to 1 MiB, four to a doubling (at most 25 %)
 */
#ifndef HKM_SUPERSLAB_CLASSES_H
#define HKM_SUPERSLAB_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "visibility.h"

#define HKM_SMALL_MAX  1024u
#define HKM_MIDDLE_MAX (1u << 20)
/* What is larger goes to the large path, where in variant 'hardened' every block has guard pages.
 */
#ifdef HKM_HARDENED
#define HKM_SLABS_MAX (64u << 10)
#else
#define HKM_SLABS_MAX HKM_MIDDLE_MAX
#endif
#define HKM_SMALL_CLASSES 32u
#define HKM_CLASSES       85u
#define HKM_BIG_FIRST     69u /* the first class of more than 64 KiB */
/* 0 in variant 'no-tiny': the small classes are not in use, the smallest middle class serves. */
#ifndef HKM_TINY
#define HKM_TINY 1
#endif

/* The kinds of slab: a SuperSlab is cut into slabs of one kind. */
enum hkm_kind { HKM_KIND_SMALL, HKM_KIND_8K, HKM_KIND_64K, HKM_KIND_1M, HKM_KINDS };
#ifndef HKM_SUPERSLAB_SHIFT
#define HKM_SUPERSLAB_SHIFT 21 /* 19, 512 KiB, in variant 'superslab-512k' */
#endif
#define HKM_SUPERSLAB_SIZE ((size_t)1 << HKM_SUPERSLAB_SHIFT)

/* Slab colouring (Bonwick, "The Slab Allocator", USENIX 1994): a block of so many pages that their
 * first lines do not fit in one set of the first-level cache begins a few cache lines after a
 * page's border, where all other page-aligned data lie, and not at the same lines in each slab. The
 * largest class is left out: half of its slab would be lost. */
#define HKM_COLOURED_ABOVE 32768u
#define HKM_COLOUR_ALIGN   128u /* every coloured block is aligned to this */
#define HKM_COLOURS        4u

struct hkm_class {
    uint32_t size;       /* bytes per block */
    uint16_t capacity;   /* blocks per slab */
    uint8_t kind;        /* enum hkm_kind */
    uint8_t cache_slots; /* most blocks that a thread's unified cache may hold */
    uint8_t lean_slots;  /* the same for a thread that only allocates, or only frees, blocks of the
                            class */
    uint64_t inverse;    /* ceil(2^42 / size): block index = offset * inverse >> 42 */
};

extern HKM_HIDDEN struct hkm_class hkm_classes[HKM_CLASSES];
/* The largest class in use; what it does not hold goes to the large path. It is the last one of all
 * but with HAKMEM_MID=0, or where SuperSlabs are smaller than the largest blocks. */
extern HKM_HIDDEN unsigned hkm_last_class;
/* Middle classes by (size - 1) / 128 up to 64 KiB, and by (size - 1) / 16 KiB up to 1 MiB. All
 * zero, which is no class, until hkm_classes_init has run: so the slow path sees the first request.
 * Sizes beyond the last class stay zero, so that they go the slow path, too. */
extern HKM_HIDDEN uint8_t hkm_class_by_16[65];
extern HKM_HIDDEN uint8_t hkm_class_by_128[512];
extern HKM_HIDDEN uint8_t hkm_class_by_16k[64];

/* log2 of the bytes of a slab of each kind. */
static inline unsigned hkm_slab_shift(unsigned kind) {
    static const uint8_t shifts[HKM_KINDS] = {15, 16, 19, HKM_SUPERSLAB_SHIFT};
    return shifts[kind];
}

static inline unsigned hkm_class_of_middle(size_t size) {
#if !HKM_TINY
    size += size == 0;
#endif
    return size <= 65536 ? hkm_class_by_128[(size - 1) >> 7] : hkm_class_by_16k[(size - 1) >> 14];
}

static inline bool hkm_class_is_coloured(const struct hkm_class *class) {
    return class->size > HKM_COLOURED_ABOVE && class->size < HKM_MIDDLE_MAX;
}

/* Bytes from the start of a class's slab, the n-th of the arena, to its first block. */
static inline size_t hkm_slab_colour(const struct hkm_class *class, size_t n) {
    return hkm_class_is_coloured(class) ? HKM_COLOUR_ALIGN * (1 + 2 * (n % HKM_COLOURS)) : 0;
}

/* Class for a request of up to HKM_MIDDLE_MAX bytes; 0: it is for the large path. */
static inline unsigned hkm_class_of(size_t size) {
    if (HKM_TINY && hkm_likely(size <= HKM_SMALL_MAX)) {
        return size == 0 ? 1u : hkm_class_by_16[(size + 15) >> 4];
    }
    return hkm_class_of_middle(size);
}

/* Whether a request is for the large path. Once hkm_classes_init has run. */
static inline bool hkm_is_large(size_t size) {
    return size > HKM_MIDDLE_MAX || hkm_class_of(size) == 0;
}

/* Class whose blocks are all aligned to `alignment` (a power of two) and hold `size` bytes; 0:
 * there is none. */
unsigned hkm_class_aligned(size_t size, size_t alignment);

/* Fills the tables; once the settings are read. */
void hkm_classes_init(void);

#endif
