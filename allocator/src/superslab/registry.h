/*
 * The SuperSlab registry: is an address in a SuperSlab that is in use? By default there is no such
 * thing: the state map (arena.h) answers this for every granule of an arena by itself. The three
 * registries below are earlier answers, kept as build variants (allocator/variants.mk) so that the
 * lab can show what each costs:
 *
 *   linear  one table of 262,144 entries, scanned from the start
 *   class   a table of 16,384 entries for each kind of slab
 *   hash    open addressing by the SuperSlab's number
 *
 * Reads take no lock: an entry is the SuperSlab's base, written with release and read with acquire.
 * Entries are added and removed under the pool's lock; a removed one leaves a hole, never a moved
 * neighbour that a reader could miss.
 */
#ifndef HKM_SUPERSLAB_REGISTRY_H
#define HKM_SUPERSLAB_REGISTRY_H

#define HKM_REGISTRY_MAP    0
#define HKM_REGISTRY_LINEAR 1
#define HKM_REGISTRY_CLASS  2
#define HKM_REGISTRY_HASH   3
#ifndef HKM_REGISTRY
#define HKM_REGISTRY HKM_REGISTRY_MAP
#endif

#if HKM_REGISTRY != HKM_REGISTRY_MAP
#include <stdbool.h>

struct hkm_superslab;
/* Whether an address lies in a SuperSlab in use. */
bool hkm_registry_has(const void *address);
/* Adds a SuperSlab that has been cut; does nothing when the table is full: its blocks then count as
 * foreign. */
void hkm_registry_add(const struct hkm_superslab *superslab);
void hkm_registry_remove(const struct hkm_superslab *superslab);
#else
#define hkm_registry_has(address)      true
#define hkm_registry_add(superslab)    (void)0
#define hkm_registry_remove(superslab) (void)0
#endif

#endif
