/* Maps memory straight from the kernel, so that nothing of the harness reaches malloc. */
#include "harness/arena.h"

#include <sys/mman.h>

void *hkl_map(size_t size) {
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void hkl_unmap(void *memory, size_t size) {
    if (memory)
        munmap(memory, size);
}
