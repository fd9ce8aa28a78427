/* Parses and checks the command line in two steps: first which option has which text, then, knowing
 * the scenario and its defaults and limits, what each text means. */
#include "harness/options.h"

#include "harness/catalogue.h"
#include "harness/fail.h"
#include "scenarios/trace_reader.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char hkl_options_help[] =
    "hkl-driver --list\n"
    "hkl-driver --scenario NAME --iters N [--warmup N] [--size BYTES[K|M|G]] [--seed N]\n"
    "           [--threads N] [--slots N] [--batch N] [--limit PERCENT]\n"
    "           [--perf-control CTL_FD,ACK_FD] [--timeline FILE] [--record FD] [--trace FILE]\n"
    "Runs warmup + iters iterations of one scenario and writes one JSON record.\n";

enum {
    MAX_ITERS = 10000000, /* of warm-up, and of the rest; 8 bytes of timeline for each */
    MAX_SLOTS = 1 << 24,
    MAX_BATCH = 1000000000,
    MIN_LIMIT = 10,
    MAX_LIMIT = 10000, /* per cent */
    MAX_FD = 1 << 20,
};

enum option {
    SCENARIO,
    ITERS,
    WARMUP,
    SIZE,
    SEED,
    THREADS,
    SLOTS,
    BATCH,
    LIMIT,
    PERF_CONTROL,
    TIMELINE,
    RECORD,
    TRACE,
    OPTIONS
};

static const char *const names[OPTIONS] = {
    [SCENARIO] = "--scenario", [ITERS] = "--iters",
    [WARMUP] = "--warmup",     [SIZE] = "--size",
    [SEED] = "--seed",         [THREADS] = "--threads",
    [SLOTS] = "--slots",       [BATCH] = "--batch",
    [LIMIT] = "--limit",       [PERF_CONTROL] = "--perf-control",
    [TIMELINE] = "--timeline", [RECORD] = "--record",
    [TRACE] = "--trace",
};

/* Reads decimal digits up to the first other character; false when there are none or too many. */
static bool read_digits(const char **text, uint64_t *value) {
    const char *digit = *text;
    uint64_t sum = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        const uint64_t next = (uint64_t)(*digit - '0');
        if (sum > (UINT64_MAX - next) / 10)
            return false;
        sum = sum * 10 + next;
    }
    if (digit == *text)
        return false;
    *text = digit;
    *value = sum;
    return true;
}

static uint64_t whole_number(enum option option, const char *text, uint64_t min, uint64_t max) {
    const char *rest = text;
    uint64_t value;
    if (!read_digits(&rest, &value) || *rest || value < min || value > max)
        hkl_fail(HKL_EXIT_USAGE, "%s '%s': must be a whole number from %" PRIu64 " to %" PRIu64,
                 names[option], text, min, max);
    return value;
}

/* A number that has a default, which is always accepted, also below `min`. */
static uint64_t number_or(enum option option, const char *text, uint64_t fallback, uint64_t min,
                          uint64_t max) {
    const char *rest = text;
    uint64_t value;
    if (!text || (read_digits(&rest, &value) && !*rest && value == fallback))
        return fallback;
    return whole_number(option, text, min, max);
}

/* Digits and K, M, G (KiB, MiB, GiB) or nothing. */
static bool read_size(const char *text, uint64_t *bytes) {
    static const char suffixes[] = "KMG";
    uint64_t value;
    if (!read_digits(&text, &value))
        return false;
    if (*text) {
        const char *suffix = strchr(suffixes, *text);
        if (!suffix || text[1])
            return false;
        const unsigned shift = 10 * (unsigned)(suffix - suffixes + 1);
        if (value > UINT64_MAX >> shift)
            return false;
        value <<= shift;
    }
    *bytes = value;
    return true;
}

