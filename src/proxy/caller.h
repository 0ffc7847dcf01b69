/* SPDX-License-Identifier: ISC */

/*
 * caller - which service calls, on an internal listener
 *
 * Its token is the user of HTTP Basic credentials, which is what clients make
 * of the user part of DROVER_URL; the password is not looked at.
 */

#ifndef PROXY_CALLER_H
#define PROXY_CALLER_H

#include "http/head.h"
#include "proxy/table.h"

/* NULL: no credentials, or nobody's. */
const struct snapshot_service *caller_of(
    const struct table *t, const struct head *h);

/* The user of "Basic <base64>", decoded into out; 0: not such a thing. */
size_t caller_token(struct span value, char *out, size_t size);

#endif /* PROXY_CALLER_H */
