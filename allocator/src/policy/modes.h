/* The modes (HAKMEM_MODE): named presets of the settings (settings.h). */
#ifndef HKM_POLICY_MODES_H
#define HKM_POLICY_MODES_H

#include "visibility.h"

/* Ends with NULL; the first is the default. */
extern HKM_HIDDEN const char *const hkm_mode_names[];

/* Sets what the mode of this index sets. */
void hkm_mode_apply(unsigned mode);

#endif