static uint64_t size_of_blocks(const char *text, const struct hkl_scenario *scenario) {
    uint64_t size;
    if (!text)
        return scenario->defaults.size;
    const bool valid = read_size(text, &size);
    if (valid && size == scenario->defaults.size)
        return size;
    if (!scenario->max_size)
        hkl_fail(HKL_EXIT_USAGE, "--size '%s': scenario %s has sizes of its own; leave it out",
                 text, scenario->name);
    if (!valid || size < scenario->min_size || size > scenario->max_size)
        hkl_fail(HKL_EXIT_USAGE,
                 "--size '%s': must be bytes from %" PRIu64 " to %" PRIu64
                 " for scenario %s; K, M or G after the number multiplies by 1024",
                 text, scenario->min_size, scenario->max_size, scenario->name);
    return size;
}

static uint32_t number_of_slots(const char *text, const struct hkl_scenario *scenario) {
    const uint32_t fallback = scenario->defaults.slots;
    if (text && !fallback && strcmp(text, "0") != 0)
        hkl_fail(HKL_EXIT_USAGE, "--slots '%s': scenario %s has no slots; leave it out", text,
                 scenario->name);
    return (uint32_t)number_or(SLOTS, text, fallback, 1, MAX_SLOTS);
}

static uint32_t memory_limit(const char *text, const struct hkl_scenario *scenario) {
    const uint32_t fallback = scenario->defaults.limit;
    if (text && !fallback && strcmp(text, "0") != 0)
        hkl_fail(HKL_EXIT_USAGE, "--limit '%s': scenario %s sets no limit; leave it out", text,
                 scenario->name);
    return (uint32_t)number_or(LIMIT, text, fallback, MIN_LIMIT, MAX_LIMIT);
}

/* Is `fd` open, and for `access` (O_RDONLY or O_WRONLY)? */
static bool is_open_for(int fd, int access) {
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return false;
    const int mode = flags & O_ACCMODE;
    return mode == access || mode == O_RDWR;
}

static int record_descriptor(const char *text) {
    if (!text)
        return STDOUT_FILENO;
    const int fd = (int)whole_number(RECORD, text, 0, MAX_FD);
    if (!is_open_for(fd, O_WRONLY))
        hkl_fail(HKL_EXIT_USAGE, "--record '%s': must be a descriptor that is open for writing",
                 text);
    return fd;
}

static struct hkl_perf_control perf_descriptors(const char *text) {
    struct hkl_perf_control perf = {-1, -1};
    if (!text)
        return perf;
    const char *rest = text;
    uint64_t control, answer;
    if (!read_digits(&rest, &control) || *rest++ != ',' || !read_digits(&rest, &answer) || *rest ||
        control > MAX_FD || answer > MAX_FD || !is_open_for((int)control, O_WRONLY) ||
        !is_open_for((int)answer, O_RDONLY))
        hkl_fail(HKL_EXIT_USAGE,
                 "%s '%s': must be CTL_FD,ACK_FD: an open descriptor to write to and one to read "
                 "from",
                 names[PERF_CONTROL], text);
    perf.control_fd = (int)control;
    perf.ack_fd = (int)answer;
    return perf;
}

static const struct hkl_scenario *scenario_called(const char *name) {
    const struct hkl_scenario *scenario = hkl_catalogue_find(name);
    if (!scenario) {
        const struct hkl_scenario *nearest = hkl_catalogue_nearest(name);
        hkl_fail(HKL_EXIT_USAGE,
                 "--scenario '%s': no such scenario; did you mean '%s'? --list shows all", name,
                 nearest ? nearest->name : "");
    }
    return scenario;
}

