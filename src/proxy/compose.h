/* SPDX-License-Identifier: ISC */

/*
 * compose - the heads that we send: to endpoints, to clients, and our errors
 *
 * Lines that are passed on are copied as they came, in runs. What a client may
 * not say (hop-by-hop, Drover-*, and, unless it is trusted, X-Forwarded-*,
 * X-Request-Id, Via, traceparent), and names that a CGI-like service could
 * take for one of these (X_Forwarded_For), is left out. Via names the version
 * that a request came by: 1.0, 1.1 or 2.0. Answers get none of ours, which a
 * gateway need not add (RFC 9110, 7.6.3), and those of a service stay.
 */

#ifndef PROXY_COMPOSE_H
#define PROXY_COMPOSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "http/head.h"
#include "link/scoreboard.h"

struct downstream;
struct exchange;
struct table_route;

/*
 * The head of the request for an endpoint into x->req. -ENOBUFS,
 * -ENOMEM. caller: the service that calls, or NULL.
 */
int compose_request(struct exchange *x, const struct head *h,
    const struct table_route *to, const char *caller) MUST_CHECK;

/*
 * The head of the answer for the client into out. Its length; 0 when it does
 * not fit.
 */
size_t compose_answer(
    struct exchange *x, const struct head *h, char *out, size_t size);

/* An interim answer (103), with the lines that came. */
size_t compose_interim(
    const struct exchange *x, const struct head *h, char *out, size_t size);

struct compose_problem {
	unsigned status;
	enum scoreboard_fault fault;
	const char *detail;
	struct span id;
	unsigned allowed;  /* ROUTE_ bits for Allow; 0: none */
	unsigned retry_s;  /* Retry-After; 0: none */
	bool challenge;	   /* WWW-Authenticate */
	bool bare;	   /* not our own words: lines and no body */
	struct span lines; /* of its head besides, each with its CRLF */
	bool head;	   /* no body */
	bool close;
	bool keep_alive;	  /* to be said: HTTP/1.0 */
	const struct exchange *x; /* whose route adds to it; NULL: none */
};

/* What Drover-Error calls a head that was refused with this status. */
enum scoreboard_fault compose_fault(unsigned status);

/* An answer of our own, head and body. Its length. */
size_t compose_problem(const struct compose_problem *p, char *out, size_t size);

/* Answers of a policy, all head. Their length; 0: it does not fit. */
size_t compose_redirect(
    const struct exchange *x, const struct head *h, char *out, size_t size);
size_t compose_preflight(const struct exchange *x, char *out, size_t size);

/* Of ours to OPTIONS, all head; methods: ROUTE_ bits. Length; 0: no room. */
size_t compose_options(
    const struct exchange *x, unsigned methods, char *out, size_t size);

#endif /* PROXY_COMPOSE_H */
