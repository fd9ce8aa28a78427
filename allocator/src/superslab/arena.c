/* See arena.h. */
#include "superslab/arena.h"

#include <errno.h>
#include <string.h>

#include "os/sys.h"
#include "policy/settings.h"
#include "superslab/superslab.h"

/* Most SuperSlabs of an arena: a terabyte of blocks. Sanitizers need other addresses
 * (tests/build.mk). */
#ifndef HKM_MAX_SUPERSLABS
#define HKM_MAX_SUPERSLABS 524288
#endif
#define MAX_SUPERSLABS ((size_t)HKM_MAX_SUPERSLABS)
/* Where arenas may begin: from here on, at one of so many places, 128 MiB apart. */
#ifndef HKM_ARENAS_FROM
#define HKM_ARENAS_FROM   ((uintptr_t)1 << 40)
#define HKM_ARENA_CHOICES 4096u
#endif
/* Where there are no such addresses: kernels for aarch64 may give programs 2^39 bytes, with the
 * program itself at two thirds. */
#define NARROW_FROM    ((uintptr_t)1 << 32)
#define NARROW_CHOICES 256u
#define NARROW_SUPERSLABS                                                                          \
    (MAX_SUPERSLABS < 32768 ? MAX_SUPERSLABS : (size_t)32768) /* 64 GiB of blocks */
/* The state map begins this many bytes after a page's border. Otherwise the state of a block at a
 * page's border would lie at a page's border, too, and share cache sets, and the low address bits
 * by which processors match loads with earlier stores, with the block's own first bytes. */
#define COLOUR 1088u
/* State map and descriptors are mapped for this many SuperSlabs at a time. */
#define GROUP 32u

/* Bits of `places`, one for each SuperSlab's place: 1 = free to be mapped. Places beyond the last
 * group that is mapped are not yet marked. */
static struct {
    uint64_t places[MAX_SUPERSLABS / 64];
    size_t groups; /* mapped so far */
    size_t first;  /* no free place below this word */
} arena_places[HKM_ARENAS];
static size_t most_superslabs; /* of an arena, where they lie now */

/* Before the start no block's address is on a granule's border: a free(NULL) that runs during
 * another thread's start and sees the new limit with the old base finds nothing. */
__extension__ struct hkm_arena hkm_arenas[HKM_ARENAS]
    __attribute__((aligned(64))) = {[0 ... HKM_ARENAS - 1] = {.base = 1}};

static size_t granules_per_superslab(unsigned arena) {
    return HKM_SUPERSLAB_SIZE >> hkm_granule_shift(arena);
}

static size_t page_ceil(size_t size) {
    return (size + HKM_PAGE - 1) & ~(size_t)(HKM_PAGE - 1);
}

/* Bytes of descriptors in a group, in whole pages: groups are mapped one by one, side by side. */
static size_t descriptor_group_bytes(void) {
    return GROUP * sizeof(struct hkm_superslab);
}
_Static_assert(GROUP * sizeof(struct hkm_superslab) % HKM_PAGE == 0,
               "a group of descriptors is whole pages");

static bool map_group(unsigned arena) {
    struct hkm_arena *a = &hkm_arenas[arena];
    const size_t group = arena_places[arena].groups;
    const size_t state_bytes = page_ceil(GROUP * granules_per_superslab(arena));
    const size_t descriptor_bytes = descriptor_group_bytes();
    /* the first group has a page more, for the colour */
    const size_t extra = group == 0 ? HKM_PAGE : 0;
    char *const state = (char *)a->state - COLOUR + HKM_PAGE + group * state_bytes - extra;
    char *const descriptors = (char *)a->descriptors + group * descriptor_bytes;

    if ((group + 1) * GROUP > most_superslabs) {
        errno = ENOMEM;
        return false;
    }
    if (!hkm_sys_mmap_at(state, state_bytes + extra)) {
        return false;
    }
    if (!hkm_sys_mmap_at(descriptors, descriptor_bytes)) {
        hkm_sys_munmap(state, state_bytes + extra);
        return false;
    }
    arena_places[arena].groups++;
    arena_places[arena].places[group * GROUP / 64] |= UINT64_C(0xffffffff) << (group * GROUP % 64);
    atomic_store_explicit(&a->limit, (group + 1) * GROUP * granules_per_superslab(arena),
                          memory_order_relaxed);
    return true;
}

/* Lays an arena out from `start` on: state map, descriptors, blocks, each with room for the whole
 * arena. */
static void place(unsigned arena, uintptr_t start) {
    struct hkm_arena *a = &hkm_arenas[arena];
    const size_t state_room = most_superslabs * granules_per_superslab(arena) + HKM_PAGE;
    const size_t descriptor_room = most_superslabs / GROUP * descriptor_group_bytes();
    a->state = (uint8_t *)start + COLOUR;
    a->descriptors = (struct hkm_superslab *)(start + state_room);
    a->base = (start + state_room + descriptor_room + HKM_SUPERSLAB_SIZE - 1) &
              ~(uintptr_t)(HKM_SUPERSLAB_SIZE - 1);
    a->state_bias = (uint8_t *)(start + COLOUR - (a->base >> hkm_granule_shift(arena)));
}

