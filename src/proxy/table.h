/* SPDX-License-Identifier: ISC */

/*
 * table - a snapshot in force: routes, trusted networks, callers
 *
 * Built whole before anything is changed; then applied without a chance to
 * fail. Services and endpoints that the old one had too are carried over with
 * their pools and queues. Nothing in flight points into a table: the old one
 * is freed at once.
 */

#ifndef PROXY_TABLE_H
#define PROXY_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/map.h"
#include "base/str.h"
#include "link/snapshot.h"
#include "model/route.h"
#include "proxy/secure.h"

struct auth;
struct policy;
struct service;
struct worker;

struct table_route {
	const struct snapshot_route *conf;
	struct service *svc;
	uint16_t record_name;
	struct auth *auth;     /* a reference; NULL: anybody may use it */
	struct service *asked; /* by auth's forward */
	size_t matched;	    /* bytes of the path that strip and rewrite take */
	struct span prefix; /* "X-Forwarded-Prefix: /a\r\n", or empty */
	struct policy *policy; /* NULL: it has no rules */
};

struct table {
	struct snapshot *snap;
	struct table_listener *listeners; /* in the snapshot's order */
	struct route_table *routes;
	struct table_route *to;	   /* one for each route */
	struct service **services; /* in the snapshot's order, references */
	struct map callers;	   /* snapshot_service by token */
	char *prefixes;
	bool cors; /* some route answers preflights */
};

/*
 * Make s the worker's table; s becomes the table's, also on failure. Then
 * everything is as before.
 */
int table_apply(
    struct worker *w, struct snapshot *s, struct err *err) MUST_CHECK;
void table_free(struct table *t);

/* Whether an address (v4 mapped into v6) is one of trusted_proxies. */
bool table_trusts(const struct table *t, const unsigned char address[16]);

/* The caller with that token, or NULL. */
const struct snapshot_service *table_caller(
    const struct table *t, struct span token);
bool table_may_call(
    const struct snapshot_service *caller, const struct service *svc);

#endif /* PROXY_TABLE_H */
