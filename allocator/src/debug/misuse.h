/* What happens when the program frees or resizes what it may not (HAKMEM_ON_ERROR). */
#ifndef HKM_DEBUG_MISUSE_H
#define HKM_DEBUG_MISUSE_H

/* Says in one line on stderr what was passed to which function ("free", "realloc", ...) and what is
 * wrong with it, then aborts, or returns where the setting is report or ignore: the caller then
 * does nothing. */
void hkm_misuse(const char *function, const void *pointer, const char *what);

#endif
