/* SPDX-License-Identifier: ISC */

#include "redis/redis.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/rand.h"
#include "redis/dial.h"
#include "redis/sentinel.h"
#include "redis/waiting.h"

#define BACKOFF_FIRST_MS 100
#define STEADY_MS 5000 /* up for so long forgets the tries that failed */
#define READ_CHUNK (16 * 1024)
#define WATCH_MS 2000 /* between questions who is the master by now */

enum phase { STOPPED, RETRY, DIAL, HELLO, UP };

struct redis {
	struct loop *loop;
	struct redis_url url;
	struct redis_limits limits;
	const struct redis_ops *ops;
	void *owner;
	struct rng rng;
	enum phase phase;
	bool dead;
	unsigned tries; /* in a row */
	uint64_t up_since;
	uint64_t heard; /* when a reply came last */
	unsigned hello; /* answers still to come */

	struct redis_dial *dial;
	struct redis_reader *reader;
	struct buf out;
	int fd;
	struct loop_io io;
	struct loop_timer retry;
	struct loop_timer deadline; /* of the first that waits, or the PING */
	struct loop_later flush;
	struct loop_later free;

	struct waiting_ring ring; /* commands sent */

	struct redis_sentinel *sentinel; /* who knows the server; or NULL */
	struct loop_timer watch;
};

static void try_connect(struct redis *r);
static void fail(struct redis *r, int error, const char *reason);

/* --- those that wait ------------------------------------------------------
 */

/* Each is off the ring before it hears, so that it may free the connection. */
static void
answer_all(struct redis *r, int error)
{
	while (r->ring.count > 0) {
		struct waiting w = waiting_shift(&r->ring);

		if (w.fn != NULL)
			w.fn(w.arg, NULL, error);
	}
}

/* --- closing --------------------------------------------------------------
 */

static void
hang_up(struct redis *r)
{
	redis_dial_free(r->dial);
	r->dial = NULL;
	redis_sentinel_cancel(r->sentinel);
	loop_timer_disarm(&r->watch);
	loop_io_done(&r->io);
	loop_timer_disarm(&r->deadline);
	loop_timer_disarm(&r->retry);
	loop_defer_cancel(&r->flush);
	fd_close(&r->fd);
	buf_done(&r->out);
	r->phase = STOPPED;
}

static uint64_t
backoff(struct redis *r)
{
	uint64_t ms = BACKOFF_FIRST_MS;

	for (unsigned i = 1; i < r->tries && ms < r->limits.backoff_ms; i++)
		ms *= 2;
	if (ms > r->limits.backoff_ms)
		ms = r->limits.backoff_ms;
	return ms * (75 + rng_below(&r->rng, 51)) / 100;
}

static void
on_retry(void *arg)
{
	try_connect(arg);
}

/*
 * The end of this connection and the wait for the next. Nothing may touch the
 * connection after it: the callbacks may have freed it.
 */
static void
fail(struct redis *r, int error, const char *reason)
{
	char text[ERR_MAX];

	snprintf(text, sizeof(text), "%s", reason);
	if (r->phase == UP && loop_now(r->loop) - r->up_since >= STEADY_MS)
		r->tries = 0;
	if (r->sentinel != NULL && r->phase != UP)
		redis_sentinel_doubt(r->sentinel);
	hang_up(r);
	r->phase = RETRY;
	r->tries++;
	loop_timer_arm(&r->retry, backoff(r));
	answer_all(r, error);
	if (!r->dead)
		r->ops->down(r->owner, text);
}

static void
fail_errno(struct redis *r, int error, const char *what)
{
	struct err err;
	char at[512];

	err_errno(&err, error, "%s: %s",
	    redis_url_show(&r->url, at, sizeof(at)), what);
	fail(r, error, err.text);
}

static void
fail_text(struct redis *r, int error, const char *what)
{
	struct err err;
	char at[512];

	err_set(&err, error, "%s: %s", redis_url_show(&r->url, at, sizeof(at)),
	    what);
	fail(r, error, err.text);
}

/* --- writing --------------------------------------------------------------
 */

