/* The scenarios that are linked into the driver. */
#ifndef HKL_CATALOGUE_H
#define HKL_CATALOGUE_H

#include "scenarios/scenario.h"

/* The scenario of that name, or NULL. */
const struct hkl_scenario *hkl_catalogue_find(const char *name);

/* The scenario whose name takes the fewest edits to get from `name`; NULL only when there is no
 * scenario. */
const struct hkl_scenario *hkl_catalogue_nearest(const char *name);

/* Writes a JSON array of all descriptors to `fd`. Returns 0 or the errno of a failed write. */
int hkl_catalogue_print(int fd);

#endif
