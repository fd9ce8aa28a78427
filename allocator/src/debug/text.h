/* One line of text, built without the C library's formatting (which may allocate). Too long a line
 * is cut. */
#ifndef HKM_DEBUG_TEXT_H
#define HKM_DEBUG_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct hkm_text {
    size_t length;
    char bytes[256];
};

static inline void hkm_text_string(struct hkm_text *text, const char *string) {
    while (*string != '\0' && text->length < sizeof text->bytes) {
        text->bytes[text->length++] = *string++;
    }
}

/* A string of which at most `room` bytes are shown: a longer one ends in "...". */
static inline void hkm_text_shortened(struct hkm_text *text, const char *string, size_t room) {
    const bool whole = strnlen(string, room + 1) <= room;
    const size_t shown = whole ? room : room - strlen("...");
    for (size_t i = 0; i < shown && string[i] != '\0' && text->length < sizeof text->bytes; i++) {
        text->bytes[text->length++] = string[i];
    }
    hkm_text_string(text, whole ? "" : "...");
}

static inline void hkm_text_digits(struct hkm_text *text, uint64_t value, unsigned base) {
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (n > 0 && text->length < sizeof text->bytes) {
        text->bytes[text->length++] = digits[--n];
    }
}

static inline void hkm_text_number(struct hkm_text *text, uint64_t value) {
    hkm_text_digits(text, value, 10);
}

static inline void hkm_text_address(struct hkm_text *text, const void *address) {
    hkm_text_string(text, "0x");
    hkm_text_digits(text, (uintptr_t)address, 16);
}

#endif
