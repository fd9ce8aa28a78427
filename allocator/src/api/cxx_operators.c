/*
 * The C++ operators new and delete, by their names in the Itanium C++ ABI, so that the library
 * needs no C++. When there is no memory, the program's new handler is called, and std::bad_alloc
 * thrown, by the C++ library that a C++ program has; without one (nobody to catch either), the
 * program is aborted.
 */
#include <stdlib.h>

#include "hakmem.h"
#include "visibility.h"

typedef void (*new_handler)(void);
new_handler _ZSt15get_new_handlerv(void) __attribute__((weak));      /* std::get_new_handler() */
void _ZSt17__throw_bad_allocv(void) __attribute__((weak, noreturn)); /* std::__throw_bad_alloc() */

static HKM_COLD void *try_again(size_t size, size_t alignment, int may_throw) {
    for (;;) {
        const new_handler handler =
            _ZSt15get_new_handlerv != NULL ? _ZSt15get_new_handlerv() : NULL;
        if (handler == NULL) {
            break;
        }
        handler(); /* frees something, throws, or ends the program */
        void *block = hak_aligned_alloc(alignment, size);
        if (block != NULL) {
            return block;
        }
    }
    if (!may_throw) {
        return NULL;
    }
    if (_ZSt17__throw_bad_allocv != NULL) {
        _ZSt17__throw_bad_allocv();
    }
    abort();
}

static inline void *new_block(size_t size, int may_throw) {
    void *block = hak_malloc(size);
    return hkm_likely(block != NULL) ? block : try_again(size, 1, may_throw);
}

static inline void *new_aligned(size_t size, size_t alignment, int may_throw) {
    void *block = hak_aligned_alloc(alignment, size);
    return hkm_likely(block != NULL) ? block : try_again(size, alignment, may_throw);
}

/* NEW: operator new and new[] with this parameter list; DELETE: operator delete and delete[]. The
 * parameters after the first do not matter to us: every block is found by its address alone. */
#define NEW(suffix, parameters, call)                                                              \
    HKM_PUBLIC void *_Znw##suffix parameters;                                                      \
    HKM_PUBLIC void *_Znw##suffix parameters {                                                     \
        return call;                                                                               \
    }                                                                                              \
    HKM_PUBLIC void *_Zna##suffix parameters;                                                      \
    HKM_PUBLIC void *_Zna##suffix parameters {                                                     \
        return call;                                                                               \
    }
#define DELETE(suffix, ...)                                                                        \
    HKM_PUBLIC void _Zdl##suffix(void *block, ##__VA_ARGS__);                                      \
    HKM_PUBLIC void _Zdl##suffix(void *block, ##__VA_ARGS__) {                                     \
        hak_free(block);                                                                           \
    }                                                                                              \
    HKM_PUBLIC void _Zda##suffix(void *block, ##__VA_ARGS__);                                      \
    HKM_PUBLIC void _Zda##suffix(void *block, ##__VA_ARGS__) {                                     \
        hak_free(block);                                                                           \
    }
#define UNUSED __attribute__((unused))

NEW(m, (size_t size), new_block(size, 1))
NEW(mRKSt9nothrow_t, (size_t size, UNUSED const void *nothrow), new_block(size, 0))
NEW(mSt11align_val_t, (size_t size, size_t alignment), new_aligned(size, alignment, 1))
NEW(mSt11align_val_tRKSt9nothrow_t, (size_t size, size_t alignment, UNUSED const void *nothrow),
    new_aligned(size, alignment, 0))
DELETE(Pv)
DELETE(Pvm, UNUSED size_t size)
DELETE(PvRKSt9nothrow_t, UNUSED const void *nothrow)
DELETE(PvSt11align_val_t, UNUSED size_t alignment)
DELETE(PvmSt11align_val_t, UNUSED size_t size, UNUSED size_t alignment)
DELETE(PvSt11align_val_tRKSt9nothrow_t, UNUSED size_t alignment, UNUSED const void *nothrow)
