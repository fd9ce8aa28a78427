/* Turns the addresses of a raw recording into numbers of blocks, and its fixed-size events into the
 * compact body of a trace. Runs after the recorded program has ended, so it may use malloc, and it
 * holds the whole trace in memory. */
#include "harness/record/pack.h"

#include "harness/record/raw.h"
#include "scenarios/trace_format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Stands for HKL_RAW_REALLOC_END once its begin has been packed; aux: number of the block. */
enum { REALLOC_PACKED = HKL_RAW_REALLOC_END + 1 };

enum { OP_MASK = (1 << HKL_RAW_OP_BITS) - 1, FIRST_PLACES = 1 << 12, NO_LANE = -1 };

/* A live block; address 0: an empty place of the table. */
struct block {
    uint64_t address;
    uint64_t size;
    uint64_t number;
};

struct packer {
    struct hkl_raw_event *events;
    uint64_t count;
    /* Live blocks by address: open addressing, at most half full. */
    struct block *places;
    size_t places_count; /* a power of two */
    size_t live;
    /* Number in the trace plus one by number in the recording; 0: no call packed yet. */
    uint32_t *lanes;
    size_t lanes_count;
    int64_t lane; /* whose calls are being written */
    /* The trace: header, then body. */
    uint8_t *bytes;
    size_t used, room;
    uint64_t calls, blocks, bytes_asked, live_bytes, peak_bytes;
    struct hkl_pack_notes notes;
};

