/* SPDX-License-Identifier: ISC */

/* Rollouts over a keeper that starts nothing: what is replaced when, and back.
 *
 * Every state change of the service is looked at: never fewer copies ready than
 * wanted, and never more than one process more than wanted, but for those that
 * have been let go.
 */

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
#include "control_world.h"
#include "fake_herd.h"

#define V1 "env: {V: \"1\"}\n"
#define V2 "env: {V: \"2\"}\n"
#define V3 "env: {V: \"3\"}\n"
#define THREE "replicas: 3\nrestart: {first: 0ms, base: 10ms, max: 20ms}\n"
#define WATCH "rollout: {watch: 150ms, errors: 5%, minimum: 5}\n"

/* --- the herd, and what must hold of it at each change -------------------- */

static struct {
	struct world *w;
	struct control_watch watch;
	unsigned least, most; /* copies that take traffic, processes */
	unsigned seen;
} guard;

static struct service *
api(void)
{
	return service_by_name(guard.w->c, "api");
}

static struct rollout *
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

static void
begin_guard(struct world *w)
{
	guard.w = w;
	guard.least = UINT32_MAX;
	guard.most = guard.seen = 0;
	guard.watch.event = on_event;
	control_watch(w->c, &guard.watch, UINT64_MAX - 1);
}

static void
write_api(const struct world *w, const char *more)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "service: api\ncommand: [/bin/true]\nready: notify\n%s", more);
	write_file(w, "services.d/api.yaml", text);
}

static struct world *
world_of(const char *more, const char *base)
{
	struct world *w = world_new("", base);

	write_api(w, more);
	return w;
}

/* `n` copies of the version V=1, ready, and guarded from now on. */
static struct world *
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

static void
end(struct world *w)
{
	control_unwatch(&guard.watch);
	world_free(w);
}

static void
assert_capacity(unsigned n)
{
	assert_true(guard.seen > 0);
	assert_true(guard.least >= n);
	assert_true(guard.most <= n + 1);
}

static json_t *
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

static void
deploy(struct world *w, const char *text, unsigned canary)
{
	const struct control_reload how = { .canary = canary };

	write_api(w, text);
	json_decref(reload_how(w, &how));
	run_for(w, 10);
}

static const char *
version_of(const char *id)
{
	const struct fake_child *child = fake_running(id);
	const char *at = child == NULL ? NULL : strstr(child->env, "\nV=");

	return at == NULL ? "?" : at[3] == '1' ? "1" : at[3] == '2' ? "2" : "3";
}

/* The version of the process of each current copy, like "122". */
static const char *
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
static void
reap(struct world *w)
{
	for (size_t i = 0; i < fake.n; i++)
		if (fake.children[i].pid > 0 && !fake.children[i].gone &&
		    fake.children[i].last_signal == SIGTERM)
			fake_exit(&fake.children[i], 0, "");
	run_for(w, 10);
}

static void
candidate_ready(struct world *w)
{
	assert_non_null(rollout()->candidate);
	replica_post(rollout()->candidate, INSTANCE_EV_PASSED, "test");
	run_for(w, 20);
	reap(w);
}

/* Each candidate gets ready at once, until none comes any more. */
static void
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

static struct fake_child *
process_of(const struct replica *r)
{
	for (size_t i = 0; i < fake.n; i++)
		if (fake.children[i].id == r->child)
			return &fake.children[i];
	fail();
	return NULL;
}

/* What a worker counts of the answers of one copy. */
static void
answers(const struct replica *r, uint64_t all, uint64_t errors)
{
	struct scoreboard *board = guard.w->c->workers.board;
	struct scoreboard_endpoint *cell;

	scoreboard_join(board, 0, 1);
	cell = scoreboard_endpoint(board, 0, (unsigned)r->cell);
	count64(&cell->requests, all);
	count64(&cell->errors, errors);
}

static const char *
phase(void)
{
	static char text[32];
	json_t *o = rollout_json(api());

	snprintf(text, sizeof(text), "%s",
	    json_string_value(json_object_get(o, "phase")));
	json_decref(o);
	return text;
}

