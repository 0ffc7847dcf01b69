/* SPDX-License-Identifier: ISC */

#include "redis/script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One evaluation, kept whole until it is known that it need not be resent. */
struct eval {
	struct redis *redis;
	redis_fn *fn;
	void *arg;
	const char *text;
	char nkeys[8];
	size_t n;
	struct span argv[]; /* the command; its bytes stand behind it */
};

static void
on_loaded(void *arg, const struct redis_reply *reply, int error)
{
	struct redis_script *script = arg;

	if (error == 0 && redis_reply_is(reply, REDIS_STRING) &&
	    reply->str.n == SCRIPT_SHA_MAX)
		memcpy(script->sha, reply->str.p, SCRIPT_SHA_MAX + 1);
}

void
redis_script_load(struct redis *r, struct redis_script *script)
{
	struct span argv[] = { SPAN("SCRIPT"), SPAN("LOAD"),
		span_of(script->text) };
	int e = redis_command(r, argv, ARRAY_LEN(argv), on_loaded, script);

	(void)e; /* without the digest it goes as text */
}

static void
on_answer(void *arg, const struct redis_reply *reply, int error)
{
	struct eval *ev = arg;

	if (ev->fn != NULL)
		ev->fn(ev->arg, reply, error);
	free(ev);
}

static void
on_first_answer(void *arg, const struct redis_reply *reply, int error)
{
	struct eval *ev = arg;

	if (error == 0 && redis_reply_fails(reply, "NOSCRIPT")) {
		ev->argv[0] = SPAN("EVAL");
		ev->argv[1] = span_of(ev->text);
		error = redis_command(
		    ev->redis, ev->argv, ev->n, on_answer, ev);
		if (error == 0)
			return;
		reply = NULL;
	}
	on_answer(ev, reply, error);
}

static struct eval *
eval_new(const struct span *args, size_t nargs)
{
	size_t bytes = 0;
	struct eval *ev;
	char *p;

	for (size_t i = 0; i < nargs; i++)
		bytes += args[i].n;
	ev = malloc(sizeof(*ev) + (nargs + 3) * sizeof(ev->argv[0]) + bytes);
	if (ev == NULL)
		return NULL;
	p = (char *)&ev->argv[nargs + 3];
	for (size_t i = 0; i < nargs; i++) {
		if (args[i].n > 0)
			memcpy(p, args[i].p, args[i].n);
		ev->argv[i + 3] = (struct span){ p, args[i].n };
		p += args[i].n;
	}
	ev->n = nargs + 3;
	return ev;
}

int
redis_script_eval(struct redis *r, const struct redis_script *script,
    const struct span *args, size_t nargs, size_t nkeys, redis_fn *fn,
    void *arg)
{
	bool known = script->sha[0] != '\0';
	struct eval *ev = eval_new(args, nargs);
	int e;

	if (ev == NULL)
		return -ENOMEM;
	ev->redis = r;
	ev->fn = fn;
	ev->arg = arg;
	ev->text = script->text;
	snprintf(ev->nkeys, sizeof(ev->nkeys), "%zu", nkeys);
	ev->argv[0] = known ? SPAN("EVALSHA") : SPAN("EVAL");
	ev->argv[1] = span_of(known ? script->sha : script->text);
	ev->argv[2] = span_of(ev->nkeys);
	e = redis_command(
	    r, ev->argv, ev->n, known ? on_first_answer : on_answer, ev);
	if (e < 0)
		free(ev);
	return e;
}
