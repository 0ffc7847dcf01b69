/* SPDX-License-Identifier: ISC */

/*
 * downstream - the client's side of an exchange, whatever carries it
 *
 * An exchange knows no socket on this side. A connection of HTTP/1 is one
 * downstream, for one exchange after the other; so is each stream of HTTP/2,
 * and a request that the worker itself makes.
 *
 * The request: whoever carries it calls exchange_begin() with its head, then
 * request_push() with the bytes of its body as HTTP/1.1 frames them, and
 * exchange_cancel() when the client has gone.
 *
 * The answer: downstream_send() with the head, in the text of HTTP/1.1 that
 * compose.c writes, and with what there is of the body; more pieces; then
 * downstream_done(). Where `raw` is set the body comes without chunks, for its
 * end is told otherwise; its trailers then come by themselves, if they can go
 * on at all. An answer that broke off ends in downstream_abort(),
 * and may not look complete.
 *
 * Back-pressure: downstream_read() says whether the request's body is wanted;
 * downstream_pending() how much of the answer the client has not taken, and
 * answer_drained() is called when that came to nothing. While it does not,
 * downstream_stalls() is asked twice in each limits.send_timeout.
 */

#ifndef PROXY_DOWNSTREAM_H
#define PROXY_DOWNSTREAM_H

#include <errno.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "base/str.h"
#include "proxy/peer.h"

struct downstream;
struct exchange;
struct worker;

struct downstream_ops {
	/*
	 * iov[0] begins with a head (also an interim one) and may be written
	 * over; head 0: all is body. iov is used up. A negative errno: the
	 * client is gone.
	 */
	int (*send)(
	    struct downstream *d, size_t head, struct iovec *iov, int n);
	size_t (*pending)(const struct downstream *d);

	/*
	 * The trailers of a raw answer, behind all of its body: whole lines,
	 * each with its CRLF, that chunk.h lets pass. -ENOBUFS (over a
	 * ceiling), or as send. NULL: they are dropped.
	 */
	int (*trailers)(struct downstream *d, struct span lines);

	/*
	 * A piece of the body straight from a socket, as wire_splice(). NULL:
	 * it cannot.
	 */
	ssize_t (*splice)(struct downstream *d, int from, size_t n);

	/* Nothing went since the last look but one; NULL: always. */
	bool (*stalls)(struct downstream *d);

	int (*read)(struct downstream *d, bool on); /* 0, -ENOMEM */

	/* The endpoint has all of the request's body. NULL: who cares. */
	void (*taken)(struct downstream *d);

	/*
	 * After 101: bytes both ways. What was stashed is pushed, and reading
	 * goes on. May end x. NULL: it does not switch to anything.
	 */
	void (*tunnel)(struct downstream *d);
	void (*shut)(struct downstream *d); /* a tunnel's: our side ends */

	/*
	 * Bytes behind the request that is under way. -ENOBUFS, -ENOMEM. NULL:
	 * nothing may stand there.
	 */
	int (*stash)(struct downstream *d, struct span s);

	/*
	 * The answer is complete and x is gone. keep: the connection may go
	 * on; clean: the request was read to its end.
	 */
	void (*done)(struct downstream *d, bool keep, bool clean);
	void (*close)(struct downstream *d); /* and its exchange */
	void (*abort)(struct downstream *d); /* so that it looks broken */
};

struct downstream {
	const struct downstream_ops *ops;
	struct worker *w;
	struct exchange *x; /* NULL: none under way */
	struct peer *peer;
	bool raw;
	bool http2; /* for who asks later what was spoken */
	bool last;  /* after this request the connection ends */
	bool eof;   /* the client has shut its side; it may still read */
};

static inline int MUST_CHECK
downstream_send(struct downstream *d, size_t head, struct iovec *iov, int n)
{
	return d->ops->send(d, head, iov, n);
}

static inline size_t
downstream_pending(const struct downstream *d)
{
	return d->ops->pending(d);
}

static inline ssize_t MUST_CHECK
downstream_splice(struct downstream *d, int from, size_t n)
{
	return d->ops->splice == NULL ? -ENOBUFS : d->ops->splice(d, from, n);
}

static inline bool
downstream_stalls(struct downstream *d)
{
	return d->ops->stalls == NULL || d->ops->stalls(d);
}

static inline int MUST_CHECK
downstream_read(struct downstream *d, bool on)
{
	return d->ops->read(d, on);
}

static inline void
downstream_pause(struct downstream *d)
{
	(void)d->ops->read(d, false); /* which cannot fail */
}

static inline void
downstream_taken(struct downstream *d)
{
	if (d->ops->taken != NULL)
		d->ops->taken(d);
}

static inline int MUST_CHECK
downstream_stash(struct downstream *d, struct span s)
{
	return d->ops->stash == NULL ? -ENOBUFS : d->ops->stash(d, s);
}

static inline void
downstream_tunnel(struct downstream *d)
{
	d->ops->tunnel(d);
}

static inline void
downstream_shut(struct downstream *d)
{
	d->ops->shut(d);
}

static inline void
downstream_done(struct downstream *d, bool keep, bool clean)
{
	d->ops->done(d, keep, clean);
}

static inline void
downstream_close(struct downstream *d)
{
	d->ops->close(d);
}

static inline void
downstream_abort(struct downstream *d)
{
	d->ops->abort(d);
}

#endif /* PROXY_DOWNSTREAM_H */
