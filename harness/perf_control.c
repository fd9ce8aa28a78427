/* perf's control protocol: a command and a newline go out, "ack", a newline and a NUL come back. */
#include "harness/perf_control.h"

#include "harness/clock.h"
#include "harness/fail.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static const char ack[] = "ack\n"; /* its NUL is sent too */
enum { ACK_SIZE = sizeof ack, ACK_LIMIT_MS = 5000 };

/* Reads ACK_SIZE bytes, or ends the driver. */
static void read_ack(int fd, const char *command, char answer[ACK_SIZE]) {
    const uint64_t deadline = hkl_clock_ns() + (uint64_t)ACK_LIMIT_MS * 1000000u;
    for (size_t used = 0; used < ACK_SIZE;) {
        const uint64_t now = hkl_clock_ns();
        const int left_ms = now < deadline ? (int)((deadline - now) / 1000000u) : 0;
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        int ready = poll(&readable, 1, left_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            hkl_fail(HKL_EXIT_FAILED, "perf did not acknowledge '%s' within %d ms", command,
                     ACK_LIMIT_MS);
        ssize_t length = read(fd, answer + used, ACK_SIZE - used);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            hkl_fail(HKL_EXIT_FAILED, "cannot read perf's answer to '%s': %s", command,
                     strerror(errno));
        if (length == 0)
            hkl_fail(HKL_EXIT_FAILED, "perf closed its acknowledge pipe before answering '%s'",
                     command);
        used += (size_t)length;
    }
}

void hkl_perf_control_switch(const struct hkl_perf_control *perf, bool on) {
    if (perf->control_fd < 0)
        return;
    const char *command = on ? "enable" : "disable";
    const char *line = on ? "enable\n" : "disable\n";
    const size_t length = strlen(line); /* below PIPE_BUF: written whole or not at all */
    if (write(perf->control_fd, line, length) != (ssize_t)length)
        hkl_fail(HKL_EXIT_FAILED, "cannot send '%s' to perf: %s", command, strerror(errno));
    char answer[ACK_SIZE];
    read_ack(perf->ack_fd, command, answer);
    if (memcmp(answer, ack, ACK_SIZE) != 0)
        hkl_fail(HKL_EXIT_FAILED, "perf answered '%s' with something else than 'ack'", command);
}
