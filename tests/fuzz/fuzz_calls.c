/*
 * A sequence of allocator calls from libFuzzer's bytes, judged by the model
 * (tests/allocator/model.h) and by the address sanitizer, which knows the free blocks. Six bytes
 * are a call: which slot, which call, how large (a mantissa and an exponent, to 64 MiB), which
 * alignment (to 64 KiB); the last says whether a thread of its own makes it, and ends.
 */
#include <pthread.h>
#include <stdio.h>

#include "tests/allocator/model.h"

enum { SLOTS = 64, BYTES = 6, MOST_CALLS = 400 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct request {
    struct model_slot *slot;
    enum model_call call;
    size_t size, alignment;
    uint64_t pattern;
};

static void *make(void *argument) {
    const struct request *request = argument;
    model_do(request->slot, request->call, request->size, request->alignment, request->pattern);
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct model_slot slots[SLOTS];
    size_t large = 0;
    for (size_t n = 0; n < MOST_CALLS && size >= BYTES; n++, data += BYTES, size -= BYTES) {
        const size_t bytes = (((size_t)data[3] << 8 | data[2]) & 1023) << data[3] / 8 % 17;
        struct request request = {
            .slot = &slots[data[0] % SLOTS],
            .call = (enum model_call)(data[1] % MODEL_CALLS),
            /* few large ones: filling them is slow */
            .size = bytes > 1 << 20 && large++ > 8 ? bytes % 4096 : bytes,
            .alignment = (size_t)1 << data[4] % 17,
            .pattern = n,
        };
        snprintf(model_context, sizeof model_context, "call %zu", n);
        pthread_t thread;
        if (data[5] >= 8 || pthread_create(&thread, NULL, make, &request) != 0) {
            make(&request);
        } else {
            pthread_join(thread, NULL);
        }
    }
    for (size_t i = 0; i < SLOTS; i++) {
        model_do(&slots[i], MODEL_CHECK, 0, 1, 0);
    }
    struct model_slot sorted[SLOTS];
    for (size_t i = 0; i < SLOTS; i++) {
        sorted[i] = slots[i];
    }
    model_check_apart(sorted, SLOTS);
    for (size_t i = 0; i < SLOTS; i++) {
        model_do(&slots[i], MODEL_FREE, 0, 1, 0);
    }
    return 0;
}