static const char *
reason(void)
{
	static char text[256];

	rollout_reason(api(), text, sizeof(text));
	return text;
}

static int
say(enum control_verb verb)
{
	struct err err = { "" };
	int r = control_rollout(guard.w->c, "api", verb, &err);

	run_for(guard.w, 10);
	return r;
}

/* --- a deploy that is good ------------------------------------------------ */

static void
a_deploy_watches_the_first_copy_and_then_goes_through(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	assert_string_equal(phase(), "rolling");
	candidate_ready(w);
	/* Beside all the old ones, of which none goes yet. */
	assert_string_equal(phase(), "watching");
	assert_string_equal(versions(), "111");
	assert_non_null(rollout()->candidate);
	answers(rollout()->candidate, 1000, 4);
	run_for(w, 40);
	assert_non_null(strstr(reason(), "api.0 watched, 1 s left, 4 errors"));
	assert_string_equal(versions(), "111");
	run_for(w, 250);
	assert_string_equal(versions(), "211");
	roll_on(w);
	assert_string_equal(versions(), "222");
	assert_string_equal(phase(), "done");
	assert_string_equal(reason(), "");
	assert_capacity(3);
	end(w);
}

static void
without_a_watch_ready_is_enough(void **state)
{
	struct world *w = herd_of(3, THREE "rollout: {watch: 0s}\n" V1);

	(void)state;
	deploy(w, THREE "rollout: {watch: 0s}\n" V2, 0);
	candidate_ready(w);
	assert_string_equal(versions(), "211");
	roll_on(w);
	assert_string_equal(versions(), "222");
	assert_capacity(3);
	end(w);
}

static void
a_service_that_serves_nobody_is_replaced_at_once(void **state)
{
	struct world *w = world_of(THREE WATCH V1, NULL);

	(void)state;
	attach(w);
	begin_guard(w);
	deploy(w, THREE WATCH V2, 0);
	reap(w);
	assert_string_equal(versions(), "222");
	assert_string_equal(phase(), "done");
	end(w);
}

/* --- one that is not ------------------------------------------------------ */

static void
a_version_that_does_not_get_ready_is_rolled_back(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	fake_exit(process_of(rollout()->candidate), 7, "no\n");
	run_for(w, 30);
	assert_string_equal(versions(), "111");
	assert_string_equal(phase(), "rolled-back");
	assert_string_equal(
	    reason(), "deploy rolled back: new copy not ready: exit 7");
	assert_string_equal(service_word(w, "api"), "ready");
	assert_capacity(3);
	end(w);
}

static void
one_that_is_not_ready_in_time_is_rolled_back(void **state)
{
	struct world *w = herd_of(
	    1, "start: {timeout: 100ms}\nreplicas: 1\n" V1);

	(void)state;
	deploy(w, "start: {timeout: 100ms}\nreplicas: 1\n" V2, 0);
	run_for(w, 200);
	reap(w);
	assert_string_equal(versions(), "1");
	assert_string_equal(phase(), "rolled-back");
	assert_non_null(strstr(reason(), "start timeout"));
	assert_capacity(1);
	end(w);
}

static void
one_that_fails_too_often_is_rolled_back(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);
	struct replica *r;

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	r = rollout()->candidate;
	answers(r, 4, 4); /* too few to tell */
	run_for(w, 110);
	assert_string_equal(phase(), "watching");
	answers(r, 96, 1); /* 5 of 100 are not more than 5 % */
	run_for(w, 110);
	assert_string_equal(versions(), "211");
	answers(r, 0, 1);
	run_for(w, 120);
	reap(w);
	assert_string_equal(phase(), "reverting");
	roll_on(w);
	assert_string_equal(versions(), "111");
	assert_string_equal(phase(), "rolled-back");
	assert_string_equal(reason(),
	    "deploy rolled back: 6 errors in 100 answers of new copies, more "
	    "than 5%");
	assert_capacity(3);
	end(w);
}

static void
errors_while_it_is_watched_cost_no_old_copy(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);
	size_t before;

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	before = fake.n;
	answers(rollout()->candidate, 5, 5);
	run_for(w, 120);
	reap(w);
	assert_string_equal(phase(), "rolled-back");
	assert_string_equal(versions(), "111");
	assert_int_equal(fake.n, before); /* nothing had to be started */
	assert_capacity(3);
	end(w);
}