static int
encode(struct buf *b, const struct span *argv, size_t n)
{
	int e = buf_printf(b, "*%zu\r\n", n);

	for (size_t i = 0; i < n && e == 0; i++) {
		e = buf_printf(b, "$%zu\r\n", argv[i].n);
		if (e == 0 && argv[i].n > 0)
			e = buf_append(b, argv[i].p, argv[i].n);
		if (e == 0)
			e = buf_puts(b, "\r\n");
	}
	return e;
}

static void
on_flush(void *arg)
{
	struct redis *r = arg;
	ssize_t n;

	if (r->out.len == 0)
		return;
	n = send(r->fd, r->out.data, r->out.len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		fail_errno(r, -ECONNRESET, "send");
		return;
	}
	if (n > 0)
		buf_consume(&r->out, (size_t)n);
	if (r->out.len == 0)
		buf_done(&r->out);
	if (loop_io_want(&r->io,
		LOOP_READ | (r->out.len > 0 ? (unsigned)LOOP_WRITE : 0)) < 0)
		fail_errno(r, -ENOMEM, "send");
}

static void
arm_deadline(struct redis *r)
{
	uint64_t now = loop_now(r->loop), at = r->heard + r->limits.ping_ms;

	if (r->ring.count > 0)
		at = waiting_deadline(&r->ring);
	loop_timer_arm(&r->deadline, at > now ? at - now : 0);
}

static int
send_command(
    struct redis *r, const struct span *argv, size_t n, redis_fn *fn, void *arg)
{
	size_t before = r->out.len;
	int e = waiting_room(&r->ring, r->limits.waiting);

	if (e == 0)
		e = encode(&r->out, argv, n);
	if (e < 0) {
		if (r->out.data != NULL)
			r->out.len = before;
		return e;
	}
	waiting_push(&r->ring,
	    (struct waiting){
		fn, arg, loop_now(r->loop) + r->limits.command_ms });
	if (r->ring.count == 1)
		arm_deadline(r);
	loop_defer(r->loop, &r->flush, on_flush, r);
	return 0;
}

int
redis_command(
    struct redis *r, const struct span *argv, size_t n, redis_fn *fn, void *arg)
{
	return r->phase == UP ? send_command(r, argv, n, fn, arg) : -ENOTCONN;
}

/* Fires no earlier than the first deadline; replies do not disarm it. */
static void
on_deadline(void *arg)
{
	struct redis *r = arg;
	uint64_t now = loop_now(r->loop);
	char text[64];

	if (r->ring.count > 0 && now >= waiting_deadline(&r->ring)) {
		snprintf(text, sizeof(text), "no answer for %llu ms",
		    (unsigned long long)r->limits.command_ms);
		fail_text(r, -ETIMEDOUT, text);
		return;
	}
	if (r->ring.count == 0 && now >= r->heard + r->limits.ping_ms &&
	    send_command(r, &SPAN("PING"), 1, NULL, NULL) < 0)
		r->heard = now; /* no memory: ask again later */
	arm_deadline(r);
}

/* --- reading --------------------------------------------------------------
 */

/* False when the connection is no longer what it was. */
static bool
dispatch(struct redis *r, const struct redis_reply *reply)
{
	bool farewell = redis_reply_is_farewell(reply);
	char text[ERR_MAX];
	struct waiting w;

	if (r->ring.count == 0) {
		fail_text(r, -EPROTO, "an answer that nobody asked for");
		return false;
	}
	snprintf(text, sizeof(text), "%s", farewell ? reply->str.p : "");
	r->heard = loop_now(r->loop);
	w = waiting_shift(&r->ring);
	if (w.fn != NULL)
		w.fn(w.arg, reply, 0);
	if (r->dead || r->fd < 0)
		return false;
	if (farewell && r->phase == UP) {
		fail(r, -ECONNRESET, text);
		return false;
	}
	return true;
}

static void
on_bytes(struct redis *r, const char *data, size_t n)
{
	const struct redis_reply *reply;
	int e = redis_reader_feed(r->reader, data, n);

	if (e == 0) {
		while ((e = redis_reader_next(r->reader, &reply)) > 0)
			if (!dispatch(r, reply))
				return;
	}
	if (e < 0)
		fail_errno(r, e, "reply");
}

