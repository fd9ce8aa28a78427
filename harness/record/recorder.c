/* hkl-record.so: preloaded into a program, it notes every call of the malloc family in a raw file
 * (raw.h) and passes the call on to the allocator that would have had it.
 *
 * Each event takes its number from one counter; the number is the order of the event and its place
 * in the file at once. The file is mapped, so that nothing has to be flushed: however the process
 * ends, what it did is there. Its blocks on the disk are reserved before they are mapped, so that a
 * full disk is an error here and never a signal in the program. When anything fails, the recording
 * ends with the reason in the file's header, and the program goes on.
 *
 * A forked child stops recording at once: the switch lies in a page that the kernel clears on fork.
 * A program that the recorded process executes in its own place is recorded instead of the first,
 * from the start. No descriptor is kept open: the program may close all, and reuse the numbers. */
#include "harness/record/raw.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))

enum { LEAST_ALIGN = 16, BOOTSTRAP_SIZE = 1 << 16 };

/* ---- the allocator behind us ---- */

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void *(*memalign)(size_t, size_t);
    int (*posix_memalign)(void **, size_t, size_t);
    void *(*aligned_alloc)(size_t, size_t);
    void (*free)(void *);
} next;

enum { UNKNOWN, LOOKING, KNOWN };
static _Atomic int next_state;

/* Serves while the functions above are being looked up, which may allocate; nothing is ever given
 * back. Zeroed. */
static _Alignas(LEAST_ALIGN) char bootstrap[BOOTSTRAP_SIZE];
static _Atomic size_t bootstrap_used;

static bool is_bootstrap(const void *block) {
    return (uintptr_t)block - (uintptr_t)bootstrap < sizeof bootstrap;
}

static void *bootstrap_allocate(size_t size, size_t align) {
    if (align < LEAST_ALIGN)
        align = LEAST_ALIGN;
    if (size > sizeof bootstrap || align > sizeof bootstrap) {
        errno = ENOMEM;
        return NULL;
    }
    const size_t begin = atomic_fetch_add(&bootstrap_used, size + align);
    if (begin > sizeof bootstrap - size - align) {
        errno = ENOMEM;
        return NULL;
    }
    const uintptr_t address = (uintptr_t)bootstrap + begin;
    return (void *)((address + align - 1) & ~(uintptr_t)(align - 1));
}

/* ISO C has no conversion from an object pointer to a function pointer; POSIX promises this one. */
static void look_up(void *function, const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(function, &found, sizeof found);
}

/* ---- the raw file ---- */

/* In a page that is cleared in a forked child. */
struct control {
    _Atomic bool on;
    _Atomic uint32_t threads;
    _Atomic uint64_t events;
};

static struct control idle; /* off for good */
static struct control *_Atomic control = &idle;
static struct hkl_raw_header *header;
static char raw_path[PATH_MAX];
static struct hkl_raw_event *_Atomic windows[HKL_RAW_MAX_WINDOWS];
static pthread_mutex_t growing = PTHREAD_MUTEX_INITIALIZER;

/* Number of this thread plus one; 0: none yet. */
static __thread uint32_t thread_number __attribute__((tls_model("initial-exec")));

/* Reserves `size` bytes of the raw file from `offset` and maps them; NULL with errno set. */
static void *map_part(off_t offset, size_t size) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        (rlim_t)offset + size > limit.rlim_cur) {
        errno = EFBIG; /* asked before the kernel answers with a signal */
        return NULL;
    }
    const int fd = open(raw_path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    void *part = MAP_FAILED;
    int problem = posix_fallocate(fd, offset, (off_t)size);
    if (!problem) {
        part = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
        problem = errno;
    }
    close(fd);
    errno = problem;
    return part == MAP_FAILED ? NULL : part;
}

