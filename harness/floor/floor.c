/* libfloor.so: an allocator that does next to nothing, to show what a scenario costs without one.
 *
 * Blocks lie one after the other in one mapping. The newest is given back by moving the end back;
 * any other is never reused. So it serves only programs of one thread that free what they allocated
 * last first (scenarios with `floor_ok`), and what little else the driver allocates beside. Nothing
 * is checked. Not for use. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGNMENT = 16, PAGE = 4096 };
#define ARENA_SIZE ((size_t)1 << 33) /* of addresses; memory comes as it is touched */
#define MAX_SIZE   (ARENA_SIZE / 2)

struct header {  /* right before each block */
    char *after; /* where the next block's header would begin */
    size_t size;
};

static char *end, *limit;

void *malloc(size_t size);
void free(void *block);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void *memalign(size_t alignment, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
int posix_memalign(void **block, size_t alignment, size_t size);
void *valloc(size_t size);
void *pvalloc(size_t size);
size_t malloc_usable_size(void *block);

static struct header *header_of(void *block) {
    return (struct header *)block - 1;
}

/* The first call maps the arena; a call for which there is no room fails. */
static __attribute__((noinline, cold)) void *map_arena(size_t alignment, size_t size) {
    if (!end) {
        char *arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (arena != MAP_FAILED) {
            madvise(arena, ARENA_SIZE, MADV_HUGEPAGE);
            end = arena;
            limit = arena + ARENA_SIZE;
            return memalign(alignment, size);
        }
    }
    errno = ENOMEM;
    return NULL;
}

/* `skipped` bytes are left out before the header, so that the block is aligned. */
static inline void *allocate(size_t alignment, size_t skipped, size_t size) {
    char *block = end + skipped + sizeof(struct header);
    if (__builtin_expect(size > MAX_SIZE || (size_t)(limit - end) < MAX_SIZE, 0))
        return map_arena(alignment, size);
    end = block + ((size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1));
    *header_of(block) = (struct header){end, size};
    return block;
}

void *malloc(size_t size) {
    return allocate(ALIGNMENT, 0, size);
}

void free(void *block) {
    if (block && header_of(block)->after == end)
        end = (char *)header_of(block);
}

void *calloc(size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = malloc(total);
    return block ? memset(block, 0, total) : NULL;
}

void *realloc(void *block, size_t size) {
    void *moved = malloc(size);
    if (!block || !moved)
        return moved;
    const size_t old = header_of(block)->size;
    return memcpy(moved, block, old < size ? old : size);
}

void *memalign(size_t alignment, size_t size) {
    const uintptr_t start = (uintptr_t)end + sizeof(struct header);
    return allocate(alignment, -start & (alignment - 1), size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = memalign(alignment, size);
    return *block ? 0 : ENOMEM;
}

void *valloc(size_t size) {
    return memalign(PAGE, size);
}

void *pvalloc(size_t size) {
    return memalign(PAGE, (size + PAGE - 1) & ~(size_t)(PAGE - 1));
}

size_t malloc_usable_size(void *block) {
    return block ? header_of(block)->size : 0;
}
