/* SPDX-License-Identifier: ISC */

/*
 * auth - who may use a route
 *
 * A struct auth is the policy of a route, made from the snapshot once and kept
 * as long as one with the same contents is published. Its use, in order:
 *
 *	auth_judge()	credentials that can be judged at once: yes, no (it
 *			was answered), or later
 *	compose		leaves out what auth_hides() says: headers that only
 *			drover or the service that is asked may set, whatever
 *			the verdict, in any case and with _ for -
 *	auth_enter()	puts in what the verdict says of the client; what is
 *			still to be asked is prepared
 *	auth_begin()	the phase EXCHANGE_AUTH: a password is hashed, then a
 *			service asked; it ends in exchange_admit() or an answer
 *
 * Whatever fails, fails closed. A request without an x->wait waits for nothing.
 * The ceilings are the worker's limits.auth_...; what waits and what is
 * remembered is counted in its memory, and given up when that runs short.
 */

#ifndef PROXY_AUTH_H
#define PROXY_AUTH_H

#include <stdbool.h>

#include "base/buf.h"
#include "http/head.h"
#include "link/snapshot.h"
#include "proxy/verdicts.h"

#define AUTH_LINES_MAX (16U * 1024)
#define AUTH_LISTS 256

struct auth;
struct auth_wait;
struct exchange;
struct hasher;
struct service;
struct table_route;
struct worker;

/* What a worker has of it. */
struct auths {
	struct list all[AUTH_LISTS]; /* policies, by what they say */
	struct list flights;	     /* passwords that are being hashed */
	struct verdicts good, bad;   /* bad: of passwords only */
	struct hasher *hasher;	     /* while some policy wants passwords */
	struct buf_meter *memory;    /* the worker's */
	struct buf lines;	     /* of the last verdict that was made */
	unsigned char key[VERDICTS_DIGEST];
};

void auths_init(struct auths *a, struct buf_meter *memory);
void auths_done(struct auths *a);

/* After a table and its limits came into force: with the thread, or without. */
void auths_settle(struct worker *w);

/* Memory runs short: some of what is remembered goes. */
void auths_relieve(struct auths *a);

/* Credentials were right, or not: so they are at the next request. */
void auths_remember(struct worker *w, bool good,
    const unsigned char digest[VERDICTS_DIGEST], uint64_t keep_ms,
    struct span lines);

/* The policy with these contents, a reference; NULL: out of memory. */
struct auth *auth_get(struct worker *w, const struct snapshot_auth *conf);
struct auth *auth_ref(struct auth *a);
void auth_unref(struct auth *a);

bool auth_hides(const struct auth *a, const struct head_header *hh);
bool auth_strips(const struct auth *a); /* Authorization */

/* lines: what is to be put in; valid until another request is judged. */
bool auth_judge(struct exchange *x, const struct head *h, struct auth *a,
    struct span *lines); /* false: it was answered, and x is gone */

/* x->req is composed. -ENOMEM, -ENOBUFS. */
int auth_enter(struct exchange *x, const struct head *h,
    const struct table_route *to, struct span lines) MUST_CHECK;

void auth_begin(struct exchange *x);  /* x->wait is there; may end x */
void auth_late(struct exchange *x);   /* the deadline; ends x */
void auth_cancel(struct exchange *x); /* x ends */

#endif /* PROXY_AUTH_H */
