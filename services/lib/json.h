/* SPDX-License-Identifier: ISC */

/* json - from jansson to our buffers */

#ifndef SVC_JSON_H
#define SVC_JSON_H

#include <jansson.h>

#include "base/buf.h"

/*
 * Append the value as text and release it. value may be NULL, for a
 * construction that ran out of memory. 0, -ENOMEM or -ENOBUFS.
 */
int svc_json_write(struct buf *out, json_t *value) MUST_CHECK;

#endif /* SVC_JSON_H */
