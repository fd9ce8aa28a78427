/* Writes JSON to a file descriptor. Allocates nothing; commas are put in by itself. */
#ifndef HKL_JSON_H
#define HKL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hkl_json {
    int fd;
    int error;  /* errno of the first failed write; 0 so far so good */
    bool comma; /* a comma comes before the next value */
    size_t used;
    char buffer[4096];
};

void hkl_json_start(struct hkl_json *json, int fd);

/* Each writes one value. `key` is its name in the enclosing object, NULL inside an array. */
void hkl_json_open(struct hkl_json *json, const char *key, char bracket); /* '{' or '[' */
void hkl_json_close(struct hkl_json *json, char bracket);                 /* '}' or ']' */
void hkl_json_null(struct hkl_json *json, const char *key);
void hkl_json_bool(struct hkl_json *json, const char *key, bool value);
void hkl_json_unsigned(struct hkl_json *json, const char *key, uint64_t value);
void hkl_json_signed(struct hkl_json *json, const char *key, int64_t value);
void hkl_json_real(struct hkl_json *json, const char *key, double value); /* finite; 3 decimals */
void hkl_json_string(struct hkl_json *json, const char *key, const char *value); /* NULL: null */

/* Ends the text with a newline and writes what is buffered. Returns 0, or the errno of a failed
 * write. */
int hkl_json_finish(struct hkl_json *json);

#endif
