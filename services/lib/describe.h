/* SPDX-License-Identifier: ISC */

/*
 * describe - what a service says about itself, from its tables
 *
 * Pure. What callers sent (the names under which we are reached) is checked
 * before it gets into a page.
 */

#ifndef SVC_DESCRIBE_H
#define SVC_DESCRIBE_H

#include "base/buf.h"
#include "lib/service.h"

#define SVC_BASE_MAX 400

/* OpenAPI 3.0. 0, -ENOMEM or -ENOBUFS. */
int svc_describe_openapi(
    struct buf *out, const struct svc_service *service) MUST_CHECK;

/* The page for people; `base` as svc_describe_base() made it. The same. */
int svc_describe_page(struct buf *out, const struct svc_service *service,
    const char *base) MUST_CHECK;

/*
 * "http://host/prefix/" from what the gateway said (or the Host header); if any
 * part holds what does not belong into an address, a plain "http://HOST/".
 */
void svc_describe_base(char out[static SVC_BASE_MAX], struct span proto,
    struct span host, struct span prefix);

#endif /* SVC_DESCRIBE_H */