static void
one_that_exits_while_the_others_follow_is_rolled_back(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	run_for(w, 250);
	reap(w);
	candidate_ready(w);
	assert_string_equal(versions(), "221");
	guard.least = 3; /* the exit itself costs one, and only that */
	fake_kill(process_of(replica_by_id(w->c, "api.0")), SIGSEGV);
	run_for(w, 30);
	assert_string_equal(phase(), "reverting");
	roll_on(w);
	assert_string_equal(versions(), "111");
	assert_string_equal(phase(), "rolled-back");
	assert_non_null(strstr(reason(), "new copy failed: exit 139"));
	assert_capacity(2);
	end(w);
}

static void
one_that_goes_unready_has_a_watch_to_come_back(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);
	struct replica *r;

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	r = rollout()->candidate;
	replica_post(r, INSTANCE_EV_FAILED, "503");
	run_for(w, 110);
	assert_ptr_equal(rollout()->candidate, r);
	replica_post(r, INSTANCE_EV_PASSED, NULL);
	run_for(w, 110);
	assert_string_equal(versions(), "111"); /* the watch began anew */
	replica_post(r, INSTANCE_EV_FAILED, "503");
	run_for(w, 300);
	reap(w);
	assert_string_equal(phase(), "rolled-back");
	assert_non_null(strstr(reason(), "stays unready"));
	assert_string_equal(versions(), "111");
	assert_capacity(3);
	end(w);
}

static void
what_a_reload_changes_in_place_is_taken_back_too(void **state)
{
	struct world *w = herd_of(1, WATCH "route: [{path: /old/}]\n" V1);

	(void)state;
	deploy(w, WATCH "route: [{path: /new/}]\n" V2, 0);
	assert_string_equal(api()->spec->routes[0].path, "/new/");
	fake_exit(process_of(rollout()->candidate), 1, "");
	run_for(w, 30);
	assert_string_equal(api()->spec->routes[0].path, "/old/");
	assert_string_equal(
	    conf_service(w->c->conf, "api")->routes[0].path, "/old/");
	end(w);
}

static void
where_that_does_not_fit_any_more_the_processes_alone_go_back(void **state)
{
	struct world *w = world_of(
	    WATCH "route: [{path: /old/}]\n" V1, "route: [{path: /b/}]");

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	make_ready(w, "base.0");
	begin_guard(w);
	write_service(w, "base", "route: [{path: /old/}]"); /* took it over */
	deploy(w, WATCH "route: [{path: /new/}]\n" V2, 0);
	fake_exit(process_of(rollout()->candidate), 1, "");
	run_for(w, 30);
	assert_string_equal(phase(), "rolled-back");
	assert_string_equal(api()->spec->routes[0].path, "/new/");
	assert_string_equal(api()->spec->env[0].value, "1");
	assert_string_equal(versions(), "1");
	assert_capacity(1);
	end(w);
}

/* --- it is remembered ----------------------------------------------------- */

static size_t
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

static struct world *
rolled_back(void)
{
	struct world *w = herd_of(2, "replicas: 2\n" WATCH V1);

	deploy(w, "replicas: 2\n" WATCH V2, 0);
	fake_exit(process_of(rollout()->candidate), 7, "");
	run_for(w, 30);
	assert_string_equal(phase(), "rolled-back");
	return w;
}

static void
a_version_that_failed_is_not_tried_again_by_itself(void **state)
{
	struct world *w = rolled_back();
	size_t before = fake.n;

	(void)state;
	assert_int_equal(held_in_plan(w), 1);
	deploy(w, "replicas: 2\n" WATCH V2, 0);
	assert_int_equal(fake.n, before);
	control_free(w->c);
	attach(w); /* nor by the next control process */
	begin_guard(w);
	assert_int_equal(fake.n, before);
	assert_string_equal(versions(), "11");
	assert_string_equal(phase(), "rolled-back");
	assert_int_equal(held_in_plan(w), 1);
	end(w);
}

