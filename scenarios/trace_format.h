/* The words of a trace file, shared by the writer (harness/record/pack.c) and the reader
 * (trace_reader.c). docs/trace-format.md describes the format. */
#ifndef HKL_TRACE_FORMAT_H
#define HKL_TRACE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define HKL_TRACE_MAGIC "HKLTRACE"

enum {
    HKL_TRACE_VERSION = 1,
    HKL_TRACE_HEADER = 72, /* bytes before the body */

    /* Where the header's fields are; all little-endian, of 8 bytes unless said otherwise. */
    HKL_TRACE_AT_VERSION = 8,  /* 4 bytes */
    HKL_TRACE_AT_THREADS = 12, /* 4 bytes */
    HKL_TRACE_AT_CALLS = 16,
    HKL_TRACE_AT_BLOCKS = 24,
    HKL_TRACE_AT_LIVE = 32,
    HKL_TRACE_AT_BYTES = 40,
    HKL_TRACE_AT_PEAK = 48,
    HKL_TRACE_AT_LENGTH = 56,
    HKL_TRACE_AT_BODY_CRC = 64,   /* 4 bytes */
    HKL_TRACE_AT_HEADER_CRC = 68, /* 4 bytes */

    /* A tag: the operation in the low bits, a value above; this value says that a number follows.
     */
    HKL_TRACE_OP_BITS = 3,
    HKL_TRACE_VALUE_MORE = 31,

    HKL_TRACE_MAX_THREADS = 256,
    HKL_TRACE_MAX_ALIGN_BITS = 40,
};

#define HKL_TRACE_MAX_CALLS UINT32_C(0xfffffff0)
#define HKL_TRACE_MAX_SIZE  (UINT64_C(1) << 47) /* bytes of a block */

enum hkl_trace_op {
    HKL_TRACE_MALLOC = 1,
    HKL_TRACE_CALLOC,
    HKL_TRACE_ALIGNED,
    HKL_TRACE_REALLOC,
    HKL_TRACE_FREE,
    HKL_TRACE_THREAD, /* no call: whose calls follow */
};

/* CRC-32 as in zlib and gzip. `crc`: 0, or the result for the bytes before. */
static inline uint32_t hkl_trace_crc32(uint32_t crc, const uint8_t *bytes, size_t count) {
    /* Of the 16 values of half a byte, for the reflected polynomial 0xedb88320. */
    static const uint32_t of_nibble[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = of_nibble[crc & 15] ^ (crc >> 4);
        crc = of_nibble[crc & 15] ^ (crc >> 4);
    }
    return ~crc;
}

#endif