/* Maps window `index` unless another thread was faster. NULL when the recording has ended. */
static struct hkl_raw_event *map_window(uint64_t index) {
    const int saved = errno;
    int cancel;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel); /* open() may be a place to cancel */
    pthread_mutex_lock(&growing);
    struct hkl_raw_event *window = NULL;
    if (index >= HKL_RAW_MAX_WINDOWS) {
        errno = EOVERFLOW;
    } else {
        window = atomic_load(&windows[index]);
        if (!window && atomic_load(&control->on)) {
            window = map_part(HKL_RAW_HEADER + (off_t)index * HKL_RAW_WINDOW, HKL_RAW_WINDOW);
            atomic_store(&windows[index], window);
            /* What is full is the page cache's; a thread that is late there faults it in again. */
            if (window && index >= 2)
                madvise(atomic_load(&windows[index - 2]), HKL_RAW_WINDOW, MADV_DONTNEED);
        }
    }
    if (!window && atomic_exchange(&control->on, false))
        header->failure = errno;
    pthread_mutex_unlock(&growing);
    pthread_setcancelstate(cancel, NULL);
    errno = saved;
    return window;
}

/* Notes one event; its number, or HKL_RAW_NO_BEGIN when nothing is recorded. */
static uint64_t note(enum hkl_raw_op op, const void *block, size_t size, uint64_t aux) {
    struct control *ours = atomic_load_explicit(&control, memory_order_acquire);
    if (!atomic_load_explicit(&ours->on, memory_order_relaxed))
        return HKL_RAW_NO_BEGIN;
    if (!thread_number)
        thread_number = atomic_fetch_add(&ours->threads, 1) + 1;
    const uint64_t number = atomic_fetch_add(&ours->events, 1);
    const uint64_t index = number / HKL_RAW_PER_WINDOW;
    struct hkl_raw_event *window = index < HKL_RAW_MAX_WINDOWS
                                       ? atomic_load_explicit(&windows[index], memory_order_acquire)
                                       : NULL;
    if (!window && !(window = map_window(index)))
        return HKL_RAW_NO_BEGIN;
    struct hkl_raw_event *event = &window[number % HKL_RAW_PER_WINDOW];
    event->address = (uintptr_t)block;
    event->size = size;
    event->aux = aux;
    atomic_store_explicit(&event->tag, (uint64_t)(thread_number - 1) << HKL_RAW_OP_BITS | op,
                          memory_order_release);
    return number;
}

/* Is the file ours: not begun, or begun by this process before it executed this program? */
static bool is_ours(int fd) {
    struct hkl_raw_header there;
    const ssize_t got = pread(fd, &there, sizeof there, 0);
    return got == 0 ||
           (got == (ssize_t)sizeof there &&
            memcmp(there.magic, HKL_RAW_MAGIC, sizeof there.magic) == 0 && there.pid == getpid());
}

/* False with errno set when the recording cannot begin. */
static bool map_all(void) {
    struct control *ours =
        mmap(NULL, HKL_RAW_HEADER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ours == MAP_FAILED || madvise(ours, HKL_RAW_HEADER, MADV_WIPEONFORK) != 0)
        return false;
    header = map_part(0, HKL_RAW_HEADER);
    if (!header)
        return false;
    memcpy(header->magic, HKL_RAW_MAGIC, sizeof header->magic);
    header->pid = getpid();
    windows[0] = map_part(HKL_RAW_HEADER, HKL_RAW_WINDOW);
    if (!windows[0]) {
        header->failure = errno;
        return true; /* the header tells */
    }
    atomic_store(&ours->on, true);
    atomic_store_explicit(&control, ours, memory_order_release);
    return true;
}

static void begin_recording(void) {
    const int saved = errno;
    const char *path = getenv(HKL_RAW_VARIABLE);
    if (!path || strlen(path) >= sizeof raw_path)
        return;
    memcpy(raw_path, path, strlen(path) + 1);
    const int fd = open(raw_path, O_RDWR | O_CLOEXEC);
    bool begun = false;
    int problem = errno;
    if (fd >= 0) {
        const bool ours = is_ours(fd);
        begun = ours && ftruncate(fd, 0) == 0 && map_all();
        problem = errno;
        close(fd);
        if (!ours) {
            errno = saved;
            return;
        }
    }
    if (!begun) {
        /* There is no header to tell it; the program has not begun, its stderr is the caller's. */
        char line[PATH_MAX + 200];
        const int length = snprintf(line, sizeof line, "hkl-record: cannot record into '%s': %s\n",
                                    raw_path, strerror(problem));
        ssize_t written = length > 0 ? write(STDERR_FILENO, line, (size_t)length) : 0;
        (void)written; /* nobody is left to tell */
    }
    errno = saved;
}

