/* Walks the linker section that HKL_SCENARIO() fills: finds, suggests and lists scenarios. */
#include "harness/catalogue.h"

#include "harness/json.h"

#include <string.h>

extern const struct hkl_scenario *const __start_hkl_scenarios[];
extern const struct hkl_scenario *const __stop_hkl_scenarios[];

/* Names are compared up to this length when looking for the nearest. */
enum { NAME_LIMIT = 63, DEFAULT_ITERS = 100 };

/* Scenario `index` of the section; NULL past the last one. */
static const struct hkl_scenario *scenario_at(size_t index) {
    const struct hkl_scenario *const *entry = __start_hkl_scenarios + index;
    return (uintptr_t)entry < (uintptr_t)__stop_hkl_scenarios ? *entry : NULL;
}

const struct hkl_scenario *hkl_catalogue_find(const char *name) {
    const struct hkl_scenario *scenario;
    for (size_t i = 0; (scenario = scenario_at(i)); i++)
        if (strcmp(scenario->name, name) == 0)
            break;
    return scenario;
}

static size_t smallest(size_t a, size_t b, size_t c) {
    const size_t d = a < b ? a : b;
    return d < c ? d : c;
}

/* Levenshtein distance of the first NAME_LIMIT characters; 1 when `a` is the beginning of `b`. */
static size_t edits(const char *a, const char *b) {
    const size_t a_length = strnlen(a, NAME_LIMIT);
    if (a_length && strncmp(a, b, a_length) == 0)
        return 1;
    const size_t b_length = strnlen(b, NAME_LIMIT);
    size_t row[NAME_LIMIT + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            const size_t above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_length];
}

const struct hkl_scenario *hkl_catalogue_nearest(const char *name) {
    const struct hkl_scenario *nearest = NULL;
    size_t fewest = 0;
    const struct hkl_scenario *scenario;
    for (size_t i = 0; (scenario = scenario_at(i)); i++) {
        const size_t needed = edits(name, scenario->name);
        if (!nearest || needed < fewest) {
            nearest = scenario;
            fewest = needed;
        }
    }
    return nearest;
}

int hkl_catalogue_print(int fd) {
    struct hkl_json json;
    hkl_json_start(&json, fd);
    hkl_json_open(&json, NULL, '[');
    const struct hkl_scenario *scenario;
    for (size_t i = 0; (scenario = scenario_at(i)); i++) {
        hkl_json_open(&json, NULL, '{');
        hkl_json_string(&json, "name", scenario->name);
        hkl_json_string(&json, "summary", scenario->summary);
        hkl_json_bool(&json, "takes_trace", scenario->takes_trace);
        hkl_json_open(&json, "defaults", '{');
        hkl_json_unsigned(&json, "iters", scenario->iters ? scenario->iters : DEFAULT_ITERS);
        hkl_json_unsigned(&json, "warmup", scenario->warmup);
        hkl_json_unsigned(&json, "size", scenario->defaults.size);
        hkl_json_unsigned(&json, "seed", scenario->defaults.seed);
        hkl_json_unsigned(&json, "threads", scenario->defaults.threads);
        hkl_json_unsigned(&json, "slots", scenario->defaults.slots);
        hkl_json_unsigned(&json, "batch", scenario->defaults.batch);
        hkl_json_unsigned(&json, "limit", scenario->defaults.limit);
        hkl_json_close(&json, '}');
        hkl_json_open(&json, "limits", '{');
        hkl_json_unsigned(&json, "min_size", scenario->min_size);
        hkl_json_unsigned(&json, "max_size", scenario->max_size);
        hkl_json_unsigned(&json, "max_threads", scenario->max_threads);
        hkl_json_close(&json, '}');
        hkl_json_bool(&json, "floor_ok", scenario->floor_ok);
        hkl_json_bool(&json, "wrong_frees", scenario->wrong_frees);
        hkl_json_close(&json, '}');
    }
    hkl_json_close(&json, ']');
    return hkl_json_finish(&json);
}