static void
on_readable(struct redis *r)
{
	char chunk[READ_CHUNK];
	ssize_t n = recv(r->fd, chunk, sizeof(chunk), 0);

	if (n > 0)
		on_bytes(r, chunk, (size_t)n);
	else if (n == 0)
		fail_text(r, -ECONNRESET, "the server hung up");
	else if (errno != EAGAIN && errno != EINTR)
		fail_errno(r, -errno, "read");
}

static void
on_io(void *arg, unsigned what)
{
	struct redis *r = arg;

	if (what == LOOP_WRITE)
		on_flush(r);
	else
		on_readable(r);
}

/* --- connecting -----------------------------------------------------------
 */

static void
on_hello(void *arg, const struct redis_reply *reply, int error)
{
	struct redis *r = arg;

	if (error < 0)
		return; /* fail() is telling the owner */
	if (redis_reply_is(reply, REDIS_ERROR)) {
		fail_text(r, -ECONNREFUSED, reply->str.p);
		return;
	}
	if (--r->hello > 0)
		return;
	r->phase = UP;
	r->up_since = loop_now(r->loop);
	if (r->sentinel != NULL)
		loop_timer_arm(&r->watch, WATCH_MS);
	r->ops->up(r->owner);
}

/* A Sentinel may be wrong, or early: the server has to say it itself. */
static void
on_role(void *arg, const struct redis_reply *reply, int error)
{
	const struct redis_reply *role = redis_reply_at(reply, 0);
	struct redis *r = arg;

	if (error < 0 || redis_reply_is(reply, REDIS_ERROR))
		on_hello(arg, reply, error);
	else if (!redis_reply_is(role, REDIS_STRING) ||
	    !span_eq(role->str, SPAN("master")))
		fail_text(r, -ECONNREFUSED, "it is not the master");
	else
		on_hello(arg, reply, 0);
}

static int
say(struct redis *r, const struct span *argv, size_t n, redis_fn *fn)
{
	int e = send_command(r, argv, n, fn, r);

	if (e == 0)
		r->hello++;
	return e;
}

static int
say_hello(struct redis *r)
{
	const struct redis_url *u = &r->url;
	struct span auth[3] = { SPAN("AUTH"), span_of(u->user),
		span_of(u->password) };
	struct span choose[2] = { SPAN("SELECT") };
	char db[12];
	int e = 0;

	r->hello = 0;
	if (u->user[0] == '\0')
		auth[1] = auth[2];
	if (u->password[0] != '\0')
		e = say(r, auth, u->user[0] != '\0' ? 3 : 2, on_hello);
	snprintf(db, sizeof(db), "%u", u->db);
	choose[1] = span_of(db);
	if (e == 0 && u->db != 0)
		e = say(r, choose, 2, on_hello);
	if (e == 0 && r->sentinel != NULL)
		e = say(r, &SPAN("ROLE"), 1, on_role);
	return e < 0 ? e : say(r, &SPAN("PING"), 1, on_hello);
}

static void
on_dialed(void *arg, int fd, const struct err *why)
{
	struct redis *r = arg;
	int e = 0;

	redis_dial_free(r->dial);
	r->dial = NULL;
	if (fd < 0) {
		fail(r, -ENOTCONN, why->text);
		return;
	}
	r->fd = fd;
	r->phase = HELLO;
	r->heard = loop_now(r->loop);
	redis_reader_free(r->reader);
	r->reader = redis_reader_new(r->limits.reply);
	if (r->reader == NULL)
		e = -ENOMEM;
	loop_io_init(&r->io, r->loop, fd, on_io, r);
	if (e == 0)
		e = loop_io_want(&r->io, LOOP_READ);
	if (e == 0)
		e = say_hello(r);
	if (e < 0)
		fail_errno(r, e, "connect");
}

static void
dial(struct redis *r)
{
	r->dial = redis_dial_new(
	    r->loop, &r->url, r->limits.connect_ms, on_dialed, r);
	if (r->dial == NULL)
		fail_errno(r, -ENOMEM, "connect");
}

static void
on_found(void *arg, const struct redis_url *at, const struct err *why)
{
	struct redis *r = arg;

	if (at == NULL) {
		fail(r, -ENOTCONN, why->text);
		return;
	}
	memcpy(r->url.host, at->host, sizeof(r->url.host));
	r->url.port = at->port;
	dial(r);
}

