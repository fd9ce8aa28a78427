/* An allocator for tests: the C library's, until AFTER calls of malloc are done; then FAULT. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void __libc_free(void *block);

void *malloc(size_t size) {
    static int calls;
    if (++calls > AFTER) {
        FAULT;
    }
    return __libc_malloc(size);
}

void free(void *block) {
    __libc_free(block);
}
