/* SPDX-License-Identifier: ISC */

#include "proxy/wire.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

void
wire_open(struct wire *w, struct event_base *base, int fd,
    event_callback_fn on_read, event_callback_fn on_write, void *arg)
{
	w->fd = fd;
	w->reading = w->writing = false;
	event_assign(&w->rd, base, fd, EV_READ | EV_PERSIST, on_read, arg);
	event_assign(&w->wr, base, fd, EV_WRITE | EV_PERSIST, on_write, arg);
	buf_init(&w->out, WIRE_TAIL_MAX);
	w->pipe = NULL;
}

void
wire_close(struct wire *w)
{
	if (w->fd == -1)
		return;
	wire_pause(w);
	if (w->writing)
		event_del(&w->wr);
	w->writing = false;
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
}

int
wire_shut(struct wire *w)
{
	return shutdown(w->fd, SHUT_WR) < 0 ? -errno : 0;
}

ssize_t
wire_recv(struct wire *w, void *to, size_t room)
{
	ssize_t n;

	do
		n = recv(w->fd, to, room, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int
wire_read(struct wire *w, bool on)
{
	if (!on)
		wire_pause(w);
	else if (!w->reading && event_add(&w->rd, NULL) < 0)
		return -ENOMEM;
	w->reading = on;
	return 0;
}

void
wire_pause(struct wire *w)
{
	if (w->reading)
		event_del(&w->rd);
	w->reading = false;
}

int
wire_write(struct wire *w, bool on)
{
	if (on == w->writing)
		return 0;
	if (!on)
		event_del(&w->wr);
	else if (event_add(&w->wr, NULL) < 0)
		return -ENOMEM;
	w->writing = on;
	return 0;
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
	return w->out.len > 0 ? wire_write(w, true) : 0;
}

int
wire_send(struct wire *w, struct iovec *iov, int n)
{
	ssize_t sent = 0;

	if (w->out.len == 0) {
		do
			sent = writev(w->fd, iov, n);
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
	int r = pipe_drain(w->pipe, w->fd);

	if (r < 0)
		return r;
	if (w->pipe->len > 0)
		return wire_write(w, true);
	pipe_give(w->pipe);
	w->pipe = NULL;
	return wire_write(w, false);
}

ssize_t
wire_splice(struct wire *w, struct pipe_pool *pool, int from, size_t n)
{
	struct pipe *p = pipe_take(pool);
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
	do
		sent = write(w->fd, w->out.data, w->out.len);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return errno == EAGAIN ? 0 : -errno;
	buf_consume(&w->out, (size_t)sent);
	if (w->out.len > 0)
		return 0;
	buf_done(&w->out);
	return wire_write(w, false);
}