/* The environment is there once the C library has begun; the first calls may come before. */
static void begin_once(void) {
    static _Atomic bool begun;
    if (environ && !atomic_exchange(&begun, true))
        begin_recording();
}

/* Finds the functions behind us. False while they are being looked up. */
static bool find_next(void) {
    int state = UNKNOWN;
    if (!atomic_compare_exchange_strong(&next_state, &state, LOOKING))
        return state == KNOWN;
    look_up(&next.malloc, "malloc");
    look_up(&next.calloc, "calloc");
    look_up(&next.realloc, "realloc");
    look_up(&next.memalign, "memalign");
    look_up(&next.posix_memalign, "posix_memalign");
    look_up(&next.aligned_alloc, "aligned_alloc");
    look_up(&next.free, "free");
    atomic_store(&next_state, KNOWN);
    begin_once();
    return true;
}

static inline bool is_ready(void) {
    return __builtin_expect(atomic_load_explicit(&next_state, memory_order_acquire) == KNOWN, 1) ||
           find_next();
}

__attribute__((constructor)) static void start(void) {
    if (is_ready())
        begin_once();
}

/* ---- the malloc family ---- */

PUBLIC void *malloc(size_t size) {
    if (!is_ready())
        return bootstrap_allocate(size, LEAST_ALIGN);
    void *block = next.malloc(size);
    if (block)
        note(HKL_RAW_MALLOC, block, size, 0);
    return block;
}

PUBLIC void *calloc(size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    if (!is_ready())
        return bootstrap_allocate(total, LEAST_ALIGN);
    void *block = next.calloc(count, size);
    if (block)
        note(HKL_RAW_CALLOC, block, total, 0);
    return block;
}

PUBLIC void free(void *block) {
    if (is_bootstrap(block) || !is_ready())
        return;
    note(HKL_RAW_FREE, block, 0, 0);
    next.free(block);
}

PUBLIC void *realloc(void *old, size_t size) {
    if (is_bootstrap(old)) {
        void *copy = malloc(size);
        const size_t there = (size_t)(bootstrap + sizeof bootstrap - (char *)old);
        if (copy)
            memcpy(copy, old, size < there ? size : there);
        return copy;
    }
    if (!is_ready())
        return bootstrap_allocate(size, LEAST_ALIGN);
    const uint64_t begin = old ? note(HKL_RAW_REALLOC_BEGIN, old, 0, 0) : HKL_RAW_NO_BEGIN;
    void *block = next.realloc(old, size);
    if (block || begin != HKL_RAW_NO_BEGIN)
        note(HKL_RAW_REALLOC_END, block, size, begin);
    return block;
}

PUBLIC void *reallocarray(void *old, size_t count, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, total);
}

PUBLIC void *memalign(size_t align, size_t size) {
    if (!is_ready())
        return bootstrap_allocate(size, align);
    void *block = next.memalign(align, size);
    if (block)
        note(HKL_RAW_ALIGNED, block, size, align);
    return block;
}

PUBLIC void *aligned_alloc(size_t align, size_t size) {
    if (!is_ready())
        return bootstrap_allocate(size, align);
    void *block = next.aligned_alloc(align, size);
    if (block)
        note(HKL_RAW_ALIGNED, block, size, align);
    return block;
}

PUBLIC int posix_memalign(void **block, size_t align, size_t size) {
    if (!is_ready()) {
        *block = bootstrap_allocate(size, align);
        return *block ? 0 : ENOMEM;
    }
    const int error = next.posix_memalign(block, align, size);
    if (!error && *block)
        note(HKL_RAW_ALIGNED, *block, size, align);
    return error;
}

PUBLIC void *valloc(size_t size) {
    return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

PUBLIC void *pvalloc(size_t size) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t whole;
    if (__builtin_add_overflow(size, page - 1, &whole)) {
        errno = ENOMEM;
        return NULL;
    }
    return memalign(page, whole & ~(page - 1));
}
