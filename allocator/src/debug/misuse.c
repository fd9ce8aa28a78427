/* See misuse.h. */
#include "debug/misuse.h"

#include <stdlib.h>

#include "debug/counters.h"
#include "debug/text.h"
#include "os/sys.h"
#include "policy/settings.h"
#include "visibility.h"

HKM_COLD void hkm_misuse(const char *function, const void *pointer, const char *what) {
    hkm_count(HKM_MISUSE, 1);
    if (hkm_settings.on_error != HKM_ON_ERROR_IGNORE) {
        struct hkm_text line = {.length = 0};
        hkm_text_string(&line, "hakmem: ");
        hkm_text_string(&line, function);
        hkm_text_string(&line, "(");
        hkm_text_address(&line, pointer);
        hkm_text_string(&line, "): ");
        hkm_text_string(&line, what);
        hkm_text_string(&line, "\n");
        hkm_sys_write(2, line.bytes, line.length);
    }
    if (hkm_settings.on_error == HKM_ON_ERROR_ABORT) {
        abort();
    }
}
