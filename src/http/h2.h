/* SPDX-License-Identifier: ISC */

/*
 * h2 - the server's side of a connection of HTTP/2: bytes in, bytes out
 *
 * It owns no socket. What came is given to h2_read(), which takes at most one
 * frame of it and tells what that meant; h2_write() makes frames of what is to
 * be sent and hands them to ops->emit. Requests come out as the text of an
 * HTTP/1.1 head, to be read by head_request() and judged by the same rules;
 * answers go in as that text. Streams are the owner's, with a struct h2_stream
 * in each. Trailers are lines of HTTP/1.1, both ways.
 *
 * Refused here, for it cannot be said in HTTP/1.1 (RFC 9113, 8.1.1: malformed,
 * the stream is reset with PROTOCOL_ERROR):
 *   names      empty, not a token, with a capital letter
 *   values     control characters but HTAB, space or tab at either end
 *   pseudo     unknown ones, a second of one kind, one behind a field or in
 *              trailers; one missing (CONNECT has :authority alone)
 *   fields     Connection, Keep-Alive, Proxy-Connection, Transfer-Encoding,
 *              Upgrade; TE that says more than "trailers"
 *   bodies     more or less than Content-Length says; trailers that do not end
 *              the stream
 * With an answer instead (ev->refusal): a path that is neither "/..." nor "*"
 * 400, another scheme than http and https 400, :authority and Host that do not
 * agree 400, a head over the ceilings 431. Crumbs of a cookie come out joined.
 *
 * Against abuse the connection ends with ENHANCE_YOUR_CALM (h2_fault() says
 * over what): a header block that decodes to four times the ceiling, or is cut
 * into over H2_CONTINUATIONS; more resets, whether the client's or those that
 * it provoked, than limits.resets at once, of which an H2_REFILL_S-th comes
 * back each second; more frames that carry nothing (PING, SETTINGS, PRIORITY,
 * unknown ones, empty DATA, WINDOW_UPDATE for what was never sent) than
 * limits.controls, likewise.
 *
 * Windows open by h2_credit() alone. Nothing is pushed, priorities are not
 * followed, and CONNECT with :protocol (RFC 8441) is not offered.
 */

#ifndef HTTP_H2_H
#define HTTP_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/str.h"
#include "http/head.h"

#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_STREAMS 128	       /* by default */
#define H2_WINDOW (128 * 1024) /* of a stream, by default */
#define H2_TAIL_MAX (512 * 1024)
#define H2_WINDOW_ALL (1024 * 1024) /* of the connection */
#define H2_CONTINUATIONS 8
#define H2_RESETS 256	/* by default */
#define H2_CONTROLS 512 /* by default */
#define H2_REFILL_S 8	/* until a budget that was spent is whole again */

struct h2;

struct h2_limits {
	uint32_t streams; /* at once */
	size_t head;	  /* bytes of a request's head */
	size_t lines;
	struct buf_meter *meter; /* of all it holds; or NULL */
	uint32_t resets;	 /* these two: the budgets above */
	uint32_t controls;
	uint32_t window; /* of a stream, for the request's body */
};

/* One stream; embedded in the owner's, zeroed at first, and its own. */
struct h2_stream {
	int32_t id;
	bool head;   /* it asks for no body: HEAD */
	bool sized;  /* the request has a Content-Length, `left` to come */
	bool ended;  /* the request came to its end */
	bool begun;  /* the head of the answer is out */
	bool osized; /* the answer has a Content-Length, `oleft` to go */
	bool last;   /* no more comes behind tail and lent */
	bool sent;   /* the end of the answer is out */
	bool drop;   /* once it is, the rest of the request is not wanted */
	bool asleep; /* waits for h2_body() or h2_end() */
	bool closed; /* on neither side open: only to be freed */
	uint64_t left;
	uint64_t oleft;
	uint64_t moved;	     /* bytes of bodies that were framed */
	struct buf tail;     /* of the answer, what no window was open for */
	struct buf trailers; /* that go out behind it, instead of its end */
	struct iovec *lent;  /* behind tail, during a call only */
	int nlent;
};

struct h2_ops {
	/*
	 * Bytes to be sent, in order. lent: they stay where they are until the
	 * call of h2_answer() or h2_body() is over. 0 or -errno.
	 */
	int (*emit)(void *arg, const void *data, size_t n, bool lent);