/* Chooses among places from `from` on for arenas of `most` SuperSlabs. Tried again elsewhere should
 * somebody sit there. */
static bool choose(uintptr_t from, unsigned choices, size_t most) {
    const uintptr_t room = 2 * most * HKM_SUPERSLAB_SIZE; /* of an arena and its data */
    most_superslabs = most;
    for (unsigned try = 0; try < 16; try++) {
        const uintptr_t spread = (hkm_sys_random() >> 7) % choices + try * choices;
        const uintptr_t start = from + spread * (64 * HKM_SUPERSLAB_SIZE);
        place(HKM_ARENA_SMALL, start);
        place(HKM_ARENA_MIDDLE, start + room);
        if (!map_group(HKM_ARENA_SMALL)) {
            continue;
        }
        if (map_group(HKM_ARENA_MIDDLE)) {
            return true;
        }
        hkm_sys_munmap(hkm_arenas[HKM_ARENA_SMALL].state - COLOUR,
                       GROUP * granules_per_superslab(HKM_ARENA_SMALL) + HKM_PAGE);
        hkm_sys_munmap(hkm_arenas[HKM_ARENA_SMALL].descriptors, descriptor_group_bytes());
        memset(arena_places, 0, sizeof arena_places);
        atomic_store(&hkm_arenas[HKM_ARENA_SMALL].limit, 0);
    }
    return false;
}

bool hkm_arenas_init(void) {
    /* Linux maps from the top of the address space (and programs near 0x55..): what lies low is
     * free. */
    return choose(HKM_ARENAS_FROM, HKM_ARENA_CHOICES, MAX_SUPERSLABS) ||
           choose(NARROW_FROM, NARROW_CHOICES, NARROW_SUPERSLABS);
}

struct hkm_superslab *hkm_arena_map_superslab(unsigned arena) {
    struct hkm_arena *a = &hkm_arenas[arena];
    for (;;) {
        size_t word = arena_places[arena].first;
        const size_t words = (arena_places[arena].groups * GROUP + 63) / 64;
        while (word < words && arena_places[arena].places[word] == 0) {
            word++;
        }
        arena_places[arena].first = word;
        if (word == words) {
            if (!map_group(arena)) {
                errno = ENOMEM;
                return NULL;
            }
            arena_places[arena].first = words == 0 ? 0 : words - 1;
            continue;
        }
        const unsigned bit = (unsigned)__builtin_ctzll(arena_places[arena].places[word]);
        const size_t number = word * 64 + bit;
        char *const base = (char *)a->base + number * HKM_SUPERSLAB_SIZE;
        struct hkm_superslab *superslab = &a->descriptors[number];
        /* one that could not be unmapped is still there, and reads as zero */
        const bool mapped = superslab->base != NULL;
        if (hkm_settings.superslab && !mapped && !hkm_sys_mmap_at(base, HKM_SUPERSLAB_SIZE)) {
            if (errno == EEXIST) { /* somebody mapped here by address: never ours again */
                arena_places[arena].places[word] &= ~(UINT64_C(1) << bit);
                continue;
            }
            errno = ENOMEM;
            return NULL;
        }
        arena_places[arena].places[word] &= ~(UINT64_C(1) << bit);
        superslab->base = base;
        superslab->number = (uint32_t)number;
        superslab->arena = (uint8_t)arena;
        return superslab;
    }
}

void hkm_arena_unmap_superslab(struct hkm_superslab *superslab) {
    const unsigned arena = superslab->arena;
    const size_t word = superslab->number / 64;
    bool mapped = false;
    if (hkm_settings.superslab && !hkm_sys_munmap(superslab->base, HKM_SUPERSLAB_SIZE)) {
        /* The hole would be one mapping too many for the kernel: the range is kept for the next
         * SuperSlab, without its pages. */
        mapped = true;
        if (!hkm_sys_madvise_dontneed(superslab->base, HKM_SUPERSLAB_SIZE)) {
            return; /* nor that: the place stays unused */
        }
    }
    /* its part of the state map, too, is all zero now */
    uint8_t *const first =
        hkm_arenas[arena].state + superslab->number * granules_per_superslab(arena);
    const uintptr_t from = page_ceil((uintptr_t)first); /* whole pages; the ends are others', too */
    const uintptr_t to =
        ((uintptr_t)first + granules_per_superslab(arena)) & ~(uintptr_t)(HKM_PAGE - 1);
    hkm_sys_madvise_dontneed((void *)from, to - from);
    superslab->base = mapped ? superslab->base : NULL;
    arena_places[arena].places[word] |= UINT64_C(1) << (superslab->number % 64);
    if (word < arena_places[arena].first) {
        arena_places[arena].first = word;
    }
}

size_t hkm_arena_places(unsigned arena) {
    return arena_places[arena].groups * GROUP;
}

struct hkm_superslab *hkm_superslab_of(const void *address, unsigned arena) {
    return &hkm_arenas[arena]
                .descriptors[((uintptr_t)address - hkm_arenas[arena].base) >> HKM_SUPERSLAB_SHIFT];
}
