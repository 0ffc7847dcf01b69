/* SPDX-License-Identifier: ISC */

/*
 * http1 - one client's connection of HTTP/1
 *
 * It reads heads, hands each to an exchange, one at a time and in order, and
 * closes as it should: what a client may still be reading is never cut off by
 * a reset, and what is broken never looks complete. Freed at the end of the
 * turn in which it was closed.
 */

#ifndef PROXY_HTTP1_H
#define PROXY_HTTP1_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/list.h"
#include "link/limits.h"
#include "loop/loop.h"
#include "proxy/deadline.h"
#include "proxy/downstream.h"
#include "proxy/gate.h"
#include "proxy/wire.h"

#define HTTP1_IN_MAX (LIMITS_HEAD_MAX + 64U * 1024) /* and some body */

/* What an idle one takes: itself, and what libevent has for its descriptor. */
#define HTTP1_COST (sizeof(struct http1) + 64)

enum http1_state {
	HTTP1_HEAD,   /* idle, or with a part of a head */
	HTTP1_BUSY,   /* the exchange has it */
	HTTP1_FLUSH,  /* the answer is complete, not all of it sent */
	HTTP1_LINGER, /* our side is shut; reading what still comes */
};

struct http1 {
	struct downstream d; /* first: one is the other */
	struct gate_client client;
	struct peer peer;
	struct wire wire;
	struct deadline dl;
	struct loop_later later; /* the next request, or the end */
	enum http1_state state : 8;
	bool keep;	   /* after FLUSH */
	bool clean;	   /* after FLUSH: nothing more is coming */
	bool heading;	   /* HEAD: the time for a head is running */
	uint16_t http2;	   /* streams, while it may yet speak that; else 0 */
	uint32_t requests; /* so far */
	uint32_t in_off;   /* of `in`, used up */
	union {
		uint32_t scanned;  /* HEAD: without an end of it */
		uint32_t lingered; /* LINGER: bytes that came */
	};
	struct buf in; /* a part of a head, or later requests */
};

/* a->fd becomes its own. -ENOMEM: it was closed. */
int http1_open(struct worker *w, const struct gate_arrival *a) MUST_CHECK;

/* --- between its files ---------------------------------------------------- */

extern const struct downstream_ops http1_downstream;

void http1_close(struct http1 *c); /* and its exchange */
void http1_abort(struct http1 *c); /* so that it looks broken */

/* Nothing of it is read for now, but a reset is heard of. */
void http1_hold(struct http1 *c);

/* The answer is complete: go on, or end as it should. */
void http1_finish(struct http1 *c, bool keep, bool clean);

#endif /* PROXY_HTTP1_H */
