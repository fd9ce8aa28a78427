/* The optional background thread (HAKMEM_BACKGROUND=1): gives memory back while the program is
 * idle. */
#ifndef HKM_POLICY_BACKGROUND_H
#define HKM_POLICY_BACKGROUND_H

/* Starts the thread where the setting asks for it; also in the child after a fork. */
void hkm_background_start(void);

#endif
