/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "proxy_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "proxy/exchange.h"
#include "proxy/table.h"

/* --- origins -------------------------------------------------------------- */

static void
hang_up(struct world_conn *c)
{
	loop_io_done(&c->io);
	fd_close(&c->fd);
}

static void
on_conn(void *arg, unsigned what)
{
	struct world_conn *c = arg;
	struct world_origin *o = c->o;
	ssize_t n = read(c->fd, o->heard, sizeof(o->heard) - 1);

	(void)what;
	if (n <= 0) {
		hang_up(c);
		return;
	}
	o->heard[n] = '\0';
	o->asked++;
	if (o->answer != NULL &&
	    fd_write_all(c->fd, o->answer, strlen(o->answer)) < 0)
		hang_up(c);
}

static void
on_origin(void *arg, unsigned what)
{
	struct world_origin *o = arg;
	int fd = accept4(o->fd, NULL, NULL, SOCK_CLOEXEC);

	(void)what;
	for (unsigned i = 0; i < WORLD_CONNS && fd >= 0; i++) {
		struct world_conn *c = &o->conns[i];

		if (c->fd != -1)
			continue;
		c->fd = fd;
		c->o = o;
		loop_io_init(&c->io, o->world->w->loop, fd, on_conn, c);
		assert_int_equal(loop_io_want(&c->io, LOOP_READ), 0);
		return;
	}
	fail_msg("no room for a connection");
}

static void
open_origin(struct world *t, struct world_origin *o, const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(o->address, sizeof(o->address), "unix:%s/%s", t->folder, name);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s", t->folder, name);
	o->world = t;
	o->answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	for (unsigned i = 0; i < WORLD_CONNS; i++)
		o->conns[i].fd = -1;
	o->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(o->fd, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(o->fd, 16), 0);
	loop_io_init(&o->io, t->w->loop, o->fd, on_origin, o);
	assert_int_equal(loop_io_want(&o->io, LOOP_READ), 0);
}

static void
close_origin(struct world_origin *o)
{
	for (unsigned i = 0; i < WORLD_CONNS; i++)
		if (o->conns[i].fd != -1)
			hang_up(&o->conns[i]);
	loop_io_done(&o->io);
	fd_close(&o->fd);
	unlink(o->address + strlen("unix:"));
}

/* --- clients -------------------------------------------------------------- */

static int
op_send(struct downstream *d, size_t head, struct iovec *iov, int n)
{
	struct world_client *c = (struct world_client *)d;

	(void)head;
	for (int i = 0; i < n; i++) {
		assert_true(c->n + iov[i].iov_len < sizeof(c->said));
		memcpy(c->said + c->n, iov[i].iov_base, iov[i].iov_len);
		c->n += iov[i].iov_len;
	}
	c->said[c->n] = '\0';
	return 0;
}

static size_t
op_pending(const struct downstream *d)
{
	(void)d;
	return 0;
}

static int
op_read(struct downstream *d, bool on)
{
	(void)d;
	(void)on;
	return 0;
}

static void
op_end(struct downstream *d)
{
	((struct world_client *)d)->ends++;
}

static void
op_done(struct downstream *d, bool keep, bool clean)
{
	(void)keep;
	(void)clean;
	op_end(d);
}

static const struct downstream_ops ops = {
	.send = op_send,
	.pending = op_pending,
	.read = op_read,
	.done = op_done,
	.close = op_end,
	.abort = op_end,
};

void
world_begin(struct world *t, struct world_client *c, const char *head)
{
	size_t scanned = 0;
	struct head h;

	*c = (struct world_client){ .d = { .ops = &ops, .w = t->w } };
	c->d.peer = &c->peer;
	c->peer.local = true;
	worker_tick(t->w);
	head_init(&h, t->w->headers, t->w->limits.head_lines);
	assert_int_equal(head_request(&h, span_of(head), &scanned), HEAD_OK);
	(void)exchange_begin(&c->d, &h, SPAN(""));
}

bool
world_over(void *arg)
{
	return ((struct world_client *)arg)->ends > 0;
}

unsigned
world_ask(struct world *t, struct world_client *c, const char *head)
{
	world_begin(t, c, head);
	world_until(t, world_over, c);
	assert_int_equal(c->ends, 1);
	assert_null(c->d.x);
	return c->n > 12 ? (unsigned)strtoul(c->said + 9, NULL, 10) : 0;
}

/* --- the worker ----------------------------------------------------------- */

static void
on_late(void *arg)
{
	(void)arg;
	fail_msg("it did not come within 10 s");
}

static void
on_turn(void *arg)
{
	loop_stop(((struct world *)arg)->w->loop);
}

void
world_until(struct world *t, bool (*what)(void *arg), void *arg)
{
	loop_timer_arm(&t->late, 10000);
	while (!what(arg)) {
		loop_timer_arm(&t->turn, 1);
		assert_int_equal(loop_run(t->w->loop), 0);
	}
	loop_timer_disarm(&t->turn);
	loop_timer_disarm(&t->late);
}

int
world_publish(struct world *t, const struct snapshot *s)
{
	struct snapshot mine = *s, *read = NULL;
	struct err err;
	struct buf b;
	int r;

	mine.generation = ++t->generation;
	buf_init(&b, SNAPSHOT_BYTES_MAX);
	r = snapshot_encode(&mine, &b);
	if (r == 0)
		r = snapshot_decode(b.data, b.len, &read, &err);
	buf_done(&b);
	return r < 0 ? r : table_apply(t->w, read, &err);
}

int
world_setup(void **state)
{
	struct world *t = calloc(1, sizeof(*t));
	struct err err;
	int fd;

	assert_non_null(t);
	t->w = calloc(1, sizeof(*t->w));
	assert_non_null(t->w);
	snprintf(t->folder, sizeof(t->folder), "/tmp/drover-proxy-XXXXXX");
	assert_non_null(mkdtemp(t->folder));
	assert_int_equal(worker_init(t->w, "/nowhere/at/all", 0, &err), 0);
	assert_int_equal(scoreboard_create(&fd, &err), 0);
	assert_int_equal(worker_join(t->w, 0, fd, &err), 0);
	fd_close(&fd);
	open_origin(t, &t->web, "web");
	open_origin(t, &t->judge, "judge");
	loop_timer_init(&t->late, t->w->loop, on_late, t);
	loop_timer_init(&t->turn, t->w->loop, on_turn, t);
	*state = t;
	return 0;
}

int
world_teardown(void **state)
{
	struct world *t = *state;

	loop_timer_done(&t->late);
	loop_timer_done(&t->turn);
	close_origin(&t->web);
	close_origin(&t->judge);
	worker_done(t->w);
	assert_int_equal(rmdir(t->folder), 0);
	free(t->w);
	free(t);
	return 0;
}
