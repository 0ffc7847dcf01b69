/* SPDX-License-Identifier: ISC */

/*
 * pin - keep in memory what was used once
 *
 * A supervisor sleeps for hours and must then act within milliseconds; a
 * kernel that reclaims idle pages would have it wait for the disk first, page
 * by page. Only pages that are touched are pinned, so this costs no memory
 * that the process had not used before. Not inherited by children.
 */

#ifndef BASE_PIN_H
#define BASE_PIN_H

/* Without the right to (CAP_IPC_LOCK or RLIMIT_MEMLOCK) nothing happens. */
void pin_memory(void);

#endif /* BASE_PIN_H */
