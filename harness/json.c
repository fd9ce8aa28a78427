/* A small JSON writer: values in, text out through a fixed buffer. */
#include "harness/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void hkl_json_start(struct hkl_json *json, int fd) {
    json->fd = fd;
    json->error = 0;
    json->comma = false;
    json->used = 0;
}

static void flush(struct hkl_json *json) {
    for (size_t done = 0; !json->error && done < json->used;) {
        ssize_t written = write(json->fd, json->buffer + done, json->used - done);
        if (written >= 0)
            done += (size_t)written;
        else if (errno != EINTR)
            json->error = errno;
    }
    json->used = 0;
}

static void put(struct hkl_json *json, char byte) {
    if (json->used == sizeof json->buffer)
        flush(json);
    json->buffer[json->used++] = byte;
}

static void put_text(struct hkl_json *json, const char *text) {
    while (*text)
        put(json, *text++);
}

static void put_quoted(struct hkl_json *json, const char *text) {
    put(json, '"');
    for (; *text; text++) {
        const unsigned char byte = (unsigned char)*text;
        if (byte < 0x20) {
            char escape[8];
            snprintf(escape, sizeof escape, "\\u%04x", byte);
            put_text(json, escape);
        } else {
            if (byte == '"' || byte == '\\')
                put(json, '\\');
            put(json, *text);
        }
    }
    put(json, '"');
}

/* What comes before any value. */
static void begin_value(struct hkl_json *json, const char *key) {
    if (json->comma)
        put(json, ',');
    json->comma = true;
    if (key) {
        put_quoted(json, key);
        put(json, ':');
    }
}

void hkl_json_open(struct hkl_json *json, const char *key, char bracket) {
    begin_value(json, key);
    put(json, bracket);
    json->comma = false;
}

void hkl_json_close(struct hkl_json *json, char bracket) {
    put(json, bracket);
    json->comma = true;
}

void hkl_json_null(struct hkl_json *json, const char *key) {
    begin_value(json, key);
    put_text(json, "null");
}

void hkl_json_bool(struct hkl_json *json, const char *key, bool value) {
    begin_value(json, key);
    put_text(json, value ? "true" : "false");
}

void hkl_json_unsigned(struct hkl_json *json, const char *key, uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    begin_value(json, key);
    put_text(json, text);
}

void hkl_json_signed(struct hkl_json *json, const char *key, int64_t value) {
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    begin_value(json, key);
    put_text(json, text);
}

void hkl_json_real(struct hkl_json *json, const char *key, double value) {
    char text[352]; /* the largest double has 309 digits */
    snprintf(text, sizeof text, "%.3f", value);
    begin_value(json, key);
    put_text(json, text);
}

void hkl_json_string(struct hkl_json *json, const char *key, const char *value) {
    if (!value) {
        hkl_json_null(json, key);
        return;
    }
    begin_value(json, key);
    put_quoted(json, value);
}

int hkl_json_finish(struct hkl_json *json) {
    put(json, '\n');
    flush(json);
    return json->error;
}