/* The trace that the scenario takes, checked; NULL when it takes none. */
static const struct hkl_trace *trace_of(const char *file, const struct hkl_scenario *scenario) {
    static struct hkl_trace trace;
    struct hkl_trace_error error;
    if (file && !scenario->takes_trace)
        hkl_fail(HKL_EXIT_USAGE, "--trace '%s': scenario %s takes no trace; leave it out", file,
                 scenario->name);
    if (!scenario->takes_trace)
        return NULL;
    if (!file)
        hkl_fail(HKL_EXIT_USAGE, "--trace: missing; scenario %s needs the file of a recording",
                 scenario->name);
    if (!hkl_trace_open(&trace, file, &error))
        hkl_fail(HKL_EXIT_USAGE, "--trace '%s': %s", file, error.text);
    return &trace;
}

/* A number that the trace decides: the user may repeat it, not change it. */
static uint64_t number_of_trace(enum option option, const char *text, uint64_t number) {
    const char *rest = text;
    uint64_t value;
    if (text && (!read_digits(&rest, &value) || *rest || value != number))
        hkl_fail(HKL_EXIT_USAGE, "%s '%s': the trace has %" PRIu64 "; leave it out", names[option],
                 text, number);
    return number;
}

/* Sorts the arguments into texts[], one for each option. */
static void collect(int argc, char **argv, const char *texts[OPTIONS]) {
    for (int i = 1; i < argc; i += 2) {
        int option = 0;
        while (option < OPTIONS && strcmp(argv[i], names[option]) != 0)
            option++;
        if (option == OPTIONS)
            hkl_fail(HKL_EXIT_USAGE, "'%s': no such option; --help shows all", argv[i]);
        if (i + 1 == argc)
            hkl_fail(HKL_EXIT_USAGE, "%s: must be followed by a value", argv[i]);
        if (texts[option])
            hkl_fail(HKL_EXIT_USAGE, "%s '%s': given twice; give it once", argv[i], argv[i + 1]);
        texts[option] = argv[i + 1];
    }
}

void hkl_options_parse(struct hkl_options *options, int argc, char **argv) {
    *options = (struct hkl_options){.record_fd = STDOUT_FILENO};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        options->help = true;
        return;
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        options->list = true;
        return;
    }
    const char *texts[OPTIONS] = {0};
    collect(argc, argv, texts);
    if (!texts[SCENARIO])
        hkl_fail(HKL_EXIT_USAGE,
                 "--scenario: missing; give the name of a scenario, --list shows all");
    if (!texts[ITERS])
        hkl_fail(HKL_EXIT_USAGE, "--iters: missing; give the number of iterations, 1 or more");

    const struct hkl_scenario *scenario = scenario_called(texts[SCENARIO]);
    const struct hkl_params *defaults = &scenario->defaults;
    const struct hkl_trace *trace = trace_of(texts[TRACE], scenario);
    options->scenario = scenario;
    options->iters = whole_number(ITERS, texts[ITERS], 1, MAX_ITERS);
    options->warmup = number_or(WARMUP, texts[WARMUP], scenario->warmup, 0, MAX_ITERS);
    options->params = (struct hkl_params){
        .size = size_of_blocks(texts[SIZE], scenario),
        .seed = number_or(SEED, texts[SEED], defaults->seed, 0, INT64_MAX),
        .threads = (uint32_t)(trace ? number_of_trace(THREADS, texts[THREADS], trace->threads)
                                    : number_or(THREADS, texts[THREADS], defaults->threads, 1,
                                                scenario->max_threads)),
        .slots = number_of_slots(texts[SLOTS], scenario),
        .batch = trace ? number_of_trace(BATCH, texts[BATCH], trace->calls + trace->live)
                       : number_or(BATCH, texts[BATCH], defaults->batch, 1, MAX_BATCH),
        .limit = memory_limit(texts[LIMIT], scenario),
        .trace = trace,
    };
    options->perf = perf_descriptors(texts[PERF_CONTROL]);
    options->record_fd = record_descriptor(texts[RECORD]);
    if (texts[TIMELINE] && !*texts[TIMELINE])
        hkl_fail(HKL_EXIT_USAGE, "--timeline '': must be the path of a file to write");
    options->timeline = texts[TIMELINE];
}
