/* The one way out on failure. Formats into the stack and writes with one system call, because stdio
 * would allocate, and the allocator under test may be what has failed. */
#include "harness/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Noreturn void hkl_fail(int status, const char *format, ...) {
    char line[512];
    size_t used = (size_t)snprintf(line, 64, "%.60s: ", program_invocation_short_name);
    const size_t room = sizeof line - used - 1; /* one byte for the newline */

    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(line + used, room, format, args);
    va_end(args);
    if (wanted > 0)
        used += (size_t)wanted < room ? (size_t)wanted : room - 1;
    for (size_t i = 0; i < used;
         i++) /* a quoted argument may hold anything; the message is one line */
        if ((unsigned char)line[i] < ' ')
            line[i] = '?';
    line[used++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, used);
    (void)written; /* nobody is left to tell */
    _exit(status);
}
