/* SPDX-License-Identifier: ISC */

/*
 * http2 - one client's connection of HTTP/2 (RFC 9113)
 *
 * Each of its streams is a downstream of its own, so an exchange cannot tell
 * it from a connection of HTTP/1. All that is to be sent in a turn of the loop
 * goes in one write at its end; only pieces of bodies that are large are
 * written at once, from where they were read.
 *
 * Memory: a stream's request is held by its exchange, at most a window of it;
 * the window opens when the endpoint has taken that. Its answer is held while
 * the client does not take it, at most what one read gave. While the client
 * takes nothing no request is read from it. A connection holds at most
 * HTTP2_OUT_MAX of frames beside these.
 *
 * Deadlines: as HTTP/1 has them for idle connections, heads and unsent bytes;
 * a stream whose window stays shut, or opens by less than HTTP2_STEP within
 * the time for unsent bytes, is reset.
 *
 * The end: GOAWAY twice with HTTP2_NOTICE_MS between (a drain, and the ceiling
 * of requests), streams that were taken up are answered, then it closes. What
 * breaks the rules gets one GOAWAY that says so, and its streams are cancelled.
 */

#ifndef PROXY_HTTP2_H
#define PROXY_HTTP2_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/list.h"
#include "http/h2.h"
#include "loop/loop.h"
#include "proxy/deadline.h"
#include "proxy/downstream.h"
#include "proxy/gate.h"
#include "proxy/peer.h"
#include "proxy/wire.h"

#define HTTP2_OUT_MAX (2U * 1024 * 1024)
#define HTTP2_OUT_HIGH (256U * 1024) /* unsent: nothing more is read */
#define HTTP2_OUT_TURN (64U * 1024)  /* gathered before the turn is over */
#define HTTP2_STEP 1024
#define HTTP2_NOTICE_MS 1000
#define HTTP2_SPARES 1024

/* Beside what is metered: itself, its session, libevent. */
#define HTTP2_COST (sizeof(struct http2) + 1024)

struct outlet;

enum http2_state {
	HTTP2_OPEN,
	HTTP2_LEAVING, /* the client was told; streams go on */
	HTTP2_LINGER,  /* our side is shut; reading what still comes */
	HTTP2_CLOSED
};

enum http2_waits { WAITS_NOT, WAITS_SEND, WAITS_HEAD, WAITS_IDLE };

struct http2 {
	struct worker *w;
	struct gate_client client;
	struct peer peer;
	struct wire wire;
	struct deadline dl, notice;
	struct loop_later turn, later;
	enum http2_state state;
	struct h2 *h2;
	struct list streams; /* struct http2_stream */
	struct list over;    /* of them, to be freed at the end of the turn */
	unsigned nstreams;
	unsigned ntails; /* with something of an answer left */
	uint32_t requests;
	bool told;		/* the second GOAWAY is out */
	enum http2_waits waits; /* what dl is set for */
	struct buf out;
	struct outlet *outlet; /* during a send of large pieces */
	size_t lingered;
};

struct http2_stream {
	struct downstream d; /* first: one is the other */
	struct h2_stream h2;
	struct http2 *c;
	struct link link;
	struct deadline dl; /* for a window to open */
	bool tail;	    /* counted in ntails */
	unsigned still;	    /* looks at which too little had moved */
	bool chunked;	    /* the request's body, towards the exchange */
	size_t owed;	    /* bytes of the body not yet credited */
	uint64_t mark;	    /* h2.moved when dl was set */
};

/*
 * Goes on with a connection that speaks HTTP/2, a->http2 streams at once;
 * `first` came already. a->fd becomes its own. -ENOMEM: it was closed.
 */
int http2_open(struct worker *w, const struct gate_arrival *a,
    const struct peer *peer, struct span first) MUST_CHECK;

/* Whether these bytes are its preface, or may become it. */
enum http2_guess { HTTP2_NO, HTTP2_MAYBE, HTTP2_YES };
enum http2_guess http2_guess(struct span in);

void http2_free_spares(struct worker *w);

/* --- http2_send.c --------------------------------------------------------- */

/* For h2_ops: to be sent at the end of the turn. */
int http2_emit(void *arg, const void *data, size_t n, bool lent) MUST_CHECK;

/* All of it, or it waits until the client has taken what is before it. */
int http2_flush(struct http2 *c) MUST_CHECK;

/* Send pieces that are lent; what came out is on its way. 0 or -errno. */
int http2_send(
    struct http2_stream *s, size_t head, struct iovec *iov, int n) MUST_CHECK;

/* --- http2_stream.c ------------------------------------------------------- */

/* A request came. May end the stream. */
void http2_stream_begin(struct http2 *c, const struct h2_event *ev);
void http2_stream_push(struct http2_stream *s, const struct h2_event *ev);
void http2_stream_free(struct http2_stream *s);

/* --- http2.c, for http2_stream.c ------------------------------------------ */

/* Something is to be sent, or freed: at the end of this turn. */
void http2_later(struct http2 *c);
void http2_doom(struct http2_stream *s);

#endif /* PROXY_HTTP2_H */
