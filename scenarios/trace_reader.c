/* The one reader of trace files. A file is data from somebody else: every number is checked before
 * it is used, the table of live blocks is no larger than the file lets it be, and what is wrong is
 * told with the offset of the byte from which it is wrong. */
#include "scenarios/trace_reader.h"

#include "harness/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VARINT_BITS = 7, VARINT_MORE = 0x80 };

/* What one tag in the body says: a call, or whose calls follow (op HKL_TRACE_THREAD). */
struct item {
    uint8_t op;
    uint64_t value; /* of the tag */
    uint64_t size;  /* what follows for HKL_TRACE_ALIGNED and HKL_TRACE_REALLOC */
};

static bool refuse(struct hkl_trace_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct hkl_trace_error *error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return false;
}

static uint64_t little_endian(const uint8_t *bytes, unsigned count) {
    uint64_t value = 0;
    while (count--)
        value = value << 8 | bytes[count];
    return value;
}

/* Reads a number, 7 bits a byte, the lowest first. False when it is cut off, too large for the
 * format, or longer than needed. */
static bool read_number(const uint8_t **at, const uint8_t *end, uint64_t *number) {
    uint64_t value = 0;
    for (unsigned shift = 0; *at < end && shift < 63; shift += VARINT_BITS) {
        const uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & (VARINT_MORE - 1)) << shift;
        if (!(byte & VARINT_MORE)) {
            *number = value;
            return byte || !shift;
        }
    }
    return false;
}

/* Reads the item at *at and moves on. False when there is none. */
static bool read_item(const uint8_t **at, const uint8_t *end, struct item *item) {
    if (*at == end)
        return false;
    const uint8_t tag = *(*at)++;
    uint64_t more = 0;
    item->op = tag & ((1 << HKL_TRACE_OP_BITS) - 1);
    item->value = tag >> HKL_TRACE_OP_BITS;
    item->size = 0;
    if (item->op < HKL_TRACE_MALLOC || item->op > HKL_TRACE_THREAD)
        return false;
    if (item->value == HKL_TRACE_VALUE_MORE) {
        if (!read_number(at, end, &more))
            return false;
        item->value += more;
    }
    if (item->op == HKL_TRACE_ALIGNED || item->op == HKL_TRACE_REALLOC)
        return read_number(at, end, &item->size);
    return true;
}

/* The call that an item stands for; the item's ranges are right. */
static void make_call(const struct item *item, struct hkl_trace_cursor *cursor,
                      struct hkl_trace_call *call) {
    *call = (struct hkl_trace_call){
        .op = (enum hkl_trace_op)item->op,
        .thread = cursor->thread,
        .block = HKL_TRACE_NO_BLOCK,
        .old = HKL_TRACE_NO_BLOCK,
    };
    switch (call->op) {
    case HKL_TRACE_MALLOC:
    case HKL_TRACE_CALLOC:
        call->size = item->value;
        break;
    case HKL_TRACE_ALIGNED:
        call->align = UINT64_C(1) << item->value;
        call->size = item->size;
        break;
    case HKL_TRACE_REALLOC:
        call->size = item->size;
        /* fall through */
    case HKL_TRACE_FREE:
        if (item->value)
            call->old = cursor->blocks - (uint32_t)item->value;
        break;
    case HKL_TRACE_THREAD:
        break;
    }
    if (call->op != HKL_TRACE_FREE)
        call->block = cursor->blocks++;
}

bool hkl_trace_next(const struct hkl_trace *trace, struct hkl_trace_cursor *cursor,
                    struct hkl_trace_call *call) {
    const uint8_t *body = trace->bytes + HKL_TRACE_HEADER;
    const uint8_t *at = body + cursor->at;
    struct item item;
    bool found;
    while ((found = read_item(&at, trace->bytes + trace->size, &item)) &&
           item.op == HKL_TRACE_THREAD)
        cursor->thread = (uint32_t)item.value;
    cursor->at = (size_t)(at - body);
    if (found)
        make_call(&item, cursor, call);
    return found;
}

/* ---- checking ---- */

/* The sums over the calls so far, to be compared with the header's. */
struct account {
    uint64_t calls, live, bytes_asked, live_bytes, peak_bytes;
    uint32_t threads;
};

/* Size of a live block plus one; 0: not live. */
typedef uint64_t life;

