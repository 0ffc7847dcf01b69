/* SPDX-License-Identifier: ISC */

/*
 * exchange - one request and its answer
 *
 *	begin -> (queue) -> connect -> send -> wait -> answer -> end
 *
 * It belongs to a downstream, one at a time; it holds a place at an endpoint
 * and an upstream from the moment it is let go until the answer is complete.
 * What goes to the endpoint (head and body) passes through `req`: while
 * `replay` is true that holds all of it from the first byte, so that it can be
 * sent again elsewhere; from then on only what was not yet sent. A piece of the
 * body is `lent` until the end of the call that brought it: what the endpoint
 * takes of it at once, and nobody may want again, is never copied.
 *
 * The files: exchange_memory.c has spare ones, arrival.c is its beginning,
 * exchange.c its life, exchange_retry.c what follows an attempt that failed,
 * request.c the way of the request, answer.c that of the answer. A function
 *that may end the exchange says so; after it x is not touched.
 */

#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "http/chunk.h"
#include "http/head.h"
#include "link/scoreboard.h"
#include "model/pace.h"
#include "proxy/deadline.h"
#include "proxy/recording.h"

#define EXCHANGE_REPLAY_MAX (64U * 1024)
#define EXCHANGE_REQ_MAX (512U * 1024)
#define EXCHANGE_KEEP (8U * 1024) /* memory that a spare one may hold */
#define EXCHANGE_SPARES 1024
#define EXCHANGE_ATTEMPTS 32
#define EXCHANGE_TRIED 8
#define EXCHANGE_ID_MAX 64
#define EXCHANGE_UPGRADE_MAX 31

struct auth_wait;
struct compose_problem;
struct downstream;
struct endpoint;
struct policy;
struct policy_origin;
struct service;
struct upstream;
struct worker;

enum exchange_phase {
	EXCHANGE_NEW,
	EXCHANGE_AUTH, /* who sent it is not known yet: auth.h */
	EXCHANGE_QUEUED,
	EXCHANGE_CONNECTING,
	EXCHANGE_SENDING,   /* the request is not all with the endpoint */
	EXCHANGE_WAITING,   /* it is; no response head yet */
	EXCHANGE_ANSWERING, /* the client has (a part of) the answer */
	EXCHANGE_TUNNEL,    /* after 101: pump.h */
};

struct exchange {
	struct worker *w;
	struct downstream *down;
	struct service *svc; /* a reference; NULL before the route */
	struct endpoint *ep; /* a reference and a place, or NULL */
	struct upstream *up;
	struct link link; /* in the queue, or spare */
	struct deadline dl;
	enum exchange_phase phase;

	/* The request. */
	enum method method;
	bool idempotent;
	bool http10;
	bool keep;     /* the client's connection may go on */
	bool expect;   /* waits for 100 Continue */
	bool read_all; /* its body has come to the end */
	bool reached;  /* some byte of it went to some endpoint */
	bool replay;
	bool write_shut; /* the endpoint takes no more: its answer decides */
	enum framing framing;
	uint64_t left; /* of FRAMING_LENGTH */
	struct chunk chunk, measure;
	uint64_t body;	  /* bytes of it, without chunk framing */
	struct pace pace; /* of the body */
	struct buf req;
	unsigned char in_stride, out_stride; /* request_, answer_stride() */
	struct span lent;  /* what comes behind req, in a buffer not ours */
	size_t sent;	   /* of req */
	size_t head_len;   /* of req, the head */
	uint32_t forwards; /* 1 + what goes on of Max-Forwards; 0: none came */
	char upgrade[EXCHANGE_UPGRADE_MAX + 1]; /* to what; "": not at all */
	uint32_t remaining_ms; /* the caller's deadline; 0: none */

	/* The answer. */
	bool heard; /* some byte of it came, in this attempt */
	bool reusable;
	bool encode;	   /* to the end of the connection -> chunked */
	bool decode;	   /* chunked -> to the end of the connection */
	bool trailers;	   /* those behind the chunks go on */
	bool refused_body; /* bad chunk or too large: `fault` is to be told */
	enum framing rframing;
	uint64_t rleft;
	struct chunk rchunk;
	bool client_end, endpoint_end; /* TUNNEL: will say no more */
	unsigned interims;	       /* 1xx that came before it */
	unsigned status;
	uint64_t bytes_out;

	/* Attempts. */
	unsigned attempts;
	bool fresh;   /* no pooled connection again */
	bool retried; /* its one retry within the budget is used */
	enum scoreboard_fault fault;	/* of the last attempt */
	uint64_t tried[EXCHANGE_TRIED]; /* serials of endpoints */
	unsigned ntried;
	bool forgivable; /* the last of them may be tried again */
	uint64_t
	    doubt_until_ms; /* whether its endpoint is dying; 0: none yet */

	/* What its route adds. */
	struct policy *policy;		    /* a reference, or NULL */
	const struct policy_origin *origin; /* of CORS; NULL: another one */
	bool rated;			    /* a token was asked for */
	uint32_t rate_left, rate_reset_s;
	struct auth_wait *wait; /* NULL: for no verdict */

