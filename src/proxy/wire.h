/* SPDX-License-Identifier: ISC */

/*
 * wire - a non-blocking socket with its events and an unsent tail
 *
 * Reading is armed once and stays; it is taken away only for back-pressure.
 * Sending is tried at once; what the kernel did not take is kept, and EV_WRITE
 * armed until it went. Memory is held only while there is such a tail, and the
 * event for writing exists only while it is armed: most wires, most of the
 * time, wait for nothing but a request. Embedded
 * in a downstream or an upstream; no callback of it runs after wire_close().
 *
 * A peer that resets is heard of by reading or by writing. Who does neither,
 * but wants to know, calls wire_watch().
 *
 * With TLS on it all is the same to whoever uses it: the reading callback also
 * comes for bytes that were taken from the socket before, closing and shutting
 * say so (close_notify), and an end that was not said is -ECONNRESET.
 */

#ifndef PROXY_WIRE_H
#define PROXY_WIRE_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "proxy/pipe.h"
#include "tls/conn.h"

#define WIRE_TAIL_MAX (512U * 1024)
#define WIRE_TLS_COST (14U * 1024) /* what OpenSSL holds of one; measured */

struct wire {
	int fd; /* owned; -1: closed */
	bool reading;
	bool watching;
	bool shut;	     /* our side: then its end is no sign of a break */
	unsigned char still; /* looks at which nothing had moved */
	unsigned queued;     /* at the last look, in the kernel */
	struct event rd;
	struct event *wr;   /* NULL unless writing */
	struct event *gone; /* NULL unless watching, and not writing */
	event_callback_fn on_write;
	struct buf out;
	struct pipe *pipe;    /* what follows out; NULL: nothing */
	struct tls_conn *tls; /* owned; NULL: plain */
};

void wire_open(struct wire *w, struct event_base *base, int fd,
    event_callback_fn on_read, event_callback_fn on_write, void *arg,
    struct buf_meter *meter);
/* Before its first event: what comes and goes is TLS's; t becomes its own. */
void wire_secure(struct wire *w, struct tls_conn *t);

/* Whole again: the socket (and with it its TLS), which is the caller's. */
int wire_release(struct wire *w, struct tls_conn **t);

void wire_close(struct wire *w);
void wire_reset(struct wire *w); /* at its close, so that it looks broken */
int wire_shut(struct wire *w);	 /* our side; 0 or -errno */

int wire_read(struct wire *w, bool on) MUST_CHECK; /* arm; 0 or -ENOMEM */
int wire_write(struct wire *w, bool on) MUST_CHECK;
void wire_pause(struct wire *w);

/*
 * While it is paused, until wire_read(): should the peer go for good (not only
 * shut its side) the reading callback comes with EV_CLOSED. Without memory for
 * it nothing does, and the next write or deadline tells.
 */
void wire_watch(struct wire *w);

/* What there is; 0 at the end; -EAGAIN, or why it broke. */
ssize_t wire_recv(struct wire *w, void *to, size_t room) MUST_CHECK;

/*
 * Send or keep. 0: all is on its way (wire_pending() tells); a negative errno:
 * the peer is gone, or there is no memory for the tail. iov is used up.
 */
int wire_send(struct wire *w, struct iovec *iov, int n) MUST_CHECK;
int wire_flush(struct wire *w) MUST_CHECK; /* EV_WRITE came */

/*
 * Send what can be read from a socket, without a copy; only while nothing is
 * pending. How many bytes it gave; 0 at its end; -EAGAIN, or why it broke;
 * -ENOBUFS: no pipe is to be had, send as usual; -EPIPE: our peer is gone.
 */
ssize_t wire_splice(
    struct wire *w, struct pipe_pool *pool, int from, size_t n) MUST_CHECK;

/*
 * Asked now and then while there is a tail: whether the peer has taken nothing
 * since the last look but one. EPOLLOUT alone does not tell: on a long buffer
 * it comes only when a third of it is free.
 */
bool wire_stalls(struct wire *w);

static inline size_t
wire_pending(const struct wire *w)
{
	return w->out.len + (w->pipe != NULL ? w->pipe->len : 0);
}

#endif /* PROXY_WIRE_H */
