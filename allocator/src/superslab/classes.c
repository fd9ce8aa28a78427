/* See classes.h. */
#include "superslab/classes.h"

#include "policy/settings.h"

struct hkm_class hkm_classes[HKM_CLASSES];
unsigned hkm_last_class;
uint8_t hkm_class_by_16[65];
uint8_t hkm_class_by_128[512];
uint8_t hkm_class_by_16k[64];

/* A thread's cache holds at most this many bytes of a class, but always a block or two. It is worth
 * more to a thread that allocates and frees in turn than to one that only does one of the two. */
#define CACHE_BYTES 32768u
#define LEAN_BYTES  8192u
#define CACHE_SLOTS 127u

/* With HAKMEM_MID=0, classes from this size on are not in use. */
#define MID_LEAST 65536u

static enum hkm_kind kind_of(uint32_t size) {
    if (size <= HKM_SMALL_MAX) {
        return HKM_KIND_SMALL;
    }
    if (size <= 8192) {
        return HKM_KIND_8K;
    }
    return size <= 65536 ? HKM_KIND_64K : HKM_KIND_1M;
}

static uint8_t slots_of(uint32_t size, uint32_t bytes) {
    const uint32_t least = size <= 65536 ? 2 : 1;
    const uint32_t slots = bytes / size;
    return (uint8_t)(slots < least ? least : slots > CACHE_SLOTS ? CACHE_SLOTS : slots);
}

static void define(unsigned cls, uint32_t size) {
    const enum hkm_kind kind = kind_of(size);
    hkm_classes[cls] = (struct hkm_class){
        .size = size,
        .kind = (uint8_t)kind,
        .cache_slots = slots_of(size, CACHE_BYTES),
        .lean_slots = slots_of(size, LEAN_BYTES),
        .inverse = ((UINT64_C(1) << 42) + size - 1) / size,
    };
    struct hkm_class *const class = &hkm_classes[cls];
    const size_t room =
        ((size_t)1 << hkm_slab_shift(kind)) - hkm_slab_colour(class, HKM_COLOURS - 1);
    class->capacity = (uint16_t)(room / size);
}

/* The class, or 0 where it is beyond the last one. */
static uint8_t in_use(unsigned cls) {
    return (uint8_t)(cls <= hkm_last_class ? cls : 0);
}

void hkm_classes_init(void) {
    unsigned cls = 1;
    uint32_t size = 0;
    while (size < HKM_SMALL_MAX) {
        size += size < 256 ? 16 : size < 512 ? 32 : 64;
        define(cls, size);
        /* cppcheck-suppress arrayIndexOutOfBoundsCond ; size is at most HKM_SMALL_MAX here */
        for (uint32_t i = size / 16; i > 0 && hkm_class_by_16[i] == 0; i--) {
            hkm_class_by_16[i] = (uint8_t)cls;
        }
        cls++;
    }
    while (size < HKM_MIDDLE_MAX) {
        /* the step is the last power of two divided by 8, or by 4 from 8 KiB on */
        uint32_t power = HKM_SMALL_MAX;
        while (power * 2 <= size) {
            power *= 2;
        }
        size += power / (power < 8192 ? 8 : 4);
        define(cls++, size);
    }
    while (hkm_last_class + 1 < cls && hkm_classes[hkm_last_class + 1].capacity > 0 &&
           hkm_classes[hkm_last_class + 1].size <= HKM_SLABS_MAX &&
           (hkm_settings.mid || hkm_classes[hkm_last_class + 1].size < MID_LEAST)) {
        hkm_last_class++;
    }
    cls = HKM_SMALL_CLASSES + 1;
    for (uint32_t i = HKM_TINY ? HKM_SMALL_MAX / 128 : 0; i < 512; i++) {
        while (hkm_classes[cls].size < (i + 1) * 128) {
            cls++;
        }
        hkm_class_by_128[i] = in_use(cls);
    }
    for (uint32_t i = 65536 / 16384; i < 64; i++) {
        while (hkm_classes[cls].size < (i + 1) * 16384) {
            cls++;
        }
        hkm_class_by_16k[i] = in_use(cls);
    }
}

unsigned hkm_class_aligned(size_t size, size_t alignment) {
    if (alignment > HKM_MIDDLE_MAX || hkm_is_large(size < alignment ? alignment : size)) {
        return 0;
    }
    /* Slabs lie at multiples of their own size, so a block is aligned where its class's size is a
     * multiple and it is not coloured. */
    for (unsigned cls = hkm_class_of(size < alignment ? alignment : size); cls <= hkm_last_class;
         cls++) {
        const struct hkm_class *class = &hkm_classes[cls];
        const size_t reach = hkm_class_is_coloured(class)
                                 ? HKM_COLOUR_ALIGN
                                 : (size_t)1 << hkm_slab_shift(class->kind);
        if (class->size % alignment == 0 && reach >= alignment) {
            return cls;
        }
    }
    return 0;
}
