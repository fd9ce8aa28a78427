/* Sets and lifts the limit. A control group is tried first and given up silently: most users may
 * not make one. Its folder is named by the process id and removed when the limit is lifted. */
#include "harness/limit.h"

#include "harness/fail.h"
#include "harness/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

struct hkl_limit hkl_limit;

static char parent[PATH_MAX]; /* the process's control group before the limit */
static char group[PATH_MAX];  /* the one made for it */
static struct rlimit before;

/* Writes `text` to FOLDER/NAME, which must exist. */
static bool write_file(const char *folder, const char *name, const char *text) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return false;
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const ssize_t length = (ssize_t)strlen(text);
    const bool written = write(fd, text, (size_t)length) == length;
    close(fd);
    return written;
}

/* Finds the folder of the process's group in the version 2 hierarchy, "0::/path" in its list. */
static bool find_parent(void) {
    struct statfs filesystem;
    if (statfs(CGROUP_ROOT, &filesystem) != 0 || filesystem.f_type != CGROUP2_SUPER_MAGIC)
        return false;
    char text[PATH_MAX / 2];
    const int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    const ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    if (strncmp(text, "0::/", 4) != 0)
        return false;
    text[strcspn(text, "\n")] = '\0';
    snprintf(parent, sizeof parent, CGROUP_ROOT "%s", text + strlen("0::"));
    return true;
}

/* Puts the process into a new group that may hold `bytes`. Leaves nothing behind on failure. */
static bool limit_by_cgroup(uint64_t bytes) {
    char limit[24], self[24];
    if (!find_parent())
        return false;
    snprintf(limit, sizeof limit, "%" PRIu64, bytes);
    snprintf(self, sizeof self, "%ld", (long)getpid());
    if (snprintf(group, sizeof group, "%s/hkl-%s", parent, self) >= (int)sizeof group ||
        mkdir(group, 0755) != 0)
        return false;
    if (write_file(group, "memory.max", limit) && write_file(group, "cgroup.procs", self)) {
        write_file(group, "memory.swap.max", "0"); /* absent where there is no swap */
        return true;
    }
    rmdir(group);
    return false;
}

static bool limit_address_space(uint64_t bytes) {
    const int64_t mapped_kib = hkl_process_address_space_kib();
    if (mapped_kib < 0 || getrlimit(RLIMIT_AS, &before) != 0)
        return false;
    struct rlimit limit = before;
    limit.rlim_cur = (rlim_t)mapped_kib * 1024 + bytes;
    return setrlimit(RLIMIT_AS, &limit) == 0;
}

void hkl_limit_set(uint64_t bytes) {
    if (limit_by_cgroup(bytes))
        hkl_limit.kind = "cgroup";
    else if (limit_address_space(bytes))
        hkl_limit.kind = "rlimit-as";
    else
        hkl_fail(HKL_EXIT_FAILED, "cannot limit memory to %" PRIu64 " bytes: %s", bytes,
                 strerror(errno));
    hkl_limit.bytes = bytes;
}

void hkl_limit_lift(void) {
    if (!hkl_limit.kind)
        return;
    if (strcmp(hkl_limit.kind, "rlimit-as") == 0) {
        setrlimit(RLIMIT_AS, &before);
        return;
    }
    char self[24];
    snprintf(self, sizeof self, "%ld", (long)getpid());
    write_file(parent, "cgroup.procs", self);
    rmdir(group);
}
