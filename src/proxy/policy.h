/* SPDX-License-Identifier: ISC */

/*
 * policy - the rules that a route adds: CORS, rate limit, redirect, headers
 *
 * One for each route that has any, laid out when its table is built: what is
 * written into a head stands here as it will be written. An exchange keeps its
 * policy by reference, for its table may go before it does.
 *
 * In order: a CORS preflight is answered (204), before anything is counted or
 * asked for; a token of the rate limit is taken (429 without one); a redirect
 * is answered. What is left goes on to the service.
 *
 *   headers   The lines of `set` stand in the place of every line of that name,
 *             of any case, and with `_` for `-`, which a CGI-like service
 *             takes for the same. Requests on their way to the service and the
 *             service's answers (103 too); not our own answers.
 *   rate      Keyed by the client's address (of IPv6 its /64; behind
 *             trusted_proxies the last address in X-Forwarded-For that is not
 *             of these), or by a header's value, and by the address where it
 *             is missing. The buckets are shared by all workers.
 *             RateLimit and RateLimit-Policy as in
 *             draft-ietf-httpapi-ratelimit-headers-09, on every answer to a
 *             request that was counted.
 *   redirect  The path and query byte for byte as they came: they hold no
 *             control character nor space, or there would be no request (RFC
 *             9112, 3). The body, if there is one, is not read: the connection
 *             ends (RFC 9112, 9.3).
 *   cors      The Fetch standard's: what the service says under
 *             Access-Control-* is replaced. Our own errors carry it too.
 */

#ifndef PROXY_POLICY_H
#define PROXY_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/str.h"
#include "http/head.h"
#include "link/snapshot.h"
#include "model/bucket.h"

struct exchange;

/* What becomes of the lines of one head. */
struct policy_edit {
	uint64_t drop;	    /* bits of enum hdr */
	struct span *names; /* others that go: lower case, with '-' */
	unsigned nnames;
	bool cors;	   /* and Access-Control-* */
	struct span lines; /* that are added */
};

struct policy_origin {
	struct span origin;
	struct span lines; /* for an answer to it */
};

enum policy_piece { PIECE_TEXT, PIECE_HOST, PIECE_PATH, PIECE_QUERY };

struct policy {
	unsigned refs;
	struct arena arena;
	struct policy_edit request, response;
	size_t room; /* bytes that an answer may grow by */

	struct bucket_rate rate; /* step_ns 0: none */
	uint64_t rate_id;	 /* the same in all workers and snapshots */
	enum hdr rate_hdr;
	struct span rate_header; /* n 0: the address */
	struct span rate_lines;	 /* up to the number that is left */

	unsigned status; /* of the redirect; 0: none */
	bool https;	 /* not of what came by TLS */
	struct {
		enum policy_piece piece;
		struct span text;
	} * pieces;
	unsigned npieces;

	bool cors;
	struct policy_origin *origins;
	unsigned norigins;
	struct span others;    /* lines for everybody else */
	struct span preflight; /* lines for a preflight from one of origins */
};

/* NULL: out of memory. `service` is whose route it is. */
struct policy *policy_new(const struct snapshot_route *r, const char *service);
struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p);

/* Whether a route has rules at all. */
bool policy_wanted(const struct snapshot_route *r);

/* The request's rules. False: it was answered, and x has ended. */
bool policy_admit(
    struct exchange *x, const struct head *h, struct policy *p) MUST_CHECK;

/* A CORS preflight; what it asks leave for. */
bool policy_preflight(const struct head *h, enum method *asked);

/* Whether a header goes that `drop` does not name. */
bool policy_drops(const struct policy_edit *e, const struct head_header *hh);

#endif /* PROXY_POLICY_H */
