/* SPDX-License-Identifier: ISC */

/*
 * upstream - one connection to an endpoint: with an exchange, or idle
 *
 * An upstream knows sockets, not HTTP: it tells its exchange that it can be
 * read or written, and how a connect went. Freed at the end of the turn in
 * which it was closed.
 *
 * What an endpoint says behind the end of an answer is never the next answer:
 * bytes in one piece with that end, and bytes on an idle connection, close it.
 * An answer that has no body by rule (to HEAD; 204, 304) is where an endpoint
 * is most likely to send one late, and no event may have told of it when the
 * connection is wanted again: there a look before the next request is worth a
 * system call. What comes after that request was sent nobody can tell from its
 * answer.
 */

#ifndef PROXY_UPSTREAM_H
#define PROXY_UPSTREAM_H

#include "base/list.h"
#include "loop/loop.h"
#include "proxy/deadline.h"
#include "proxy/endpoint.h"
#include "proxy/wire.h"

struct exchange;

struct upstream {
	struct wire wire;
	struct endpoint *ep; /* a reference */
	struct exchange *x;  /* NULL: idle */
	struct link link;    /* one of the endpoint's two lists */
	struct deadline dl;  /* idle, or connecting */
	struct loop_later later;
	struct buf in; /* the part of a response head that came */
	size_t scanned;
	bool connecting;
	bool reused;   /* it has carried an exchange before */
	bool bodyless; /* its last answer had no body by rule */
	uint64_t idle_since_ms;
	uint32_t keep_ms; /* by the endpoint's Keep-Alive: timeout; 0: none */
};

/*
 * An idle connection that is silent and fresh enough, or NULL. With `careful`
 * only one that the endpoint cannot be about to close.
 */
struct upstream *upstream_reuse(
    struct endpoint *ep, struct exchange *x, bool careful);

/*
 * A new one. 0: connected or connecting; a negative errno: nothing reached the
 * endpoint.
 */
int upstream_open(
    struct upstream **up, struct endpoint *ep, struct exchange *x) MUST_CHECK;

/* The exchange is done with it and it can carry another. */
void upstream_release(struct upstream *up);
void upstream_close(struct upstream *up);

#endif /* PROXY_UPSTREAM_H */