static void
it_is_with_retry_or_when_it_changes(void **state)
{
	const struct control_reload retry = { .retry = true };
	struct world *w = rolled_back();

	(void)state;
	json_decref(reload_how(w, &retry));
	run_for(w, 10);
	assert_true(rollout()->on);
	assert_string_equal(version_of("api.0"), "1");
	fake_exit(process_of(rollout()->candidate), 7, "");
	run_for(w, 30);
	assert_string_equal(phase(), "rolled-back");
	deploy(w, "replicas: 2\nstart: {timeout: 90s}\n" WATCH V2, 0);
	assert_true(rollout()->on);
	candidate_ready(w);
	run_for(w, 300);
	roll_on(w);
	assert_string_equal(versions(), "22");
	assert_int_equal(held_in_plan(w), 0);
	assert_capacity(2);
	end(w);
}

static void
a_file_that_says_what_is_in_force_ends_the_matter(void **state)
{
	struct world *w = rolled_back();

	(void)state;
	deploy(w, "replicas: 2\n" WATCH V1, 0);
	assert_false(rollout()->on);
	assert_string_equal(reason(), "");
	assert_int_equal(held_in_plan(w), 0);
	end(w);
}

static void
a_herd_that_begins_anew_does_not_try_it_either(void **state)
{
	struct world *w = rolled_back();
	char from[128];
	struct buf text;

	(void)state;
	snprintf(from, sizeof(from), "%s/applied.json", w->runtime);
	buf_init(&text, 1 << 20);
	assert_int_equal(fd_read_file(from, &text), 0);
	control_free(w->c);
	fake_reset(); /* a keeper that just started */
	fake.another = true;
	write_file(w, "run/applied.json", buf_str(&text));
	buf_done(&text);
	attach(w);
	begin_guard(w);
	assert_string_equal(versions(), "11");
	assert_int_equal(held_in_plan(w), 1);
	end(w);
}

/* --- canary, promote, undo, pause ----------------------------------------- */

static void
a_canary_is_held_until_it_is_promoted(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 1);
	candidate_ready(w);
	assert_string_equal(phase(), "watching");
	run_for(w, 400);
	assert_string_equal(phase(), "held");
	assert_string_equal(versions(), "111"); /* beside all of them */
	assert_string_equal(reason(),
	    "canary: 1 of 3 copies new, 0 errors in 0 answers; promote or "
	    "undo");
	assert_int_equal(say(CONTROL_PROMOTE), 0);
	reap(w);
	assert_string_equal(versions(), "211");
	roll_on(w);
	assert_string_equal(versions(), "222");
	assert_string_equal(phase(), "done");
	assert_capacity(3);
	end(w);
}

static void
a_canary_of_two_leaves_one(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 2);
	candidate_ready(w);
	run_for(w, 300);
	reap(w);
	candidate_ready(w);
	assert_string_equal(phase(), "held");
	assert_string_equal(versions(), "211");
	assert_int_equal(say(CONTROL_UNDO), 0);
	roll_on(w);
	assert_string_equal(versions(), "111");
	assert_string_equal(phase(), "undone");
	assert_capacity(3);
	end(w);
}

static void
a_canary_that_goes_bad_while_it_is_held_is_rolled_back(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 1);
	candidate_ready(w);
	answers(rollout()->candidate, 100000, 0);
	run_for(w, 600); /* what is judged has begun anew */
	assert_string_equal(phase(), "held");
	answers(rollout()->candidate, 20, 10);
	run_for(w, 250);
	reap(w);
	assert_string_equal(phase(), "rolled-back");
	assert_string_equal(versions(), "111");
	assert_capacity(3);
	end(w);
}

static void
an_undo_also_takes_back_what_is_done(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	assert_int_equal(say(CONTROL_UNDO), -ENOTSUP);
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	assert_int_equal(say(CONTROL_PROMOTE), 0); /* enough watched */
	roll_on(w);
	assert_string_equal(versions(), "222");
	assert_int_equal(say(CONTROL_UNDO), 0);
	assert_int_equal(say(CONTROL_UNDO), -EBUSY);
	roll_on(w);
	assert_string_equal(versions(), "111");
	assert_string_equal(phase(), "undone");
	assert_int_equal(held_in_plan(w), 1);
	assert_int_equal(say(CONTROL_UNDO), -ENOTSUP);
	assert_capacity(3);
	end(w);
}