static bool check_header(struct hkl_trace *trace, struct hkl_trace_error *error) {
    const uint8_t *bytes = trace->bytes;
    if (trace->size < HKL_TRACE_HEADER)
        return refuse(error, "byte %zu: the file ends inside the header of %d bytes", trace->size,
                      HKL_TRACE_HEADER);
    if (memcmp(bytes, HKL_TRACE_MAGIC, strlen(HKL_TRACE_MAGIC)) != 0)
        return refuse(error, "byte 0: not a trace: it does not begin with %s", HKL_TRACE_MAGIC);
    const uint64_t version = little_endian(bytes + HKL_TRACE_AT_VERSION, 4);
    if (version != HKL_TRACE_VERSION)
        return refuse(error, "byte %d: version %" PRIu64 "; this program reads version %d",
                      HKL_TRACE_AT_VERSION, version, HKL_TRACE_VERSION);
    if (little_endian(bytes + HKL_TRACE_AT_HEADER_CRC, 4) !=
        hkl_trace_crc32(0, bytes, HKL_TRACE_AT_HEADER_CRC))
        return refuse(error, "byte %d: the header is damaged: its checksum differs",
                      HKL_TRACE_AT_HEADER_CRC);
    trace->threads = (uint32_t)little_endian(bytes + HKL_TRACE_AT_THREADS, 4);
    trace->calls = little_endian(bytes + HKL_TRACE_AT_CALLS, 8);
    trace->blocks = little_endian(bytes + HKL_TRACE_AT_BLOCKS, 8);
    trace->live = little_endian(bytes + HKL_TRACE_AT_LIVE, 8);
    trace->bytes_asked = little_endian(bytes + HKL_TRACE_AT_BYTES, 8);
    trace->peak_bytes = little_endian(bytes + HKL_TRACE_AT_PEAK, 8);
    const uint64_t length = little_endian(bytes + HKL_TRACE_AT_LENGTH, 8);
    const uint64_t there = trace->size - HKL_TRACE_HEADER;
    if (there < length)
        return refuse(error, "byte %zu: the file ends; the header announces %" PRIu64 " bytes more",
                      trace->size, length - there);
    if (there > length)
        return refuse(error, "byte %" PRIu64 ": %" PRIu64 " bytes follow the end of the trace",
                      HKL_TRACE_HEADER + length, there - length);
    if (little_endian(bytes + HKL_TRACE_AT_BODY_CRC, 4) !=
        hkl_trace_crc32(0, bytes + HKL_TRACE_HEADER, length))
        return refuse(error, "byte %d: the calls are damaged: their checksum differs",
                      HKL_TRACE_AT_BODY_CRC);
    if (!trace->threads || trace->threads > HKL_TRACE_MAX_THREADS)
        return refuse(error, "byte %d: %" PRIu32 " threads; must be from 1 to %d",
                      HKL_TRACE_AT_THREADS, trace->threads, HKL_TRACE_MAX_THREADS);
    /* A call takes a byte or more: no number below is larger than the file. */
    if (!trace->calls || trace->calls > length || trace->calls > HKL_TRACE_MAX_CALLS)
        return refuse(error, "byte %d: %" PRIu64 " calls; must be from 1 to %" PRIu64,
                      HKL_TRACE_AT_CALLS, trace->calls, length);
    if (trace->blocks > trace->calls)
        return refuse(error, "byte %d: %" PRIu64 " blocks from %" PRIu64 " calls",
                      HKL_TRACE_AT_BLOCKS, trace->blocks, trace->calls);
    return true;
}

/* Why the item cannot follow what went before; NULL: it can. */
static const char *problem_of(const struct item *item, const struct hkl_trace *trace,
                              const struct hkl_trace_cursor *cursor, const struct account *account,
                              const life *lives) {
    switch ((enum hkl_trace_op)item->op) {
    case HKL_TRACE_MALLOC:
    case HKL_TRACE_CALLOC:
        if (item->value > HKL_TRACE_MAX_SIZE)
            return "a size over the limit";
        break;
    case HKL_TRACE_ALIGNED:
        if (item->value > HKL_TRACE_MAX_ALIGN_BITS)
            return "an alignment over the limit";
        break;
    case HKL_TRACE_THREAD:
        if (item->value > account->threads || item->value >= trace->threads)
            return "a thread out of turn";
        return item->value == cursor->thread ? "a change to the same thread" : NULL;
    case HKL_TRACE_REALLOC:
    case HKL_TRACE_FREE:
        if (item->value > cursor->blocks)
            return "a block from before the beginning";
        if (item->value && !lives[cursor->blocks - item->value])
            return "a block that is not live";
        if (item->op == HKL_TRACE_REALLOC && item->value && !item->size)
            return "a realloc to 0 bytes";
        break;
    }
    if (item->size > HKL_TRACE_MAX_SIZE)
        return "a size over the limit";
    if (account->calls == trace->calls)
        return "more calls than the header says";
    if (item->op != HKL_TRACE_FREE && cursor->blocks == trace->blocks)
        return "more blocks than the header says";
    return NULL;
}

