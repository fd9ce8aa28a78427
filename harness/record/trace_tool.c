/* hkl-trace: packs a raw recording into a trace, checks a trace, or prints its calls.
 *
 *   hkl-trace --pack RAW TRACE    one JSON object on stdout, as --check, and what the trace lacks
 *   hkl-trace --check TRACE       one JSON object: the sums of the trace
 *   hkl-trace --dump TRACE        one line a call: thread, call, block, old block, bytes, alignment
 *
 * Exit status: 0; 1 when there is nothing to pack or the output cannot be written; 2 on bad
 * arguments and on a trace that is refused. One line on stderr says why. */
#include "harness/json.h"
#include "harness/record/pack.h"
#include "scenarios/trace_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_FAILED = 1, EXIT_REFUSED = 2 };

static int cannot_print(int error) {
    fprintf(stderr, "hkl-trace: cannot write to stdout: %s\n", strerror(error));
    return EXIT_FAILED;
}

static bool open_trace(struct hkl_trace *trace, const char *file) {
    struct hkl_trace_error error;
    if (hkl_trace_open(trace, file, &error))
        return true;
    fprintf(stderr, "hkl-trace: %s: %s\n", file, error.text);
    return false;
}

/* `notes`: of packing, or NULL. */
static int print_sums(const struct hkl_trace *trace, const struct hkl_pack_notes *notes) {
    struct hkl_json json;
    hkl_json_start(&json, STDOUT_FILENO);
    hkl_json_open(&json, NULL, '{');
    hkl_json_unsigned(&json, "version", HKL_TRACE_VERSION);
    hkl_json_unsigned(&json, "threads", trace->threads);
    hkl_json_unsigned(&json, "calls", trace->calls);
    hkl_json_unsigned(&json, "blocks", trace->blocks);
    hkl_json_unsigned(&json, "live", trace->live);
    hkl_json_unsigned(&json, "bytes", trace->bytes_asked);
    hkl_json_unsigned(&json, "peak_bytes", trace->peak_bytes);
    hkl_json_unsigned(&json, "file_bytes", trace->size);
    if (notes) {
        hkl_json_unsigned(&json, "recorded_threads", notes->threads);
        hkl_json_unsigned(&json, "unknown_frees", notes->unknown_frees);
        hkl_json_unsigned(&json, "missed_frees", notes->missed_frees);
    }
    hkl_json_close(&json, '}');
    const int error = hkl_json_finish(&json);
    return error ? cannot_print(error) : 0;
}

static void print_block(uint32_t block) {
    if (block == HKL_TRACE_NO_BLOCK)
        fputs("\t-", stdout);
    else
        printf("\t%" PRIu32, block);
}

static int dump(const struct hkl_trace *trace) {
    static const char *const names[] = {
        [HKL_TRACE_MALLOC] = "malloc",   [HKL_TRACE_CALLOC] = "calloc",
        [HKL_TRACE_ALIGNED] = "aligned", [HKL_TRACE_REALLOC] = "realloc",
        [HKL_TRACE_FREE] = "free",
    };
    struct hkl_trace_cursor cursor = {0};
    struct hkl_trace_call call;
    while (hkl_trace_next(trace, &cursor, &call)) {
        printf("%" PRIu32 "\t%s", call.thread, names[call.op]);
        print_block(call.block);
        print_block(call.old);
        printf("\t%" PRIu64 "\t%" PRIu64 "\n", call.size, call.align);
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : cannot_print(EIO);
}

static int pack(const char *raw, const char *out) {
    struct hkl_pack_notes notes;
    struct hkl_pack_error error;
    struct hkl_trace trace;
    if (!hkl_pack(raw, out, &notes, &error)) {
        fprintf(stderr, "hkl-trace: %s\n", error.text);
        return EXIT_FAILED;
    }
    return open_trace(&trace, out) ? print_sums(&trace, &notes) : EXIT_FAILED;
}

int main(int argc, char **argv) {
    struct hkl_trace trace;
    if (argc == 4 && strcmp(argv[1], "--pack") == 0)
        return pack(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "--check") == 0)
        return open_trace(&trace, argv[2]) ? print_sums(&trace, NULL) : EXIT_REFUSED;
    if (argc == 3 && strcmp(argv[1], "--dump") == 0)
        return open_trace(&trace, argv[2]) ? dump(&trace) : EXIT_REFUSED;
    fputs("hkl-trace: must be --pack RAW TRACE, --check TRACE or --dump TRACE\n", stderr);
    return EXIT_REFUSED;
}
