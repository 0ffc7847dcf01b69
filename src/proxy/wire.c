/* SPDX-License-Identifier: ISC */

#include "proxy/wire.h"

#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

#define WIRE_TOGETHER 1024

void
wire_open(struct wire *w, struct event_base *base, int fd,
    event_callback_fn on_read, event_callback_fn on_write, void *arg,
    struct buf_meter *meter)
{
	w->fd = fd;
	w->reading = false;
	w->watching = false;
	w->shut = false;
	w->wr = NULL;
	w->gone = NULL;
	w->on_write = on_write;
	event_assign(&w->rd, base, fd, EV_READ | EV_PERSIST, on_read, arg);
	buf_init_metered(&w->out, WIRE_TAIL_MAX, meter);
	w->pipe = NULL;
	w->tls = NULL;
}

void
wire_secure(struct wire *w, struct tls_conn *t)
{
	w->tls = t;
	if (t != NULL && w->out.meter != NULL)
		w->out.meter->held += WIRE_TLS_COST;
}

static struct tls_conn *
take_tls(struct wire *w)
{
	struct tls_conn *t = w->tls;

	if (t != NULL && w->out.meter != NULL)
		w->out.meter->held -= WIRE_TLS_COST;
	w->tls = NULL;
	return t;
}

/* Also from inside its callback, which libevent allows. */
static void
drop_event(struct event **e)
{
	if (*e != NULL)
		event_free(*e);
	*e = NULL;
}

/* What libevent says does not tell an error from room to write. */
static void
on_gone(evutil_socket_t fd, short what, void *arg)
{
	struct wire *w = arg;
	struct pollfd p = { .fd = fd };

	(void)what;
	if (poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLHUP)))
		event_get_callback (&w->rd)(
		    fd, EV_CLOSED, event_get_callback_arg(&w->rd));
}

/*
 * EV_WRITE on an edge comes at once, and then when the socket breaks; EV_READ
 * would come for each byte. It may not stand beside one that is no edge, but
 * EV_WRITE of that kind hears of a break, too.
 */
static void
watch(struct wire *w)
{
	if (!w->watching || w->shut || w->gone != NULL || w->wr != NULL)
		return;
	w->gone = event_new(event_get_base(&w->rd), w->fd,
	    EV_WRITE | EV_PERSIST | EV_ET, on_gone, w);
	if (w->gone != NULL && event_add(w->gone, NULL) < 0)
		drop_event(&w->gone);
}

static void
stop_writing(struct wire *w)
{
	drop_event(&w->wr);
	watch(w);
}

static void
stop(struct wire *w)
{
	wire_pause(w);
	w->watching = false;
	drop_event(&w->gone);
	drop_event(&w->wr);
}

/* Nobody is told: it goes on elsewhere. */
int
wire_release(struct wire *w, struct tls_conn **t)
{
	int fd = w->fd;

	*t = take_tls(w);
	w->fd = -1;
	stop(w);
	return fd;
}

static void
close_tls(struct wire *w)
{
	/* In the middle of something it shall look like that. */
	if (wire_pending(w) == 0)
		tls_conn_shut(w->tls);
	tls_conn_free(take_tls(w));
}

void
wire_close(struct wire *w)
{
	if (w->fd == -1)
		return;
	stop(w);
	if (w->tls != NULL)
		close_tls(w);
	fd_close(&w->fd);
	buf_done(&w->out);
	pipe_give(w->pipe);
	w->pipe = NULL;
}

void
wire_reset(struct wire *w)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	if (w->tls != NULL)
		tls_conn_break(w->tls);
}

int
wire_shut(struct wire *w)
{
	w->shut = true;
	drop_event(&w->gone);
	if (w->tls != NULL)
		tls_conn_shut(w->tls);
	return shutdown(w->fd, SHUT_WR) < 0 ? -errno : 0;
}

/* --- with TLS ------------------------------------------------------------- */

/* No event tells of what was taken from the socket already. */
static void
go_on_reading(struct wire *w)
{
	if (w->reading && tls_conn_pending(w->tls))
		event_active(&w->rd, EV_READ, 0);
}

static ssize_t
recv_tls(struct wire *w, void *to, size_t room)
{
	ssize_t n = tls_conn_recv(w->tls, to, room);

	if (n == -EINPROGRESS)
		return wire_write(w, true) < 0 ? -ENOMEM : -EAGAIN;
	if (n > 0)
		go_on_reading(w);
	return n;
}

/* EV_WRITE, with nothing to send: it was reading that had to. */
static int
flush_tls(struct wire *w)
{
	const struct iovec iov = { w->out.data, w->out.len };
	ssize_t sent;

	if (w->out.len == 0) {
		if (w->reading)
			event_active(&w->rd, EV_READ, 0);
		return wire_write(w, false);
	}
	sent = tls_conn_send(w->tls, &iov, 1);
	if (sent < 0)
		return (int)sent;
	buf_consume(&w->out, (size_t)sent);
	if (w->out.len > 0)
		return 0;
	buf_done(&w->out);
	return wire_write(w, false);
}

