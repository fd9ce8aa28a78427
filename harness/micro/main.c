/* hkl-micro: registers every micro-benchmark for every size under "name/size" and leaves the rest,
 * command line and output, to Google Benchmark. */
#include "harness/gbench.h"
#include "harness/micro/micro.h"

#include <stdio.h>

enum { SMALLEST = 16, LARGEST = 1 << 20 };

extern const struct hkl_micro *const __start_hkl_micros[];
extern const struct hkl_micro *const __stop_hkl_micros[];

int main(int argc, char **argv) {
    const size_t count =
        ((uintptr_t)__stop_hkl_micros - (uintptr_t)__start_hkl_micros) / sizeof(void *);
    for (size_t i = 0; i < count; i++)
        for (size_t size = SMALLEST; size <= LARGEST; size *= 2) {
            char name[64];
            snprintf(name, sizeof name, "%s/%zu", __start_hkl_micros[i]->name, size);
            hkl_gbench_register(name, __start_hkl_micros[i]->body, size);
        }
    return hkl_gbench_main(argc, argv);
}
