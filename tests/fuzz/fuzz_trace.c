/*
 * The trace reader with files from libFuzzer. The check sums and the length, which no mutation
 * would get right, are put right first, unless the first byte is odd. A trace that is accepted is
 * walked to its end: its calls and blocks must be as many as it says, and no block out of bounds.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scenarios/trace_format.h"
#include "scenarios/trace_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(uint8_t *at, uint64_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void put_right(uint8_t *file, size_t size) {
    const size_t body = size - HKL_TRACE_HEADER;
    put(file + HKL_TRACE_AT_LENGTH, body, 8);
    put(file + HKL_TRACE_AT_BODY_CRC, hkl_trace_crc32(0, file + HKL_TRACE_HEADER, body), 4);
    put(file + HKL_TRACE_AT_HEADER_CRC, hkl_trace_crc32(0, file, HKL_TRACE_AT_HEADER_CRC), 4);
}

static void walk(const struct hkl_trace *trace) {
    struct hkl_trace_cursor cursor = {0};
    struct hkl_trace_call call;
    uint64_t calls = 0, blocks = 0;
    while (hkl_trace_next(trace, &cursor, &call)) {
        calls++;
        blocks += call.block != HKL_TRACE_NO_BLOCK;
        if (call.thread >= trace->threads || call.size > HKL_TRACE_MAX_SIZE ||
            (call.block != HKL_TRACE_NO_BLOCK && call.block >= trace->blocks) ||
            (call.old != HKL_TRACE_NO_BLOCK && call.old >= trace->blocks)) {
            abort();
        }
    }
    if (calls != trace->calls || blocks != trace->blocks) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t file[65536];
    if (size < 1 || size > sizeof file) {
        return -1;
    }
    const int keep = data[0] & 1;
    memcpy(file, data + 1, --size);
    if (!keep && size >= HKL_TRACE_HEADER) {
        put_right(file, size);
    }
    const int fd = memfd_create("trace", 0);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || write(fd, file, size) != (ssize_t)size) {
        abort();
    }
    struct hkl_trace trace;
    struct hkl_trace_error error;
    memset(&error, 0, sizeof error);
    if (hkl_trace_open(&trace, path, &error)) {
        walk(&trace);
        hkl_trace_close(&trace);
    } else if (error.text[0] == '\0' || strchr(error.text, '\n') != NULL) {
        abort();
    }
    close(fd);
    return 0;
}
