/* SPDX-License-Identifier: ISC */

#include "redis/sentinel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/redis.h"

static const struct redis_limits limits = {
	.connect_ms = 500,
	.command_ms = 500,
	.waiting = 8,
	.out = 4096,
	.reply = 64 * 1024,
};

struct redis_sentinel {
	struct loop *loop;
	struct redis_sentinels list;
	unsigned first; /* who is asked first */
	unsigned tried; /* how many of this question were */
	struct redis *conn;
	struct loop_later later; /* reports, or frees */
	redis_sentinel_fn *fn;	 /* NULL: nobody asks */
	void *arg;
	struct redis_url at; /* the answer: "" for none */
	struct err why;
};

static void ask_next(struct redis_sentinel *s);

static const struct redis_url *
asked(const struct redis_sentinel *s)
{
	return &s->list.at[(s->first + s->tried) % s->list.n];
}

/* --- the answer ----------------------------------------------------------- */

static void
on_report(void *arg)
{
	struct redis_sentinel *s = arg;
	const struct redis_url at = s->at;
	const struct err why = s->why;
	redis_sentinel_fn *fn = s->fn;

	s->fn = NULL;
	fn(s->arg, at.host[0] != '\0' ? &at : NULL, &why);
}

static void
report(struct redis_sentinel *s)
{
	redis_free(s->conn);
	s->conn = NULL;
	loop_defer(s->loop, &s->later, on_report, s);
}

static void
miss(struct redis_sentinel *s, const char *why)
{
	char at[300];

	err_set(&s->why, -ENOENT, "Sentinel %s: %s",
	    redis_url_show(asked(s), at, sizeof(at)), why);
	redis_free(s->conn);
	s->conn = NULL;
	s->tried++;
	ask_next(s);
}

static int
take_address(struct redis_url *at, const struct redis_reply *reply)
{
	const struct redis_reply *host = redis_reply_at(reply, 0);
	const struct redis_reply *port = redis_reply_at(reply, 1);
	uint64_t number;

	if (!redis_reply_is(host, REDIS_STRING) ||
	    redis_reply_u64(port, &number) < 0 || number == 0 ||
	    number > UINT16_MAX ||
	    str_copy(at->host, sizeof(at->host), host->str) < 0 ||
	    strlen(at->host) != host->str.n || !redis_host_is_clean(at->host)) {
		at->host[0] = '\0';
		return -EPROTO;
	}
	at->port = (uint16_t)number;
	return 0;
}

static void
on_answer(void *arg, const struct redis_reply *reply, int error)
{
	struct redis_sentinel *s = arg;
	char text[ERR_MAX];

	if (error < 0)
		return; /* on_down() says why */
	if (redis_reply_is(reply, REDIS_ERROR)) {
		snprintf(text, sizeof(text), "%s", reply->str.p);
		miss(s, text);
	} else if (redis_reply_is(reply, REDIS_NIL)) {
		snprintf(text, sizeof(text), "knows no %s", s->list.master);
		miss(s, text);
	} else if (take_address(&s->at, reply) < 0) {
		miss(s, "an answer that makes no sense");
	} else {
		s->first = (s->first + s->tried) % s->list.n;
		report(s);
	}
}

/* --- asking --------------------------------------------------------------- */

static void
on_up(void *owner)
{
	struct redis_sentinel *s = owner;
	const struct span argv[] = { SPAN("SENTINEL"),
		SPAN("GET-MASTER-ADDR-BY-NAME"), span_of(s->list.master) };

	if (redis_command(s->conn, argv, ARRAY_LEN(argv), on_answer, s) < 0)
		miss(s, "no memory");
}

static void
on_down(void *owner, const char *reason)
{
	char text[ERR_MAX];

	snprintf(text, sizeof(text), "%s", reason);
	miss(owner, text);
}

static const struct redis_ops ops = { .up = on_up, .down = on_down };

static void
ask_next(struct redis_sentinel *s)
{
	if (s->tried == s->list.n) {
		report(s);
		return;
	}
	s->conn = redis_new(s->loop, asked(s), &limits, &ops, s);
	if (s->conn == NULL) {
		err_errno(&s->why, -ENOMEM, "Sentinel");
		report(s);
		return;
	}
	redis_start(s->conn);
}

void
redis_sentinel_ask(struct redis_sentinel *s, redis_sentinel_fn *fn, void *arg)
{
	redis_sentinel_cancel(s);
	s->fn = fn;
	s->arg = arg;
	s->tried = 0;
	s->at.host[0] = '\0';
	ask_next(s);
}

void
redis_sentinel_cancel(struct redis_sentinel *s)
{
	if (s == NULL)
		return;
	redis_free(s->conn);
	s->conn = NULL;
	s->fn = NULL;
	loop_defer_cancel(&s->later);
}

void
redis_sentinel_doubt(struct redis_sentinel *s)
{
	s->first = (s->first + 1) % s->list.n;
}

/* --- its life ------------------------------------------------------------- */

struct redis_sentinel *
redis_sentinel_new(struct loop *loop, const struct redis_sentinels *list)
{
	struct redis_sentinel *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->loop = loop;
	s->list = *list;
	return s;
}

static void
on_free(void *arg)
{
	free(arg);
}

void
redis_sentinel_free(struct redis_sentinel *s)
{
	if (s == NULL)
		return;
	redis_sentinel_cancel(s);
	loop_defer(s->loop, &s->later, on_free, s);
}