static void
a_pause_replaces_no_further_copy_and_still_judges(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	assert_int_equal(say(CONTROL_PAUSE), -ENOTSUP);
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	run_for(w, 250);
	assert_int_equal(say(CONTROL_PAUSE), 0);
	reap(w);
	run_for(w, 300);
	assert_string_equal(phase(), "paused");
	assert_string_equal(versions(), "211");
	assert_int_equal(say(CONTROL_RESUME), 0);
	candidate_ready(w);
	assert_string_equal(versions(), "221");
	assert_int_equal(say(CONTROL_PAUSE), 0);
	answers(replica_by_id(w->c, "api.0"), 100, 50);
	run_for(w, 120);
	roll_on(w);
	assert_string_equal(versions(), "111");
	assert_capacity(3);
	end(w);
}

static void
going_back_is_not_given_up(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	assert_int_equal(say(CONTROL_PROMOTE), 0);
	reap(w);
	assert_int_equal(say(CONTROL_UNDO), 0);
	reap(w);
	fake_exit(process_of(rollout()->candidate), 1, ""); /* the old one */
	run_for(w, 60);
	assert_string_equal(phase(), "reverting");
	assert_int_equal(say(CONTROL_PAUSE), -ENOTSUP);
	roll_on(w);
	assert_string_equal(versions(), "111");
	assert_capacity(3);
	end(w);
}

/* --- what else happens meanwhile ------------------------------------------ */

static void
a_reload_overtakes_and_the_way_back_stays_the_same(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	assert_int_equal(say(CONTROL_PROMOTE), 0);
	reap(w);
	deploy(w, THREE WATCH V3, 0);
	reap(w);
	assert_string_equal(versions(), "211");
	candidate_ready(w);
	assert_string_equal(phase(), "watching");
	fake_exit(process_of(rollout()->candidate), 1, "");
	run_for(w, 30);
	roll_on(w);
	assert_string_equal(versions(), "111");
	assert_capacity(3);
	end(w);
}

static void
a_reload_to_what_was_before_goes_back_without_a_watch(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	assert_int_equal(say(CONTROL_PROMOTE), 0);
	reap(w);
	deploy(w, THREE WATCH V1, 0);
	reap(w);
	assert_string_equal(phase(), "reverting");
	candidate_ready(w);
	roll_on(w);
	assert_string_equal(versions(), "111");
	assert_string_equal(phase(), "done");
	assert_int_equal(held_in_plan(w), 0);
	assert_capacity(3);
	end(w);
}

static void
scaling_up_during_a_watch_adds_the_proven_version(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);
	struct err err;

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	assert_int_equal(control_scale(w->c, "api", 4, &err), 0);
	run_for(w, 20);
	assert_string_equal(versions(), "1111");
	make_ready(w, "api.3");
	run_for(w, 300);
	roll_on(w);
	assert_string_equal(versions(), "2222");
	assert_true(guard.least >= 3);
	end(w);
}

static void
scaling_down_takes_the_candidate_of_that_place(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);
	struct err err;

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	assert_int_equal(say(CONTROL_PROMOTE), 0);
	reap(w);
	candidate_ready(w);
	assert_int_equal(rollout()->candidate->n, 2);
	assert_int_equal(control_scale(w->c, "api", 2, &err), 0);
	run_for(w, 20);
	reap(w);
	assert_false(rollout()->on);
	assert_string_equal(versions(), "22");
	assert_string_equal(phase(), "done");
	assert_true(guard.least >= 2);
	end(w);
}

static void
a_stop_takes_an_unproven_version_back(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);
	struct err err;

	(void)state;
	deploy(w, THREE WATCH V2, 1);
	candidate_ready(w);
	assert_int_equal(control_stop(w->c, "api", &err), 0);
	run_for(w, 20);
	reap(w);
	assert_string_equal(phase(), "undone");
	assert_string_equal(service_word(w, "api"), "stopped");
	assert_int_equal(control_start(w->c, "api", &err), 0);
	run_for(w, 20);
	assert_string_equal(versions(), "111");
	end(w);
}

