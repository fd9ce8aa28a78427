/*
 * The settings' parser with lines NAME=VALUE from libFuzzer. Besides what the sanitizers see: a
 * value with a character that no right value of this setting has changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_line(char *line) {
    char *value = strchr(line, '=');
    if (value == NULL) {
        return;
    }
    *value++ = '\0';
    const int is_pair = strcmp(line, "HAKMEM_PREWARM_CLASS") == 0; /* BYTES:COUNT */
    const size_t right =
        strspn(value, is_pair ? "0123456789:" : "abcdefghijklmnopqrstuvwxyz0123456789");
    struct hkm_settings before;
    memcpy(&before, &hkm_settings, sizeof before);
    hkm_settings_assign(line, value);
    /* its padding is copied, too, and never written.
     * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
    const int changed = memcmp(&before, &hkm_settings, sizeof before) != 0;
    if (changed && (value[right] != '\0' || right == 0)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char text[4096];
    if (size >= sizeof text) {
        return -1;
    }
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *line = text; line != NULL;) {
        char *end = strchr(line, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        try_line(line);
        line = end;
    }
    return 0;
}