/* --- bytes ---------------------------------------------------------------- */

ssize_t
wire_recv(struct wire *w, void *to, size_t room)
{
	ssize_t n;

	if (w->tls != NULL)
		return recv_tls(w, to, room);
	do
		n = recv(w->fd, to, room, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int
wire_read(struct wire *w, bool on)
{
	if (on && w->watching) {
		w->watching = false;
		drop_event(&w->gone);
	}
	if (!on)
		wire_pause(w);
	else if (!w->reading && event_add(&w->rd, NULL) < 0)
		return -ENOMEM;
	w->reading = on;
	if (on && w->tls != NULL)
		go_on_reading(w);
	return 0;
}

void
wire_pause(struct wire *w)
{
	if (w->reading)
		event_del(&w->rd);
	w->reading = false;
}

void
wire_watch(struct wire *w)
{
	w->watching = true;
	watch(w);
}

int
wire_write(struct wire *w, bool on)
{
	if (on == (w->wr != NULL))
		return 0;
	if (!on) {
		stop_writing(w);
		return 0;
	}
	drop_event(&w->gone);
	w->wr = event_new(event_get_base(&w->rd), w->fd, EV_WRITE | EV_PERSIST,
	    w->on_write, event_get_callback_arg(&w->rd));
	if (w->wr != NULL && event_add(w->wr, NULL) == 0)
		return 0;
	stop_writing(w);
	return -ENOMEM;
}

static void
moved(struct wire *w)
{
	w->still = 0;
	w->queued = UINT_MAX;
}

bool
wire_stalls(struct wire *w)
{
	int queued = 0;

	if (ioctl(w->fd, SIOCOUTQ, &queued) < 0)
		queued = 0;
	if ((unsigned)queued == w->queued)
		return ++w->still >= 2;
	w->queued = (unsigned)queued;
	w->still = 0;
	return false;
}

/* What was not sent of iov goes behind the tail. */
static int
keep(struct wire *w, const struct iovec *iov, int n, size_t sent)
{
	for (int i = 0; i < n; i++) {
		int r;

		if (sent >= iov[i].iov_len) {
			sent -= iov[i].iov_len;
			continue;
		}
		r = buf_append(&w->out, (const char *)iov[i].iov_base + sent,
		    iov[i].iov_len - sent);
		if (r < 0)
			return r;
		sent = 0;
	}
	if (w->out.len == 0)
		return 0;
	if (w->wr == NULL)
		moved(w);
	return wire_write(w, true);
}

/*
 * send() costs the kernel less than writev() does, by more than it takes to
 * copy a small body behind its head.
 */
static ssize_t
send_some(int fd, const struct iovec *iov, int n)
{
	char together[WIRE_TOGETHER];
	size_t have = 0;

	if (n == 1)
		return send(fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > sizeof(together) - have)
			return writev(fd, iov, n);
		memcpy(together + have, iov[i].iov_base, iov[i].iov_len);
		have += iov[i].iov_len;
	}
	return send(fd, together, have, MSG_NOSIGNAL);
}

int
wire_send(struct wire *w, struct iovec *iov, int n)
{
	ssize_t sent = 0;

	if (w->tls != NULL && w->out.len == 0) {
		sent = tls_conn_send(w->tls, iov, n);
		if (sent < 0)
			return (int)sent;
	} else if (w->out.len == 0) {
		do
			sent = send_some(w->fd, iov, n);
		while (sent < 0 && errno == EINTR);
		if (sent < 0 && errno != EAGAIN)
			return -errno;
	}
	return keep(w, iov, n, sent < 0 ? 0 : (size_t)sent);
}

/* An empty pipe goes back at once: there are few. */
static int
drain(struct wire *w)
{
	size_t before = w->pipe->len;
	int r = pipe_drain(w->pipe, w->fd);

	if (r < 0)
		return r;
	if (w->wr == NULL || w->pipe->len < before)
		moved(w);
	if (w->pipe->len > 0)
		return wire_write(w, true);
	pipe_give(w->pipe);
	w->pipe = NULL;
	return wire_write(w, false);
}

ssize_t
wire_splice(struct wire *w, struct pipe_pool *pool, int from, size_t n)
{
	struct pipe *p = w->tls == NULL ? pipe_take(pool) : NULL;
	ssize_t r;

	if (p == NULL)
		return -ENOBUFS;
	r = pipe_fill(p, from, n);
	if (r <= 0) {
		pipe_give(p);
		return r;
	}
	w->pipe = p;
	return drain(w) < 0 ? -EPIPE : r;
}

int
wire_flush(struct wire *w)
{
	ssize_t sent;

	if (w->pipe != NULL)
		return drain(w);
	if (w->tls != NULL)
		return flush_tls(w);
	do
		sent = write(w->fd, w->out.data, w->out.len);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? 0 : -errno;
	moved(w);
	buf_consume(&w->out, (size_t)sent);
	if (w->out.len > 0)
		return 0;
	buf_done(&w->out);
	return wire_write(w, false);
}
