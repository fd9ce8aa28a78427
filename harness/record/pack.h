/* Makes a trace file (docs/trace-format.md) of a raw recording (raw.h). */
#ifndef HKL_RECORD_PACK_H
#define HKL_RECORD_PACK_H

#include <stdbool.h>
#include <stdint.h>

/* What a recording had that its trace cannot show. */
struct hkl_pack_notes {
    uint64_t threads; /* that called; more than HKL_TRACE_MAX_THREADS share numbers */
    uint64_t
        unknown_frees;     /* of blocks from before the recording, or another allocator: left out */
    uint64_t missed_frees; /* not seen, but the address came again: put in */
};

struct hkl_pack_error {
    char text[300]; /* one line */
};

/* Writes the trace of raw file `raw` to `out`, whole or not at all. False with *error set when the
 * raw file holds no whole recording, or `out` cannot be written. */
bool hkl_pack(const char *raw, const char *out, struct hkl_pack_notes *notes,
              struct hkl_pack_error *error);

#endif
