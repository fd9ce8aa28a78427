/* The driver's command line. */
#ifndef HKL_OPTIONS_H
#define HKL_OPTIONS_H

#include "harness/perf_control.h"
#include "scenarios/scenario.h"

#include <stdbool.h>
#include <stdint.h>

struct hkl_options {
    bool help; /* nothing below is set */
    bool list; /* nothing below is set */
    const struct hkl_scenario *scenario;
    struct hkl_params params; /* as given, defaults filled in */
    uint64_t iters;           /* after the warm-up */
    uint64_t warmup;          /* the cold iteration included */
    struct hkl_perf_control perf;
    const char *timeline; /* file for a long timeline; NULL: none */
    int record_fd;
};

/* Reads and checks the arguments. A bad one ends the driver with status 2 and one line that names
 * the option, the value and what would be right; nothing has been written then. */
void hkl_options_parse(struct hkl_options *options, int argc, char **argv);

/* What --help prints. */
extern const char hkl_options_help[];

#endif