static bool fail(struct hkl_pack_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(struct hkl_pack_error *error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return false;
}

/* Memory that the packer cannot go on without. */
static void *need(void *memory) {
    if (!memory) {
        static const char line[] = "hkl-trace: no memory to pack the recording\n";
        ssize_t written = write(STDERR_FILENO, line, sizeof line - 1);
        (void)written; /* nobody is left to tell */
        _exit(1);
    }
    return memory;
}

/* ---- live blocks by address ---- */

static size_t home_of(const struct packer *packer, uint64_t address) {
    return (size_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (packer->places_count - 1);
}

/* The block at `address`, or the empty place where it would be. */
static struct block *place_of(const struct packer *packer, uint64_t address) {
    size_t i = home_of(packer, address);
    while (packer->places[i].address && packer->places[i].address != address)
        i = (i + 1) & (packer->places_count - 1);
    return &packer->places[i];
}

static void grow_places(struct packer *packer) {
    struct block *old = packer->places;
    const size_t count = packer->places_count;
    packer->places_count = count ? 2 * count : FIRST_PLACES;
    packer->places = need(calloc(packer->places_count, sizeof *packer->places));
    for (size_t i = 0; i < count; i++)
        if (old[i].address)
            *place_of(packer, old[i].address) = old[i];
    free(old);
}

static void remove_block(struct packer *packer, struct block *block) {
    const size_t mask = packer->places_count - 1;
    size_t hole = (size_t)(block - packer->places);
    packer->live--;
    /* Those that follow move up unless the hole lies before their home. */
    for (size_t i = (hole + 1) & mask; packer->places[i].address; i = (i + 1) & mask)
        if (((i - home_of(packer, packer->places[i].address)) & mask) >= ((i - hole) & mask)) {
            packer->places[hole] = packer->places[i];
            hole = i;
        }
    packer->places[hole].address = 0;
}

/* ---- the body ---- */

static void put(struct packer *packer, uint8_t byte) {
    if (packer->used == packer->room) {
        packer->room = packer->room ? 2 * packer->room : FIRST_PLACES;
        packer->bytes = need(realloc(packer->bytes, packer->room));
    }
    packer->bytes[packer->used++] = byte;
}

static void put_number(struct packer *packer, uint64_t number) {
    for (; number >= 0x80; number >>= 7)
        put(packer, (uint8_t)(number | 0x80));
    put(packer, (uint8_t)number);
}

static void put_item(struct packer *packer, enum hkl_trace_op op, uint64_t value) {
    const uint64_t inside = value < HKL_TRACE_VALUE_MORE ? value : HKL_TRACE_VALUE_MORE;
    put(packer, (uint8_t)(inside << HKL_TRACE_OP_BITS | op));
    if (inside == HKL_TRACE_VALUE_MORE)
        put_number(packer, value - HKL_TRACE_VALUE_MORE);
}

/* Writes the beginning of a call by the thread of `event`. */
static void put_call(struct packer *packer, const struct hkl_raw_event *event, enum hkl_trace_op op,
                     uint64_t value) {
    const size_t thread = (size_t)(event->tag >> HKL_RAW_OP_BITS);
    if (thread >= packer->lanes_count) {
        const size_t count = 2 * thread + 1;
        packer->lanes = need(reallocarray(packer->lanes, count, sizeof *packer->lanes));
        memset(packer->lanes + packer->lanes_count, 0,
               (count - packer->lanes_count) * sizeof *packer->lanes);
        packer->lanes_count = count;
    }
    if (!packer->lanes[thread])
        packer->lanes[thread] = (uint32_t)(packer->notes.threads++ % HKL_TRACE_MAX_THREADS) + 1;
    const int64_t lane = packer->lanes[thread] - 1;
    if (lane != packer->lane)
        put_item(packer, HKL_TRACE_THREAD, (uint64_t)lane);
    packer->lane = lane;
    put_item(packer, op, value);
    packer->calls++;
}

/* Accounts for a new block of `size` bytes and returns its number. */
static uint64_t count_block(struct packer *packer, uint64_t size) {
    packer->bytes_asked += size;
    packer->live_bytes += size;
    if (packer->live_bytes > packer->peak_bytes)
        packer->peak_bytes = packer->live_bytes;
    return packer->blocks++;
}

static void pack_free(struct packer *packer, const struct hkl_raw_event *event,
                      struct block *block) {
    put_call(packer, event, HKL_TRACE_FREE, packer->blocks - block->number);
    packer->live_bytes -= block->size;
    remove_block(packer, block);
}

/* From now on block `number` is what lies at the event's address. A block that lies there already
 * must have been freed where the recorder did not see it: that is put in. */
static void bind(struct packer *packer, const struct hkl_raw_event *event, uint64_t size,
                 uint64_t number) {
    if (2 * (packer->live + 1) > packer->places_count)
        grow_places(packer);
    struct block *place = place_of(packer, event->address);
    if (place->address) {
        packer->notes.missed_frees++;
        pack_free(packer, event, place);
        place = place_of(packer, event->address);
    }
    *place = (struct block){event->address, size, number};
    packer->live++;
}

static struct block *find(struct packer *packer, uint64_t address) {
    struct block *block = packer->places_count ? place_of(packer, address) : NULL;
    return block && block->address ? block : NULL;
}

static unsigned log2_of(uint64_t align) {
    unsigned bits = 0;
    while (bits < HKL_TRACE_MAX_ALIGN_BITS && UINT64_C(1) << bits < align)
        bits++;
    return bits;
}

/* `event` begins a realloc whose end is in aux, if it came to an end. */
static void pack_realloc(struct packer *packer, const struct hkl_raw_event *event) {
    if (event->aux >= packer->count)
        return; /* the process ended inside */
    struct hkl_raw_event *end = &packer->events[event->aux];
    struct block *old = find(packer, event->address);
    if (!old)
        packer->notes.unknown_frees++;
    if (!end->address) { /* to 0 bytes it was a free; else it failed and changed nothing */
        if (old && !end->size)
            pack_free(packer, event, old);
        end->tag = HKL_RAW_NONE;
        return;
    }
    /* What realloc to 0 bytes does is each allocator's own matter; here it gave a block. */
    const uint64_t size = end->size || !old ? end->size : 1;
    put_call(packer, event, HKL_TRACE_REALLOC, old ? packer->blocks - old->number : 0);
    put_number(packer, size);
    if (old) {
        packer->live_bytes -= old->size;
        remove_block(packer, old);
    }
    end->tag = (end->tag & ~(uint64_t)OP_MASK) | REALLOC_PACKED;
    end->aux = count_block(packer, size);
    end->size = size;
}

static void pack_event(struct packer *packer, struct hkl_raw_event *event) {
    struct block *block;
    switch (event->tag & OP_MASK) {
    case HKL_RAW_MALLOC:
        put_call(packer, event, HKL_TRACE_MALLOC, event->size);
        break;
    case HKL_RAW_CALLOC:
        put_call(packer, event, HKL_TRACE_CALLOC, event->size);
        break;
    case HKL_RAW_ALIGNED:
        put_call(packer, event, HKL_TRACE_ALIGNED, log2_of(event->aux));
        put_number(packer, event->size);
        break;
    case HKL_RAW_REALLOC_END: /* of NULL */
        put_call(packer, event, HKL_TRACE_REALLOC, 0);
        put_number(packer, event->size);
        break;
    case HKL_RAW_REALLOC_BEGIN:
        pack_realloc(packer, event);
        return;
    case REALLOC_PACKED:
        bind(packer, event, event->size, event->aux);
        return;
    case HKL_RAW_FREE:
        block = find(packer, event->address);
        if (block)
            pack_free(packer, event, block);
        else if (!event->address)
            put_call(packer, event, HKL_TRACE_FREE, 0);
        else
            packer->notes.unknown_frees++;
        return;
    default: /* HKL_RAW_NONE */
        return;
    }
    bind(packer, event, event->size, count_block(packer, event->size));
}

/* Lets each begin of a realloc know its end. */
static void link_reallocs(struct packer *packer) {
    for (uint64_t i = 0; i < packer->count; i++) {
        struct hkl_raw_event *event = &packer->events[i];
        const uint64_t op = event->tag & OP_MASK;
        if (op == HKL_RAW_REALLOC_BEGIN)
            event->aux = HKL_RAW_NO_BEGIN;
        else if (op == HKL_RAW_REALLOC_END && event->aux < i)
            packer->events[event->aux].aux = i;
    }
}

/* ---- files ---- */

static void set_field(struct packer *packer, int at, unsigned count, uint64_t value) {
    for (unsigned i = 0; i < count; i++)
        packer->bytes[at + (int)i] = (uint8_t)(value >> (8 * i));
}

static void fill_header(struct packer *packer) {
    const uint64_t threads = packer->notes.threads;
    const uint64_t length = packer->used - HKL_TRACE_HEADER;
    memcpy(packer->bytes, HKL_TRACE_MAGIC, HKL_TRACE_AT_VERSION);
    set_field(packer, HKL_TRACE_AT_VERSION, 4, HKL_TRACE_VERSION);
    set_field(packer, HKL_TRACE_AT_THREADS, 4,
              threads < HKL_TRACE_MAX_THREADS ? threads : HKL_TRACE_MAX_THREADS);
    set_field(packer, HKL_TRACE_AT_CALLS, 8, packer->calls);
    set_field(packer, HKL_TRACE_AT_BLOCKS, 8, packer->blocks);
    set_field(packer, HKL_TRACE_AT_LIVE, 8, packer->live);
    set_field(packer, HKL_TRACE_AT_BYTES, 8, packer->bytes_asked);
    set_field(packer, HKL_TRACE_AT_PEAK, 8, packer->peak_bytes);
    set_field(packer, HKL_TRACE_AT_LENGTH, 8, length);
    set_field(packer, HKL_TRACE_AT_BODY_CRC, 4,
              hkl_trace_crc32(0, packer->bytes + HKL_TRACE_HEADER, length));
    set_field(packer, HKL_TRACE_AT_HEADER_CRC, 4,
              hkl_trace_crc32(0, packer->bytes, HKL_TRACE_AT_HEADER_CRC));
}

/* Writes and closes; errno of what went wrong, or 0. */
static int write_all(int fd, const uint8_t *bytes, size_t count) {
    int problem = 0;
    while (count && !problem) {
        const ssize_t written = write(fd, bytes, count);
        if (written < 0 && errno != EINTR)
            problem = errno;
        if (written > 0) {
            bytes += written;
            count -= (size_t)written;
        }
    }
    if (close(fd) != 0 && !problem)
        problem = errno;
    return problem;
}

static bool write_trace(const struct packer *packer, const char *out,
                        struct hkl_pack_error *error) {
    char *part = need(malloc(strlen(out) + sizeof ".XXXXXX"));
    sprintf(part, "%s.XXXXXX", out);
    const int fd = mkstemp(part);
    int problem = fd < 0 ? errno : 0;
    if (!problem) {
        const mode_t mask = umask(0);
        umask(mask);
        (void)fchmod(fd, 0666 & ~mask); /* else it stays the owner's alone */
        problem = write_all(fd, packer->bytes, packer->used);
        if (!problem && rename(part, out) != 0)
            problem = errno;
        if (problem)
            unlink(part);
    }
    free(part);
    return !problem || fail(error, "cannot write '%s': %s", out, strerror(problem));
}

/* Maps the raw file so that it can be changed here, not on the disk. NULL with *error set. */
static char *map_raw(const char *raw, size_t *size, struct hkl_pack_error *error) {
    struct stat status;
    char *bytes = NULL;
    const int fd = open(raw, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        fail(error, "cannot read '%s': %s", raw, strerror(errno));
    } else if (status.st_size < HKL_RAW_HEADER) {
        fail(error, "nothing was recorded: the recorder was not loaded (a program that is linked "
                    "statically, or runs with another user's rights), or could not begin");
    } else {
        *size = (size_t)status.st_size;
        bytes = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED) {
            fail(error, "cannot read '%s': %s", raw, strerror(errno));
            bytes = NULL;
        }
    }
    if (fd >= 0)
        close(fd);
    return bytes;
}

static bool check_raw(const struct hkl_raw_header *header, struct hkl_pack_error *error) {
    if (memcmp(header->magic, HKL_RAW_MAGIC, sizeof header->magic) != 0)
        return fail(error, "not a raw recording of this version");
    if (header->failure)
        return fail(error, "the recording ended early: the raw file could not grow: %s",
                    strerror((int)header->failure));
    return true;
}

static bool pack_events(struct packer *packer, struct hkl_pack_error *error) {
    link_reallocs(packer);
    for (int i = 0; i < HKL_TRACE_HEADER; i++)
        put(packer, 0);
    for (uint64_t i = 0; i < packer->count; i++) {
        const struct hkl_raw_event *event = &packer->events[i];
        if (event->address && event->size > HKL_TRACE_MAX_SIZE) /* no address: a failed realloc */
            return fail(error, "a block of more than %llu bytes: a trace cannot hold it",
                        (unsigned long long)HKL_TRACE_MAX_SIZE);
        pack_event(packer, &packer->events[i]);
    }
    if (!packer->calls)
        return fail(error, "the program made no allocation call");
    if (packer->calls > HKL_TRACE_MAX_CALLS)
        return fail(error, "%llu calls: a trace holds at most %llu",
                    (unsigned long long)packer->calls, (unsigned long long)HKL_TRACE_MAX_CALLS);
    fill_header(packer);
    return true;
}

bool hkl_pack(const char *raw, const char *out, struct hkl_pack_notes *notes,
              struct hkl_pack_error *error) {
    size_t size;
    char *bytes = map_raw(raw, &size, error);
    if (!bytes)
        return false;
    struct packer packer = {
        .events = (struct hkl_raw_event *)(void *)(bytes + HKL_RAW_HEADER),
        .count = (size - HKL_RAW_HEADER) / sizeof(struct hkl_raw_event),
    };
    const bool done = check_raw((const struct hkl_raw_header *)(const void *)bytes, error) &&
                      pack_events(&packer, error) && write_trace(&packer, out, error);
    *notes = packer.notes;
    free(packer.places);
    free(packer.lanes);
    free(packer.bytes);
    munmap(bytes, size);
    return done;
}
