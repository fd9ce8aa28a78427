/* The JSON record of a finished run. */
#ifndef HKL_RECORD_H
#define HKL_RECORD_H

#include "harness/windows.h"

/* Timelines longer than this go to a file when the user named one. */
enum { HKL_TIMELINE_INLINE = 4096 };

/* Writes the run's timeline to `fd` as little-endian 64-bit numbers. Returns 0 or the errno of a
 * failed write. */
int hkl_record_timeline(const struct hkl_run *run, int fd);

/* Writes the record, one line, to `fd`. `timeline_file` is the path of the file that holds the
 * timeline; NULL: put it into the record. Returns 0 or the errno of a failed write. */
int hkl_record_write(const struct hkl_run *run, const char *timeline_file, int fd);

#endif
