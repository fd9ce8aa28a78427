/*
 * Large blocks by call site (HAKMEM_SITES=1): who asks for them, how many live, how much at most. A
 * site is the return address of the call. A table of fixed size; a site that finds no place in it
 * is not accounted for, only counted (site.ignored). All under the large path's lock
 * (large/large.c), which calls hkm_site_change only when the setting is on.
 */
#ifndef HKM_POLICY_SITE_H
#define HKM_POLICY_SITE_H

#include <stddef.h>
#include <stdint.h>

enum hkm_site_event { HKM_SITE_ALLOC, HKM_SITE_FREE, HKM_SITE_RESIZE };

/* Tells that the live bytes of a site (0: unknown) changed by `bytes`, a difference modulo 2^64. */
void hkm_site_change(uintptr_t site, enum hkm_site_event event, size_t bytes);

/* Prints a line for each site, and one for what the table had no place for. */
void hkm_sites_print(int fd);

#endif