static void
a_stop_keeps_a_proven_version(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);
	struct err err;

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	assert_int_equal(say(CONTROL_PROMOTE), 0);
	reap(w);
	assert_string_equal(versions(), "211");
	assert_int_equal(control_stop(w->c, "api", &err), 0);
	run_for(w, 20);
	reap(w);
	assert_int_equal(control_start(w->c, "api", &err), 0);
	run_for(w, 20);
	assert_string_equal(versions(), "222");
	end(w);
}

static void
a_stopped_service_is_started_as_it_is_configured_by_then(void **state)
{
	struct world *w = herd_of(1, WATCH V1);
	struct err err;

	(void)state;
	assert_int_equal(control_stop(w->c, "api", &err), 0);
	run_for(w, 20);
	reap(w);
	deploy(w, WATCH V2, 0);
	assert_string_equal(service_word(w, "api"), "stopped");
	assert_int_equal(control_start(w->c, "api", &err), 0);
	run_for(w, 20);
	assert_string_equal(versions(), "2");
	end(w);
}

static void
a_service_that_is_removed_takes_its_rollout_along(void **state)
{
	struct world *w = world_of(THREE WATCH V1, "");
	char path[128];

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	begin_guard(w);
	deploy(w, THREE WATCH V2, 0);
	snprintf(path, sizeof(path), "%s/services.d/api.yaml", w->dir);
	assert_int_equal(remove(path), 0);
	json_decref(reload_how(w, &(struct control_reload){ 0 }));
	run_for(w, 20);
	reap(w);
	assert_null(api());
	end(w);
}

static void
an_instance_that_an_operator_stops_is_no_failure(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);
	struct err err;

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	/* The old one of the very place that is next to be taken. */
	assert_int_equal(control_instance_stop(w->c, "api.0", &err), 0);
	run_for(w, 20);
	reap(w);
	run_for(w, 300);
	assert_int_equal(control_restart(w->c, "api", &err), -EBUSY);
	roll_on(w);
	assert_string_equal(versions(), "222");
	assert_string_equal(phase(), "done");
	end(w);
}

/* --- over control's death ------------------------------------------------- */

static void
again(struct world *w)
{
	unsigned least = guard.least, most = guard.most, seen = guard.seen;

	control_free(w->c);
	attach(w);
	begin_guard(w);
	guard.least = least;
	guard.most = most;
	guard.seen = seen;
	look();
}

static void
a_kill_at_any_step_goes_on_with_it(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 2);
	again(w); /* while the first one starts */
	assert_int_equal(fake_count("api.0"), 2);
	assert_string_equal(versions(), "111");
	candidate_ready(w);
	again(w); /* while it is watched */
	assert_string_equal(phase(), "watching");
	run_for(w, 300);
	again(w); /* while the old one drains */
	reap(w);
	assert_string_equal(versions(), "211");
	candidate_ready(w);
	assert_string_equal(phase(), "held");
	again(w); /* while it is held */
	assert_string_equal(phase(), "held");
	assert_int_equal(say(CONTROL_PROMOTE), 0);
	again(w);
	roll_on(w);
	assert_string_equal(versions(), "222");
	assert_string_equal(phase(), "done");
	again(w);
	assert_string_equal(phase(), "done");
	assert_int_equal(say(CONTROL_UNDO), 0); /* still known */
	again(w);
	assert_string_equal(phase(), "reverting");
	roll_on(w);
	assert_string_equal(versions(), "111");
	assert_string_equal(phase(), "undone");
	assert_capacity(3);
	end(w);
}

static void
an_old_copy_that_dies_is_replaced_by_an_old_one(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 1);
	candidate_ready(w);
	again(w);
	fake_kill(process_of(replica_by_id(w->c, "api.1")), SIGKILL);
	run_for(w, 40);
	assert_string_equal(versions(), "111");
	assert_true(rollout()->on);
	end(w);
}