	/* Whether the client takes bytes of bodies now. */
	bool (*open)(void *arg);

	/* The stream is over on both sides, or was reset by either. */
	void (*closed)(void *arg, struct h2_stream *s);
};

enum h2_kind {
	H2_NOTHING,
	H2_REQUEST, /* id, text, end; refusal */
	H2_BODY,    /* stream, data, trailers, end, shut; stream NULL: none's */
	H2_MALFORMED
};

struct h2_event {
	enum h2_kind kind;
	int32_t id;
	struct h2_stream *stream;
	struct span text;     /* of a head; until the next call */
	struct span data;     /* inside what was given to h2_read() */
	struct span trailers; /* lines with their CRLF; until the next call */
	enum head_refusal refusal;
	bool end;  /* of the request */
	bool shut; /* more has to come, and must wait for h2_credit() */
};

enum h2_fault {
	H2_FINE,
	H2_GONE,     /* the session is over, no reason that counts */
	H2_PROTOCOL, /* the client broke the rules of framing */
	H2_HEADS,    /* header blocks that are bombs or floods */
	H2_RESET,    /* resets */
	H2_CONTROL,  /* frames that carry nothing */
	H2_MEMORY
};

/* NULL: out of memory. The limits are copied. */
struct h2 *h2_new(
    const struct h2_limits *limits, const struct h2_ops *ops, void *arg);
void h2_free(struct h2 *h); /* NULL is fine; closes no stream */

/*
 * Take a frame, or a part of one, off `in`. -EPROTO: the session is over; what
 * h2_write() still emits tells the client why.
 */
int h2_read(struct h2 *h, uint64_t now_ms, struct span *in,
    struct h2_event *ev) MUST_CHECK;

/* Emit what is due. -ENOMEM, -EPROTO, or what emit said: close. */
int h2_write(struct h2 *h) MUST_CHECK;

bool h2_in_head(const struct h2 *h); /* a preface or a head came in part */
bool h2_over(const struct h2 *h);    /* nothing will come or go any more */
enum h2_fault h2_fault(const struct h2 *h);

/* The request of ev gets this stream. -ENOENT: it is gone already. */
int h2_open(
    struct h2 *h, struct h2_stream *s, const struct h2_event *ev) MUST_CHECK;
void h2_stream_done(struct h2_stream *s);

/*
 * An answer's head, or an interim one, as text of HTTP/1.1 at the front of
 * iov[0], which is written over; behind it the first of its body. What no
 * window is open for is kept in s->tail. -ENOMEM, -ENOBUFS, -EPROTO, -EPIPE
 * (the stream is gone), or what emit said. iov is used up.
 */
int h2_answer(
    struct h2 *h, struct h2_stream *s, struct iovec *iov, int n) MUST_CHECK;
int h2_body(
    struct h2 *h, struct h2_stream *s, struct iovec *iov, int n) MUST_CHECK;

/*
 * The answer ends with these fields (RFC 9113, 8.1): whole lines, each with its
 * CRLF, that may stand in a trailer section. They are copied, and go out with
 * the end. What is of this hop is left out. -ENOBUFS (over the ceilings of a
 * head), -ENOMEM, -EPIPE.
 */
int h2_trailers(
    struct h2 *h, struct h2_stream *s, struct span lines) MUST_CHECK;

/* The answer is complete. drop: what is left of the request is not wanted. */
void h2_end(struct h2 *h, struct h2_stream *s, bool drop);

/* The client can be sent to again, after ops->open said no. */
void h2_wake(struct h2 *h, struct h2_stream *s);

/* Bytes of a request's body that have gone on. */
void h2_credit(struct h2 *h, struct h2_stream *s, size_t n);

/* Reset it: cancel, or (broken) INTERNAL_ERROR. */
void h2_cut(struct h2 *h, struct h2_stream *s, bool broken);

/* A fault showed while writing: end the session, as h2_read() does. */
void h2_stop(struct h2 *h);

/*
 * GOAWAY: notice, that no more should be asked for; and its end, after which
 * what is asked for is not answered (RFC 9113, 6.8).
 */
void h2_notice(struct h2 *h);
void h2_goaway(struct h2 *h);

#endif /* HTTP_H2_H */
