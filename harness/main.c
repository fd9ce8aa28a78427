/* hkl-driver: measures one scenario in this process, under whatever allocator the process has, and
 * writes one JSON record. docs/parts.md has the contract. */
#include "harness/arena.h"
#include "harness/callgrind.h"
#include "harness/catalogue.h"
#include "harness/fail.h"
#include "harness/gbench.h"
#include "harness/options.h"
#include "harness/record.h"
#include "harness/windows.h"

#include <fcntl.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int print_help(void) {
    const size_t length = strlen(hkl_options_help);
    return write(STDOUT_FILENO, hkl_options_help, length) == (ssize_t)length ? 0 : errno;
}

/* Opens the file of a long timeline before anything is measured; -1 when the record will hold it.
 */
static int open_timeline(const char *path, uint64_t total) {
    if (!path || total <= HKL_TIMELINE_INLINE)
        return -1;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        hkl_fail(HKL_EXIT_USAGE, "--timeline '%s': must be a file that can be written: %s", path,
                 strerror(errno));
    return fd;
}

static void measure(const struct hkl_options *options) {
    if (options->record_fd > STDERR_FILENO) /* whoever reads it started us: no one else would */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    static struct hkl_run run; /* zeroed */
    run.scenario = options->scenario;
    run.params = options->params;
    run.warmup = options->warmup;
    run.total = options->warmup + options->iters;
    run.perf = options->perf;
    run.callgrind = hkl_callgrind_present();
    const int timeline_fd = open_timeline(options->timeline, run.total);
    run.timeline = hkl_map(run.total * sizeof *run.timeline);
    if (!run.timeline)
        hkl_fail(HKL_EXIT_FAILED, "no memory for the times of %llu iterations: %s",
                 (unsigned long long)run.total, strerror(errno));
    hkl_allocator_stats_find(&run.stats);

    const uint64_t done = hkl_gbench_run(run.scenario->name, run.total, hkl_run_iteration, &run);
    if (done != run.total)
        hkl_fail(HKL_EXIT_FAILED, "Google Benchmark ran %llu of %llu iterations",
                 (unsigned long long)done, (unsigned long long)run.total);
    run.scenario->teardown(run.state);
    run.memory_after = hkl_process_memory();

    int error = 0;
    if (timeline_fd >= 0) {
        error = hkl_record_timeline(&run, timeline_fd);
        if (close(timeline_fd) != 0 && !error)
            error = errno;
        if (error)
            hkl_fail(HKL_EXIT_FAILED, "cannot write '%s': %s", options->timeline, strerror(error));
    }
    error = hkl_record_write(&run, timeline_fd >= 0 ? options->timeline : NULL, options->record_fd);
    if (error)
        hkl_fail(HKL_EXIT_FAILED, "cannot write the record: %s", strerror(error));
}

int main(int argc, char **argv) {
    struct hkl_options options;
    signal(SIGPIPE, SIG_IGN); /* a reader that is gone is an error of the write */
    hkl_options_parse(&options, argc, argv);
    if (options.help || options.list) {
        const int error = options.help ? print_help() : hkl_catalogue_print(STDOUT_FILENO);
        if (error)
            hkl_fail(HKL_EXIT_FAILED, "cannot write to stdout: %s", strerror(error));
        return 0;
    }
    measure(&options);
    return 0;
}
