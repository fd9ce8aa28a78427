/* hkl-child FOLDER LIB PROGRAM [ARGUMENT...]: runs a whole program under an allocator for compare/.
 *
 * LIB is preloaded into PROGRAM alone ('-': nothing is). Its stdout and stderr go to FOLDER/out and
 * FOLDER/err; FOLDER/usage gets one line: 'STATUS PEAK_KIB', the wait status and the largest
 * resident set of any one of its processes. Linux lets a process inherit the peak of what called
 * exec; that is this program, which is far smaller than any other. Ends as PROGRAM did. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_CANNOT = 126 };

static _Noreturn void fail(const char *what) {
    dprintf(STDERR_FILENO, "hkl-child: %s: %s\n", what, strerror(errno));
    _exit(EXIT_CANNOT);
}

static int create(const char *name) {
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        fail(name);
    return fd;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        dprintf(STDERR_FILENO, "usage: hkl-child FOLDER LIB PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    const int folder = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int home = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || home < 0 || fchdir(folder) != 0)
        fail(argv[1]);
    const int out = create("out");
    const int err = create("err");
    const int usage_fd = create("usage");
    if (fchdir(home) != 0)
        fail(".");

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* nothing goes on when the lab is gone */
    const pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (strcmp(argv[2], "-") != 0)
            setenv("LD_PRELOAD", argv[2], 1);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        execvp(argv[3], argv + 3);
        fail(argv[3]);
    }
    int status;
    struct rusage usage;
    while (wait4(child, &status, 0, &usage) < 0)
        if (errno != EINTR)
            fail("wait4");
    dprintf(usage_fd, "%d %ld\n", status, usage.ru_maxrss);
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        raise(WTERMSIG(status));
    }
    return WEXITSTATUS(status);
}
