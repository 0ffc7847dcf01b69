/* SPDX-License-Identifier: ISC */

/*
 * spool - request bodies in files that have no name
 *
 * In DROVER_TMP_DIR, else TMPDIR, else /tmp. The file is gone with its last
 * descriptor, whoever is killed. The loop's thread writes it, into the page
 * cache; nothing is synced.
 */

#ifndef SVC_SPOOL_H
#define SVC_SPOOL_H

#include <stdint.h>

#include "base/str.h"

/* A descriptor for reading and writing, the caller's; or a negative errno. */
int svc_spool_open(void) MUST_CHECK;

/* Bytes that its file system has left for us. */
uint64_t svc_spool_room(int fd);

#endif /* SVC_SPOOL_H */
