/* Reads getrusage() and /proc with plain open and read into one buffer on the stack: stdio would
 * allocate. */
#include "harness/process.h"

#include "harness/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Large enough for all of /proc/self/status and for what is wanted of /proc/self/sched and
 * /proc/stat. */
enum { PROC_BUFFER = 4096 };

static int64_t timeval_ns(struct timeval time) {
    return (int64_t)time.tv_sec * 1000000000 + (int64_t)time.tv_usec * 1000;
}

struct hkl_usage hkl_process_usage(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (struct hkl_usage){
        .minflt = usage.ru_minflt,
        .majflt = usage.ru_majflt,
        .nvcsw = usage.ru_nvcsw,
        .nivcsw = usage.ru_nivcsw,
        .user_ns = timeval_ns(usage.ru_utime),
        .sys_ns = timeval_ns(usage.ru_stime),
    };
}

struct hkl_usage hkl_usage_since(const struct hkl_usage *later, const struct hkl_usage *earlier) {
    return (struct hkl_usage){
        .minflt = later->minflt - earlier->minflt,
        .majflt = later->majflt - earlier->majflt,
        .nvcsw = later->nvcsw - earlier->nvcsw,
        .nivcsw = later->nivcsw - earlier->nivcsw,
        .user_ns = later->user_ns - earlier->user_ns,
        .sys_ns = later->sys_ns - earlier->sys_ns,
    };
}

/* Reads the beginning of a file as a string; false when it cannot be read. */
static bool read_head(const char *path, char text[PROC_BUFFER]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, PROC_BUFFER - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* The number after the first `label` in `text`, past spaces and a colon; -1 when there is none. */
static int64_t number_after(const char *text, const char *label) {
    const char *found = strstr(text, label);
    if (!found)
        return -1;
    found += strlen(label);
    found += strspn(found, " \t:");
    return *found >= '0' && *found <= '9' ? strtoll(found, NULL, 10) : -1;
}

static int64_t count_mappings(void) {
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    char text[PROC_BUFFER];
    int64_t lines = 0;
    ssize_t length;
    while ((length = read(fd, text, sizeof text)) > 0)
        for (ssize_t i = 0; i < length; i++)
            lines += text[i] == '\n';
    close(fd);
    return length < 0 ? -1 : lines;
}

int64_t hkl_process_address_space_kib(void) {
    char text[PROC_BUFFER];
    return read_head("/proc/self/status", text) ? number_after(text, "VmSize") : -1;
}

struct hkl_memory hkl_process_memory(void) {
    struct hkl_memory memory = {.rss_kib = -1, .peak_kib = -1, .maps = count_mappings()};
    char text[PROC_BUFFER];
    if (read_head("/proc/self/status", text)) {
        memory.rss_kib = number_after(text, "VmRSS");
        memory.peak_kib = number_after(text, "VmHWM");
    }
    if (memory.rss_kib < 0 || memory.peak_kib < 0 || memory.maps < 0)
        hkl_fail(HKL_EXIT_FAILED, "cannot read /proc/self/status or /proc/self/maps: %s",
                 strerror(errno));
    return memory;
}

/* "cpu  user nice system idle iowait irq softirq steal ..." */
static int64_t read_steal(void) {
    enum { FIELDS_BEFORE_STEAL = 7 };
    char text[PROC_BUFFER];
    if (!read_head("/proc/stat", text) || strncmp(text, "cpu ", 4) != 0)
        return -1;
    char *field = text + 4;
    for (int i = 0; i < FIELDS_BEFORE_STEAL; i++)
        strtoull(field, &field, 10);
    char *end;
    int64_t steal = strtoll(field, &end, 10);
    return end == field ? -1 : steal;
}

struct hkl_disturbance hkl_process_disturbance(void) {
    struct hkl_disturbance disturbance = {.steal_ticks = read_steal(), .migrations = -1};
    char text[PROC_BUFFER];
    if (read_head("/proc/self/sched", text))
        disturbance.migrations = number_after(text, "se.nr_migrations");
    return disturbance;
}

bool hkl_process_load1(double *load) {
    char text[PROC_BUFFER];
    if (!read_head("/proc/loadavg", text))
        return false;
    char *end;
    *load = strtod(text, &end);
    return end != text;
}
