/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fd.h"
#include "control/applied.h"
#include "control/held.h"
#include "control/publish.h"
#include "control/replica.h"
#include "control/rollout.h"
#include "control/service.h"
#include "rollout_world.h"

/* --- the herd, and what must hold of it at each change -------------------- */

struct guard guard;

static struct control_watch watch;

struct service *
api(void)
{
	return service_by_name(guard.w->c, "api");
}

struct rollout *
rollout(void)
{
	return &api()->rollout;
}

static void
count(const struct list *list, unsigned *ready, unsigned *processes)
{
	LIST_EACH (r, list, struct replica, link) {
		if (r->in == NULL)
			continue;
		*ready += replica_ready(r) && r->cell >= 0;
		*processes += instance_has_process(r->in) && !r->dropped;
	}
}

static void
look(void)
{
	unsigned ready = 0, processes = 0;

	if (api() == NULL)
		return;
	count(&api()->replicas, &ready, &processes);
	count(&api()->extra, &ready, &processes);
	if (ready < guard.least)
		guard.least = ready;
	if (processes > guard.most)
		guard.most = processes;
	guard.seen++;
}

static void
on_event(void *arg, uint64_t id, const char *json)
{
	(void)arg;
	(void)id;
	if (strstr(json, "\"type\":\"instance\"") != NULL)
		look();
}

void
begin_guard(struct world *w)
{
	guard.w = w;
	guard.least = UINT32_MAX;
	guard.most = guard.seen = 0;
	watch.event = on_event;
	control_watch(w->c, &watch, UINT64_MAX - 1);
}

static void
write_api(const struct world *w, const char *more)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "service: api\ncommand: [/bin/true]\nready: notify\n%s", more);
	write_file(w, "services.d/api.yaml", text);
}

struct world *
world_of(const char *more, const char *base)
{
	struct world *w = world_new("", base);

	write_api(w, more);
	return w;
}

/* `n` copies of the version V=1, ready, and guarded from now on. */
struct world *
herd_of(unsigned n, const char *more)
{
	struct world *w = world_of(more, NULL);
	char id[16];

	attach(w);
	for (unsigned i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "api.%u", i);
		make_ready(w, id);
	}
	begin_guard(w);
	return w;
}

void
end(struct world *w)
{
	control_unwatch(&watch);
	world_free(w);
}

void
assert_capacity(unsigned n)
{
	assert_true(guard.seen > 0);
	assert_true(guard.least >= n);
	assert_true(guard.most <= n + 1);
}

json_t *
reload_how(struct world *w, const struct control_reload *how)
{
	struct buf errors;
	json_t *done;

	buf_init(&errors, 4096);
	done = control_reload(w->c, how, &errors);
	assert_string_equal(buf_str(&errors), "");
	assert_non_null(done);
	buf_done(&errors);
	return done;
}

void
deploy(struct world *w, const char *text, unsigned canary)
{
	const struct control_reload how = { .canary = canary };

	write_api(w, text);
	json_decref(reload_how(w, &how));
	run_for(w, 10);
}

/* The version of the process of each current copy, like "122". */
const char *
versions(void)
{
	static char text[16];
	size_t n = 0;

	LIST_EACH (r, &api()->replicas, struct replica, link) {
		char mark = '?';

		for (size_t i = 0; i < fake.n; i++) {
			const char *at = strstr(fake.children[i].env, "\nV=");

			if (fake.children[i].id == r->child && at != NULL &&
			    !fake.children[i].gone)
				mark = at[3];
		}
		text[n++] = mark;
	}
	text[n] = '\0';
	return text;
}

/* Processes that were told to end do so. */
void
reap(struct world *w)
{
	for (size_t i = 0; i < fake.n; i++)
		if (fake.children[i].pid > 0 && !fake.children[i].gone &&
		    fake.children[i].last_signal == SIGTERM)
			fake_exit(&fake.children[i], 0, "");
	run_for(w, 10);
}

void
candidate_ready(struct world *w)
{
	assert_non_null(rollout()->candidate);
	replica_post(rollout()->candidate, INSTANCE_EV_PASSED, "test");
	run_for(w, 20);
	reap(w);
}

/* Each candidate gets ready at once, until none comes any more. */
void
roll_on(struct world *w)
{
	for (unsigned i = 0; i < 100 && rollout()->on; i++) {
		struct replica *r = rollout()->candidate;

		if (r != NULL && replica_state(r) == INSTANCE_STARTING)
			replica_post(r, INSTANCE_EV_PASSED, "test");
		LIST_EACH_SAFE (at, &api()->replicas, struct replica, link)
			if (replica_state(at) == INSTANCE_STARTING)
				replica_post(at, INSTANCE_EV_PASSED, "test");
		run_for(w, 10);
		reap(w);
	}
	assert_false(rollout()->on);
}

struct fake_child *
process_of(const struct replica *r)
{
	for (size_t i = 0; i < fake.n; i++)
		if (fake.children[i].id == r->child)
			return &fake.children[i];
	fail();
	return NULL;
}

/* What a worker counts of the answers of one copy. */
void
answers(const struct replica *r, uint64_t all, uint64_t errors)
{
	struct scoreboard *board = guard.w->c->workers.board;
	struct scoreboard_endpoint *cell;

	scoreboard_join(board, 0, 1);
	cell = scoreboard_endpoint(board, 0, (unsigned)r->cell);
	count64(&cell->requests, all);
	count64(&cell->errors, errors);
}

const char *
phase(void)
{
	static char text[32];
	json_t *o = rollout_json(api());

	snprintf(text, sizeof(text), "%s",
	    json_string_value(json_object_get(o, "phase")));
	json_decref(o);
	return text;
}

const char *
reason(void)
{
	static char text[256];

	rollout_reason(api(), text, sizeof(text));
	return text;
}

int
say(enum control_verb verb)
{
	struct err err = { "" };
	int r = control_rollout(guard.w->c, "api", verb, &err);

	run_for(guard.w, 10);
	return r;
}

size_t
held_in_plan(struct world *w)
{
	struct buf errors;
	json_t *plan;
	size_t n;

	buf_init(&errors, 4096);
	plan = control_plan(w->c, &errors);
	assert_non_null(plan);
	assert_int_equal(json_array_size(json_object_get(plan, "changes")), 0);
	n = json_array_size(json_object_get(plan, "held"));
	json_decref(plan);
	buf_done(&errors);
	return n;
}

void
again(struct world *w)
{
	unsigned least = guard.least, most = guard.most, seen = guard.seen;

	control_free(w->c);
	attach(w);
	w->c->workers.all[0].applied = UINT64_MAX; /* it is not there */
	begin_guard(w);
	guard.least = least;
	guard.most = most;
	guard.seen = seen;
	look();
}