static void add_call(struct account *account, const struct hkl_trace_call *call, life *lives) {
    account->calls++;
    if (call->thread == account->threads)
        account->threads++;
    if (call->old != HKL_TRACE_NO_BLOCK) {
        account->live--;
        account->live_bytes -= lives[call->old] - 1;
        lives[call->old] = 0;
    }
    if (call->block != HKL_TRACE_NO_BLOCK) {
        account->live++;
        account->bytes_asked += call->size;
        account->live_bytes += call->size;
        lives[call->block] = call->size + 1;
    }
    if (account->live_bytes > account->peak_bytes)
        account->peak_bytes = account->live_bytes;
}

static bool check_sum(const char *what, int at, uint64_t said, uint64_t counted,
                      struct hkl_trace_error *error) {
    return said == counted || refuse(error, "byte %d: %" PRIu64 " %s, but the calls have %" PRIu64,
                                     at, said, what, counted);
}

static bool check_calls(const struct hkl_trace *trace, life *lives, struct hkl_trace_error *error) {
    const uint8_t *at = trace->bytes + HKL_TRACE_HEADER;
    const uint8_t *end = trace->bytes + trace->size;
    struct hkl_trace_cursor cursor = {0};
    struct account account = {0};
    while (at < end) {
        const size_t offset = (size_t)(at - trace->bytes);
        struct item item;
        if (!read_item(&at, end, &item))
            return refuse(error, "byte %zu: not a call", offset);
        const char *problem = problem_of(&item, trace, &cursor, &account, lives);
        if (problem)
            return refuse(error, "byte %zu: %s", offset, problem);
        if (item.op == HKL_TRACE_THREAD) {
            cursor.thread = (uint32_t)item.value;
            continue;
        }
        struct hkl_trace_call call;
        make_call(&item, &cursor, &call);
        add_call(&account, &call, lives);
    }
    return check_sum("threads", HKL_TRACE_AT_THREADS, trace->threads, account.threads, error) &&
           check_sum("calls", HKL_TRACE_AT_CALLS, trace->calls, account.calls, error) &&
           check_sum("blocks", HKL_TRACE_AT_BLOCKS, trace->blocks, cursor.blocks, error) &&
           check_sum("live blocks", HKL_TRACE_AT_LIVE, trace->live, account.live, error) &&
           check_sum("bytes", HKL_TRACE_AT_BYTES, trace->bytes_asked, account.bytes_asked, error) &&
           check_sum("bytes at the peak", HKL_TRACE_AT_PEAK, trace->peak_bytes, account.peak_bytes,
                     error);
}

static bool check(struct hkl_trace *trace, struct hkl_trace_error *error) {
    if (!check_header(trace, error))
        return false;
    const size_t size = (trace->blocks + 1) * sizeof(life);
    life *lives = hkl_map(size);
    if (!lives)
        return refuse(error, "no memory to check it: %s", strerror(errno));
    const bool right = check_calls(trace, lives, error);
    hkl_unmap(lives, size);
    return right;
}

/* Maps the file; an empty one is bytes NULL, size 0. */
static bool map_file(struct hkl_trace *trace, struct hkl_trace_error *error) {
    struct stat status;
    const int fd = open(trace->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse(error, "cannot be read: %s", strerror(errno));
    int problem = fstat(fd, &status) != 0 ? errno : 0;
    if (!problem && !S_ISREG(status.st_mode)) {
        close(fd);
        return refuse(error, "is not a file");
    }
    if (!problem && status.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED) {
            problem = errno;
        } else {
            trace->bytes = bytes;
            trace->size = (size_t)status.st_size;
        }
    }
    close(fd);
    return !problem || refuse(error, "cannot be read: %s", strerror(problem));
}

bool hkl_trace_open(struct hkl_trace *trace, const char *file, struct hkl_trace_error *error) {
    *trace = (struct hkl_trace){.file = file};
    if (!map_file(trace, error))
        return false;
    if (check(trace, error))
        return true;
    hkl_trace_close(trace);
    return false;
}

void hkl_trace_close(struct hkl_trace *trace) {
    if (trace->bytes)
        munmap((void *)trace->bytes, trace->size);
    trace->bytes = NULL;
}
