/* Marks what the shared library exports, and the branch hints. */
#ifndef HKM_VISIBILITY_H
#define HKM_VISIBILITY_H

#define HKM_PUBLIC __attribute__((visibility("default")))
/* For variables of hot paths: says to other files, too, that the library's own one is meant, which
 * saves the detour. */
#define HKM_HIDDEN      __attribute__((visibility("hidden")))
#define HKM_COLD        __attribute__((cold, noinline))
#define HKM_NOINLINE    __attribute__((noinline))
#define hkm_likely(x)   __builtin_expect(!!(x), 1)
#define hkm_unlikely(x) __builtin_expect(!!(x), 0)

#endif
