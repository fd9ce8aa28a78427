/* Reads trace files: recordings of a program's allocation calls (docs/trace-format.md).
 *
 * hkl_trace_open() checks everything there is to check; what went through it can be walked with
 * hkl_trace_next() without another check. Memory comes from the kernel, never from malloc. */
#ifndef HKL_TRACE_READER_H
#define HKL_TRACE_READER_H

#include "scenarios/trace_format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No block: realloc and free of NULL. */
#define HKL_TRACE_NO_BLOCK UINT32_MAX

struct hkl_trace {
    const char *file;     /* as given to hkl_trace_open() */
    const uint8_t *bytes; /* the mapped file */
    size_t size;
    uint32_t threads; /* 1 .. HKL_TRACE_MAX_THREADS */
    uint64_t calls;   /* 1 .. HKL_TRACE_MAX_CALLS */
    uint64_t blocks;  /* calls that gave a block */
    uint64_t live;    /* blocks that the program never freed */
    uint64_t bytes_asked;
    uint64_t peak_bytes; /* the most that was live at once, as asked for */
};

/* One call. */
struct hkl_trace_call {
    enum hkl_trace_op op;
    uint32_t thread;
    uint32_t block; /* the one that the call gives; HKL_TRACE_NO_BLOCK for free */
    uint32_t old;   /* the one that realloc and free take; HKL_TRACE_NO_BLOCK: NULL */
    uint64_t size;  /* bytes; 0 for free */
    uint64_t align; /* bytes, a power of two; 0 but for HKL_TRACE_ALIGNED */
};

/* A place in a trace. All zero: the beginning. */
struct hkl_trace_cursor {
    size_t at; /* in the body */
    uint32_t thread;
    uint32_t blocks; /* given so far: the number of the next */
};

struct hkl_trace_error {
    char text[200]; /* one line; begins with "byte N: " unless the file could not be read */
};

/* Opens and checks the trace in `file`, which must live as long as the trace. False, with *error
 * set, when it cannot be read, is damaged, or is no trace. */
bool hkl_trace_open(struct hkl_trace *trace, const char *file, struct hkl_trace_error *error);

/* The next call of an opened trace; false at the end. */
bool hkl_trace_next(const struct hkl_trace *trace, struct hkl_trace_cursor *cursor,
                    struct hkl_trace_call *call);

void hkl_trace_close(struct hkl_trace *trace);

#endif