static void
a_candidate_that_died_while_control_was_away_has_failed(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	process_of(rollout()->candidate)->unheard = true;
	again(w);
	run_for(w, 30);
	assert_string_equal(phase(), "rolled-back");
	assert_string_equal(versions(), "111");
	end(w);
}

static void
a_restart_goes_on_too(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);
	size_t before;
	struct err err;

	(void)state;
	before = fake.n;
	assert_int_equal(control_restart(w->c, "api", &err), 0);
	run_for(w, 10);
	candidate_ready(w);
	again(w);
	roll_on(w);
	assert_int_equal(fake.n, before + 3); /* each place once */
	assert_string_equal(phase(), "done");
	assert_capacity(3);
	end(w);
}

static void
versions_of_an_overtaken_deploy_are_known_again(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	assert_int_equal(say(CONTROL_PROMOTE), 0);
	reap(w);
	deploy(w, THREE WATCH V3, 0);
	reap(w);
	again(w);
	assert_string_equal(versions(), "211");
	assert_int_equal(say(CONTROL_UNDO), 0);
	again(w);
	roll_on(w);
	assert_string_equal(versions(), "111");
	assert_capacity(3);
	end(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deploy_watches_the_first_copy_and_then_goes_through),
		cmocka_unit_test(without_a_watch_ready_is_enough),
		cmocka_unit_test(a_service_that_serves_nobody_is_replaced_at_once),
		cmocka_unit_test(a_version_that_does_not_get_ready_is_rolled_back),
		cmocka_unit_test(one_that_is_not_ready_in_time_is_rolled_back),
		cmocka_unit_test(one_that_fails_too_often_is_rolled_back),
		cmocka_unit_test(errors_while_it_is_watched_cost_no_old_copy),
		cmocka_unit_test(one_that_exits_while_the_others_follow_is_rolled_back),
		cmocka_unit_test(one_that_goes_unready_has_a_watch_to_come_back),
		cmocka_unit_test(what_a_reload_changes_in_place_is_taken_back_too),
		cmocka_unit_test(where_that_does_not_fit_any_more_the_processes_alone_go_back),
		cmocka_unit_test(a_version_that_failed_is_not_tried_again_by_itself),
		cmocka_unit_test(it_is_with_retry_or_when_it_changes),
		cmocka_unit_test(a_file_that_says_what_is_in_force_ends_the_matter),
		cmocka_unit_test(a_herd_that_begins_anew_does_not_try_it_either),
		cmocka_unit_test(a_canary_is_held_until_it_is_promoted),
		cmocka_unit_test(a_canary_of_two_leaves_one),
		cmocka_unit_test(a_canary_that_goes_bad_while_it_is_held_is_rolled_back),
		cmocka_unit_test(an_undo_also_takes_back_what_is_done),
		cmocka_unit_test(a_pause_replaces_no_further_copy_and_still_judges),
		cmocka_unit_test(going_back_is_not_given_up),
		cmocka_unit_test(a_reload_overtakes_and_the_way_back_stays_the_same),
		cmocka_unit_test(a_reload_to_what_was_before_goes_back_without_a_watch),
		cmocka_unit_test(scaling_up_during_a_watch_adds_the_proven_version),
		cmocka_unit_test(scaling_down_takes_the_candidate_of_that_place),
		cmocka_unit_test(a_stop_takes_an_unproven_version_back),
		cmocka_unit_test(a_stop_keeps_a_proven_version),
		cmocka_unit_test(a_stopped_service_is_started_as_it_is_configured_by_then),
		cmocka_unit_test(a_service_that_is_removed_takes_its_rollout_along),
		cmocka_unit_test(an_instance_that_an_operator_stops_is_no_failure),
		cmocka_unit_test(a_kill_at_any_step_goes_on_with_it),
		cmocka_unit_test(an_old_copy_that_dies_is_replaced_by_an_old_one),
		cmocka_unit_test(a_candidate_that_died_while_control_was_away_has_failed),
		cmocka_unit_test(a_restart_goes_on_too),
		cmocka_unit_test(versions_of_an_overtaken_deploy_are_known_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