static void
try_connect(struct redis *r)
{
	r->phase = DIAL;
	if (r->sentinel != NULL)
		redis_sentinel_ask(r->sentinel, on_found, r);
	else
		dial(r);
}

/* Who cannot be asked is not missed while the server answers. */
static void
on_watched(void *arg, const struct redis_url *at, const struct err *why)
{
	struct redis *r = arg;

	(void)why;
	if (at != NULL &&
	    (at->port != r->url.port || strcmp(at->host, r->url.host) != 0))
		fail_text(r, -ECONNRESET, "it is no longer the master");
	else
		loop_timer_arm(&r->watch, WATCH_MS);
}

static void
on_watch(void *arg)
{
	struct redis *r = arg;

	redis_sentinel_ask(r->sentinel, on_watched, r);
}

/* --- from outside ---------------------------------------------------------
 */

int
redis_follow(struct redis *r, const struct redis_sentinels *list)
{
	r->sentinel = redis_sentinel_new(r->loop, list);
	return r->sentinel == NULL ? -ENOMEM : 0;
}

static void
fill_limits(struct redis_limits *l)
{
	/* clang-format off */
	const struct redis_limits d = {
		.connect_ms = 2000, .command_ms = 2000, .ping_ms = 5000,
		.backoff_ms = 2000, .waiting = 1024, .out = 1024 * 1024,
		.reply = 16 * 1024 * 1024,
	};
	/* clang-format on */

	l->connect_ms = l->connect_ms ? l->connect_ms : d.connect_ms;
	l->command_ms = l->command_ms ? l->command_ms : d.command_ms;
	l->ping_ms = l->ping_ms ? l->ping_ms : d.ping_ms;
	l->backoff_ms = l->backoff_ms ? l->backoff_ms : d.backoff_ms;
	l->waiting = l->waiting ? l->waiting : d.waiting;
	l->out = l->out ? l->out : d.out;
	l->reply = l->reply ? l->reply : d.reply;
}

struct redis *
redis_new(struct loop *loop, const struct redis_url *url,
    const struct redis_limits *limits, const struct redis_ops *ops, void *owner)
{
	struct redis *r = calloc(1, sizeof(*r));
	uint64_t seed;

	if (r == NULL)
		return NULL;
	r->loop = loop;
	r->url = *url;
	if (limits != NULL)
		r->limits = *limits;
	fill_limits(&r->limits);
	r->ops = ops;
	r->owner = owner;
	r->fd = -1;
	rand_bytes(&seed, sizeof(seed));
	rng_seed(&r->rng, seed);
	buf_init(&r->out, r->limits.out);
	loop_timer_init(&r->retry, loop, on_retry, r);
	loop_timer_init(&r->deadline, loop, on_deadline, r);
	loop_timer_init(&r->watch, loop, on_watch, r);
	return r;
}

void
redis_start(struct redis *r)
{
	if (r->phase != STOPPED || r->dead)
		return;
	r->phase = RETRY;
	loop_timer_arm(&r->retry, 0);
}

static void
on_free(void *arg)
{
	struct redis *r = arg;

	redis_reader_free(r->reader);
	waiting_done(&r->ring);
	redis_sentinel_free(r->sentinel);
	free(r);
}

void
redis_free(struct redis *r)
{
	if (r == NULL || r->dead)
		return;
	r->dead = true;
	hang_up(r);
	loop_timer_done(&r->retry);
	loop_timer_done(&r->deadline);
	loop_timer_done(&r->watch);
	answer_all(r, -ECANCELED);
	loop_defer(r->loop, &r->free, on_free, r);
}

void
redis_kick(struct redis *r)
{
	if (r->phase != RETRY)
		return;
	r->tries = 0;
	loop_timer_arm(&r->retry, 0);
}

void
redis_break(struct redis *r, const char *reason)
{
	if (r->phase == UP)
		fail(r, -ECANCELED, reason);
}

bool
redis_is_up(const struct redis *r)
{
	return r->phase == UP;
}

size_t
redis_waiting(const struct redis *r)
{
	return r->ring.count;
}
