/* SPDX-License-Identifier: ISC */

/*
 * secure - the listeners of a table, and the TLS on them
 *
 * A listener keeps its context from one table to the next while its mark in
 * the snapshot stays the same, and where a snapshot brings no certificates for
 * it (control could not read them). One that has none yet is not served.
 */

#ifndef PROXY_SECURE_H
#define PROXY_SECURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct deadline_kind;
struct snapshot_listener;
struct table;
struct tls_context;
struct worker;

struct table_listener {
	const struct snapshot_listener *conf;
	struct tls_context *tls; /* a reference; NULL: plain, or not there */
	struct deadline_kind *handshake_kind;
	unsigned handshakes; /* of a worker, at a time */
	bool internal;
	bool served;
};

/* Fill t->listeners from its snapshot; old may be NULL. -ENOMEM. */
int secure_build(
    struct table *t, const struct table *old, struct worker *w) MUST_CHECK;
void secure_free(struct table *t);

/* NULL where the table knows none of this number. */
const struct table_listener *secure_find(const struct table *t, uint32_t id);

#endif /* PROXY_SECURE_H */
