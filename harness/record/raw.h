/* The raw recording: what the recorder, inside the recorded program, leaves for the packer. A
 * private matter of the two, on the machine that records, of one build; gone once it is packed. */
#ifndef HKL_RECORD_RAW_H
#define HKL_RECORD_RAW_H

#include <stdatomic.h>
#include <stdint.h>

/* Names the raw file, by an absolute path, to the recorder. It exists; size 0: not begun. */
#define HKL_RAW_VARIABLE "HKL_RECORD_RAW"
#define HKL_RAW_MAGIC    "HKLRAW1"

enum {
    HKL_RAW_HEADER = 4096,    /* bytes before the first event */
    HKL_RAW_WINDOW = 1 << 20, /* bytes by which the file grows */
    HKL_RAW_MAX_WINDOWS = 1 << 16,
    HKL_RAW_OP_BITS = 8,
};

struct hkl_raw_header {
    char magic[8];
    int64_t pid;     /* of the recorded process */
    int64_t failure; /* errno that ended the recording early; 0: none */
};

enum hkl_raw_op {
    HKL_RAW_NONE, /* never written, or not to the end */
    HKL_RAW_MALLOC,
    HKL_RAW_CALLOC,
    HKL_RAW_ALIGNED, /* aux: alignment */
    HKL_RAW_FREE,
    /* A realloc of a block is two events, for other threads may be given its old address before it
     * returns. */
    HKL_RAW_REALLOC_BEGIN, /* address: the old block */
    HKL_RAW_REALLOC_END,   /* address: the new one, or NULL; aux: number of the begin, or none */
};

#define HKL_RAW_NO_BEGIN UINT64_MAX

/* Events are numbered, and lie in the file, in the order in which they took place: a free before
 * the allocator has the block back, an allocation after the program could have it. */
struct hkl_raw_event {
    _Atomic uint64_t tag; /* thread << HKL_RAW_OP_BITS | op; written last */
    uint64_t address;
    uint64_t size; /* bytes asked for */
    uint64_t aux;
};

#define HKL_RAW_PER_WINDOW (HKL_RAW_WINDOW / sizeof(struct hkl_raw_event))

#endif
