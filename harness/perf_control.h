/* Switches the counters of an enclosing `perf stat -D -1 --control fd:CTL,ACK` on and off. */
#ifndef HKL_PERF_CONTROL_H
#define HKL_PERF_CONTROL_H

#include <stdbool.h>

/* Descriptors inherited from perf's parent; both -1: perf is not there and nothing is done. */
struct hkl_perf_control {
    int control_fd; /* write end: commands */
    int ack_fd;     /* read end: perf's acknowledgement */
};

/* Sends "enable" or "disable" and waits for perf's word that it is done. A perf that is gone,
 * answers something else or says nothing for five seconds ends the driver with a message. */
void hkl_perf_control_switch(const struct hkl_perf_control *perf, bool on);

#endif
