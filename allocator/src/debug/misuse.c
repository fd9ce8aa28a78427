/* See misuse.h. */
#include "debug/misuse.h"

#include <stdbool.h>
#include <stdlib.h>

#include "debug/counters.h"
#include "debug/text.h"
#include "os/sys.h"
#include "policy/settings.h"
#include "visibility.h"

#ifdef HKM_HARDENED
#define ALWAYS_FATAL true
#else
#define ALWAYS_FATAL false
#endif

HKM_COLD void hkm_misuse(const char *function, const void *pointer, const char *what) {
    hkm_count(HKM_MISUSE, 1);
    if (ALWAYS_FATAL || hkm_settings.on_error != HKM_ON_ERROR_IGNORE) {
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
    if (ALWAYS_FATAL || hkm_settings.on_error == HKM_ON_ERROR_ABORT) {
        abort();
    }
}