	uint64_t key; /* of the consistent hash */
	uint64_t started_us, queued_us;
	struct trace trace; /* span: ours */
	struct notes notes;
	struct buf texts; /* for the access log; empty without one */
	char id[EXCHANGE_ID_MAX];
	size_t id_len;
};

/* --- arrival.c ------------------------------------------------------------ */

/*
 * A head came; `rest` is what came behind it. Returns how many bytes of rest
 * belong to this request. The exchange may have ended already: d->x is NULL.
 */
size_t exchange_begin(
    struct downstream *d, const struct head *h, struct span rest);

/* One of our own begins: a GET to svc, whose head goes into x->req. */
void exchange_ask(struct exchange *x, struct service *svc);

/* --- exchange.c ----------------------------------------------------------- */

/* Queue it, or begin the first attempt. May end x. */
void exchange_admit(struct exchange *x);

/* Its turn in the queue came; go: x->ep is taken. May end x. */
void exchange_go(struct exchange *x, bool go);

/* Whether the request came to its end. */
static inline bool
exchange_has_request(const struct exchange *x)
{
	return x->read_all;
}

static inline bool
exchange_is_tunnel(const struct exchange *x)
{
	return x->phase == EXCHANGE_TUNNEL;
}

/* What a proxy in front of the service, or it as one, says of its own. */
static inline bool
exchange_gateway_error(unsigned status)
{
	return status >= 502 && status <= 504;
}

/* The client is gone. Ends x. */
void exchange_cancel(struct exchange *x);

/* Answer with an error of our own. Ends x. */
void exchange_fail(struct exchange *x, unsigned status,
    enum scoreboard_fault fault, const char *detail);
void exchange_problem(struct exchange *x, struct compose_problem *p);

/* Answer with the n bytes in w->heads, a whole answer. Ends x. */
void exchange_reply(
    struct exchange *x, unsigned status, enum scoreboard_fault fault, size_t n);
bool exchange_goes_on(const struct exchange *x); /* after such an answer */

/* The answer is complete. Ends x. */
void exchange_finish(struct exchange *x);

/* It broke off after the answer had begun. Ends x. */
void exchange_cut(struct exchange *x);

/* From the upstream: may end x. */
void exchange_connected(struct exchange *x);

/* Its deadline passed. Ends x. */
void exchange_timeout(void *arg);

/* --- exchange_retry.c ----------------------------------------------------- */

/* From the upstream: may end x. */
void exchange_connect_failed(struct exchange *x, int error);

/* The upstream broke (error 0: it closed). Ends x, or starts it again. */
void exchange_lost(struct exchange *x, int error);

/*
 * Its endpoint answers nobody any more, says control. Begins again elsewhere
 * what may be sent twice and has no answer yet; the rest goes on to wait. May
 * end x.
 */
void exchange_forsaken(struct exchange *x);

/* An error, where service_spares() x: asked again of another endpoint. */
void exchange_set_aside(struct exchange *x);

/* It said something that is not an answer. Ends x. */
void exchange_bad_response(struct exchange *x, const char *why);

static inline bool
exchange_tried(const struct exchange *x, uint64_t serial)
{
	unsigned n = x->ntried < EXCHANGE_TRIED ? x->ntried : EXCHANGE_TRIED;

	for (unsigned i = 0; i < n; i++)
		if (x->tried[i] == serial)
			return true;
	return false;
}

/* No other can be had: true if the last one tried may be tried again. */
bool exchange_forgive(struct exchange *x);

/* --- exchange_memory.c ---------------------------------------------------- */

struct exchange *exchange_new(struct worker *w); /* NULL: out of memory */
void exchange_free(struct exchange *x);
void exchange_free_spares(struct worker *w);

/* --- request.c ------------------------------------------------------------ */

/* Take body bytes off `in`: what belongs to the body is lent to x. */
int request_take(struct exchange *x, struct span in, size_t *used) MUST_CHECK;
void request_refuse(struct exchange *x);    /* what it did not take; ends x */
void request_flush(struct exchange *x);	    /* never ends x */
void exchange_writable(struct exchange *x); /* the upstream's */
void request_drop_replay(struct exchange *x);

/* What is lent becomes our own, or is not wanted. May end x. */
void request_keep(struct exchange *x);

/* More of its body, and maybe of what is behind. May end x. */
void request_push(struct exchange *x, struct span in);

/* How much to read of it at once: more where the endpoint keeps up. */
size_t request_stride(const struct exchange *x);

/* What the endpoint takes of it now; -1: it takes no more. */
ssize_t request_write_some(struct exchange *x, const char *data, size_t n);

/* Whether all of it is with the endpoint. */
bool request_is_out(const struct exchange *x);

/* --- answer.c ------------------------------------------------------------- */

void exchange_readable(struct exchange *x); /* the upstream's; may end x */
void answer_drained(struct exchange *x);    /* the client took the tail */

#endif /* PROXY_EXCHANGE_H */
