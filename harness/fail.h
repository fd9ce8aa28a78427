/* Ends the process when the measurement cannot go on. */
#ifndef HKL_FAIL_H
#define HKL_FAIL_H

/* Exit statuses of the driver; 0 is a finished measurement. */
enum { HKL_EXIT_FAILED = 1, HKL_EXIT_USAGE = 2 };

/* Prints one line, the program's name and the message, on stderr and leaves with `status` at once:
 * no exit handlers, no flushing, no allocation. Any thread may call it, also inside a timed window.
 */
_Noreturn void hkl_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
