/* SPDX-License-Identifier: ISC */

/* Copies that follow the load, over a keeper that starts nothing. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "control/replica.h"
#include "control/rollout.h"
#include "control/scaling.h"
#include "control/service.h"
#include "control_world.h"
#include "fake_herd.h"
#include "link/snapshot.h"

#define QUICK "autoscale: {window: 1s, grace: 200ms, target: 10}\n"
#define ZERO "replicas: {min: 0, max: 3}\n" QUICK
#define ONE "replicas: {min: 1, max: 8}\n" QUICK

static struct service *
api(struct world *w)
{
	return service_by_name(w->c, "api");
}

static struct scoreboard_service *
counts(struct world *w)
{
	struct scoreboard *sb = w->c->workers.board;

	scoreboard_join(sb, 0, getpid());
	return scoreboard_service(sb, 0, api(w)->cell);
}

/* Until so many are wanted; the machine may be busy. */
static void
until(struct world *w, unsigned desired)
{
	for (unsigned i = 0; i < 500 && api(w)->desired != desired; i++)
		run_for(w, 20);
	assert_int_equal(api(w)->desired, desired);
}

static void
all_ready(struct world *w)
{
	for (unsigned n = 0; n < api(w)->desired; n++) {
		char id[16];

		snprintf(id, sizeof(id), "api.%u", n);
		if (state_of(w, id) == INSTANCE_STARTING)
			make_ready(w, id);
	}
}

/* What the workers were told of api last. */
static struct snapshot_service
published(struct world *w)
{
	struct snapshot_service out = { 0 };
	struct snapshot *s;
	struct err err;

	run_for(w, 5);
	assert_int_equal(snapshot_read(w->c->publish.fd, &s, &err), 0);
	for (uint32_t i = 0; i < s->nservices; i++)
		if (strcmp(s->services[i].name, "api") == 0)
			out = s->services[i];
	snapshot_free(s); /* only numbers are looked at */
	return out;
}

static const char *
why(struct world *w)
{
	static char text[192];

	(void)service_state(api(w), text, sizeof(text));
	return text;
}

/* --- zero ----------------------------------------------------------------- */

static void
at_zero_nothing_looks_and_a_thousand_words_start_one_copy(void **state)
{
	struct world *w = world_new(ZERO, NULL);

	(void)state;
	attach(w);
	assert_string_equal(service_word(w, "api"), "idle");
	assert_string_equal(why(w), "at zero: the next request starts it");
	assert_int_equal(fake_count("api.0"), 0);
	assert_false(loop_timer_armed(&api(w)->scaling->tick));
	for (unsigned i = 0; i < 1000; i++)
		scaling_wake_cell(w->c, api(w)->cell);
	scaling_wake_cell(w->c, SCOREBOARD_SERVICES - 1); /* nobody's */
	run_for(w, 300);
	assert_int_equal(fake_count("api.0"), 1);
	assert_int_equal(fake_count("api.1"), 0);
	assert_int_equal(api(w)->scaling->wakes, 1);
	assert_string_equal(service_word(w, "api"), "starting");
	make_ready(w, "api.0");
	assert_string_equal(service_word(w, "api"), "ready");
	assert_true(loop_timer_armed(&api(w)->scaling->tick));
	world_free(w);
}

static void
idle_for_window_and_grace_it_goes_to_zero(void **state)
{
	struct world *w = world_new(ZERO, NULL);
	struct scoreboard_service *n;

	(void)state;
	attach(w);
	n = counts(w);
	scaling_wake(api(w), "test");
	run_for(w, 20);
	make_ready(w, "api.0");
	for (unsigned i = 0; i < 6; i++) { /* one each quarter of a second */
		count64(&n->requests, 1);
		run_for(w, 250);
		assert_int_equal(api(w)->desired, 1);
	}
	until(w, 0);
	assert_string_equal(
	    api(w)->scaling->last.why, "nothing came for 1.2 s");
	assert_true(list_empty(&api(w)->replicas));
	assert_false(loop_timer_armed(&api(w)->scaling->tick));
	world_free(w);
}

static void
open_websockets_keep_it(void **state)
{
	struct world *w = world_new(ZERO, NULL);
	struct scoreboard_endpoint *e;

	(void)state;
	attach(w);
	(void)counts(w);
	scaling_wake(api(w), "test");
	run_for(w, 20);
	make_ready(w, "api.0");
	e = scoreboard_endpoint(w->c->workers.board, 0,
	    (unsigned)replica_by_id(w->c, "api.0")->cell);
	count32(&e->tunnels, 1);
	run_for(w, 1400);
	assert_int_equal(api(w)->desired, 1);
	count32(&e->tunnels, (uint32_t)-1);
	until(w, 0);
	world_free(w);
}

static void
a_lost_word_is_seen_in_the_queue(void **state)
{
	struct world *w = world_new(ZERO, NULL);

	(void)state;
	attach(w);
	scaling_seen(api(w), 0);
	assert_int_equal(api(w)->desired, 0);
	count32(&counts(w)->queued, 1);
	until(w, 1); /* the sample of each second */
	run_for(w, 20);
	assert_int_equal(fake_count("api.0"), 1);
	world_free(w);
}

static void
the_snapshot_says_when_requests_may_wait(void **state)
{
	struct world *w = world_new(
	    "replicas: {min: 0, max: 3}\nlimits: {queue_timeout: 2s}\n"
	    "autoscale: {wake_timeout: 7s}\n"
	    "restart: {first: 0ms, base: 1ms, max: 1ms}",
	    NULL);
	struct snapshot_service s;

	(void)state;
	attach(w);
	s = published(w);
	assert_int_equal(s.wake, 1);
	assert_int_equal(s.flags & SNAPSHOT_SERVICE_STARTING, 1);
	assert_int_equal(s.start_wait_ms, 7000);
	assert_int_equal(s.queue_timeout_ms, 2000);
	scaling_wake(api(w), "test");
	s = published(w);
	assert_int_equal(s.wake, 0);
	assert_int_equal(s.flags & SNAPSHOT_SERVICE_STARTING, 1);
	for (unsigned i = 0; i < 5; i++) {
		fake_exit(fake_running("api.0"), 3, "");
		run_for(w, 20);
	}
	s = published(w); /* a crash loop: they wait to the end of their time */
	assert_int_equal(s.flags & SNAPSHOT_SERVICE_STARTING, 1);
	make_ready(w, "api.0");
	s = published(w);
	assert_int_equal(s.nendpoints, 1);
	assert_int_equal(s.wake, 0);
	assert_int_equal(s.flags & SNAPSHOT_SERVICE_STARTING, 0);
	service_stop(api(w));
	s = published(w);
	assert_int_equal(s.wake, 0);
	assert_int_equal(s.flags & SNAPSHOT_SERVICE_STARTING, 0);
	world_free(w);
}

static void
a_fixed_number_is_as_it_was(void **state)
{
	struct world *w = world_new("replicas: 0\n" QUICK, NULL);
	struct snapshot_service s;

	(void)state;
	attach(w);
	assert_null(api(w)->scaling);
	s = published(w);
	assert_int_equal(s.wake, 0);
	assert_int_equal(s.start_wait_ms, 0);
	assert_int_equal(s.flags & SNAPSHOT_SERVICE_STARTING, 0);
	scaling_wake_cell(w->c, api(w)->cell);
	run_for(w, 50);
	assert_int_equal(fake_count("api.0"), 0);
	world_free(w);
}

static void
who_depends_on_one_at_zero_need_not_wait(void **state)
{
	struct world *w = world_new(ZERO, "depends_on: [api]");

	(void)state;
	attach(w);
	assert_int_equal(fake_count("base.0"), 1);
	assert_int_equal(fake_count("api.0"), 0);
	world_free(w);
}

static void
a_stopped_one_does_not_wake(void **state)
{
	struct world *w = world_new(ZERO, NULL);

	(void)state;
	attach(w);
	service_stop(api(w));
	scaling_wake_cell(w->c, api(w)->cell);
	run_for(w, 50);
	assert_int_equal(fake_count("api.0"), 0);
	assert_string_equal(service_word(w, "api"), "stopped");
	service_start(api(w));
	run_for(w, 50);
	assert_int_equal(fake_count("api.0"), 1);
	world_free(w);
}

/* --- load ----------------------------------------------------------------- */

static void
load_adds_copies_a_surge_at_a_time_and_its_end_takes_them(void **state)
{
	struct world *w = world_new(ONE "restart: {first: 60s}", NULL);
	struct scoreboard_service *n;

	(void)state;
	attach(w);
	n = counts(w);
	count32(&n->inflight, 75); /* before anybody looks */
	make_ready(w, "api.0");
	until(w, 5); /* surge is 4 */
	assert_true(api(w)->scaling->held > 0);
	run_for(w, 250);
	assert_int_equal(api(w)->desired, 5); /* none of them is ready yet */
	all_ready(w);
	until(w, 8);
	all_ready(w);
	count32(&n->inflight, (uint32_t)-75);
	count32(&n->inflight, 15);
	until(w, 2);
	assert_in_range(api(w)->scaling->ups, 2, 4);
	assert_true(api(w)->scaling->downs > 0);
	world_free(w);
}

static void
who_waits_too_long_gets_one_more(void **state)
{
	struct world *w = world_new(ONE, NULL);
	struct scoreboard_service *n;

	(void)state;
	attach(w);
	n = counts(w);
	make_ready(w, "api.0");
	count32(&n->queued, 1);
	atomic_store(&n->waiting_since_us, clock_us());
	until(w, 2);
	assert_true(clock_us() - n->waiting_since_us > 500000);
	assert_string_equal(
	    api(w)->scaling->last.why, "requests waited for more than 0.5 s");
	world_free(w);
}

static void
put_meminfo(struct world *w, unsigned kib)
{
	char path[128], text[64];
	struct err err;

	snprintf(path, sizeof(path), "%s/proc", w->dir);
	assert_int_equal(fd_mkdirs(path, 0755, &err), 0);
	snprintf(text, sizeof(text), "MemAvailable:   %u kB\n", kib);
	write_file(w, "proc/meminfo", text);
}

static void
memory_holds_it_and_it_says_so(void **state)
{
	struct world *w = world_new(ONE "resources: {memory: 64MiB}", NULL);

	(void)state;
	attach(w);
	w->c->scaling.root = w->dir;
	put_meminfo(w, 130 * 1024); /* room for two */
	count32(&counts(w)->inflight, 75);
	make_ready(w, "api.0");
	until(w, 3);
	run_for(w, 250); /* these two have not taken theirs yet */
	assert_int_equal(api(w)->desired, 3);
	assert_string_equal(
	    api(w)->scaling->last.why, "75.0 in flight over 1 s, 10 a copy");
	put_meminfo(w, 63 * 1024);
	all_ready(w);
	run_for(w, 250);
	assert_int_equal(api(w)->desired, 3);
	assert_string_equal(why(w), "5 more wait: there is no memory for them");
	put_meminfo(w, 1024 * 1024);
	until(w, 7);
	world_free(w);
}

static void
a_rollout_holds_what_would_be_taken(void **state)
{
	struct world *w = world_new("replicas: {min: 1, max: 3}\n" QUICK, NULL);

	(void)state;
	attach(w);
	count32(&counts(w)->inflight, 15);
	make_ready(w, "api.0");
	until(w, 2);
	all_ready(w);
	api(w)->rollout.on = true;
	count32(&counts(w)->inflight, (uint32_t)-15);
	run_for(w, 1800);
	assert_int_equal(api(w)->desired, 2);
	api(w)->rollout.on = false;
	until(w, 1);
	world_free(w);
}

static void
one_that_crashes_keeps_those_that_work(void **state)
{
	struct world *w = world_new("replicas: {min: 1, max: 3}\nrestart: "
				    "{first: 30s, base: 30s}\n" QUICK,
	    NULL);

	(void)state;
	attach(w);
	count32(&counts(w)->inflight, 15);
	make_ready(w, "api.0");
	until(w, 2);
	all_ready(w);
	fake_exit(fake_running("api.0"), 3, "");
	count32(&counts(w)->inflight, (uint32_t)-15);
	run_for(w, 2000);
	assert_int_equal(state_of(w, "api.0"), INSTANCE_BACKOFF);
	assert_int_equal(state_of(w, "api.1"), INSTANCE_READY);
	world_free(w);
}

/* --- wishes and reloads --------------------------------------------------- */

static void
an_operators_number_stands_until_it_is_given_back(void **state)
{
	struct world *w = world_new(ZERO, NULL);
	struct err err;

	(void)state;
	attach(w);
	assert_int_equal(control_scale(w->c, "api", 5, &err), 0);
	run_for(w, 20);
	all_ready(w);
	assert_null(api(w)->scaling);
	assert_string_equal(why(w), "scaled to 5 by an operator");
	run_for(w, 1500);
	assert_int_equal(api(w)->desired, 5);
	assert_int_equal(control_scale_auto(w->c, "api", &err), 0);
	assert_int_equal(api(w)->desired, 3); /* max */
	until(w, 0);
	assert_int_equal(control_scale_auto(w->c, "nobody", &err), -ENOENT);
	world_free(w);
}

static void
reload(struct world *w, const char *more)
{
	const struct control_reload how = { 0 };
	struct buf errors;
	json_t *changes;

	write_service(w, "api", more);
	buf_init(&errors, 4096);
	changes = control_reload(w->c, &how, &errors);
	assert_string_equal(buf_str(&errors), "");
	assert_non_null(changes);
	json_decref(changes);
	buf_done(&errors);
	run_for(w, 20);
}

static void
a_reload_moves_the_bounds_and_gives_pins_back(void **state)
{
	struct world *w = world_new("replicas: 2", NULL);
	struct err err;

	(void)state;
	attach(w);
	reload(w, "replicas: {min: 1, max: 8}");
	assert_int_equal(api(w)->desired, 2);
	assert_non_null(api(w)->scaling);
	reload(w, "replicas: {min: 4, max: 8}");
	assert_int_equal(api(w)->desired, 4);
	assert_string_equal(api(w)->scaling->last.why, "min is 4 and max 8");
	assert_int_equal(control_scale(w->c, "api", 1, &err), 0);
	assert_null(api(w)->scaling);
	reload(w, "replicas: {min: 4, max: 8}\nautoscale: {target: 3}");
	assert_int_equal(api(w)->desired, 1); /* the bounds are the same */
	reload(w, "replicas: {min: 4, max: 7}");
	assert_int_equal(api(w)->desired, 4);
	reload(w, "replicas: 3");
	assert_null(api(w)->scaling);
	assert_int_equal(api(w)->desired, 3);
	world_free(w);
}

/* --- the next control ----------------------------------------------------- */

static void
the_next_control_goes_on_with_count_and_decision(void **state)
{
	struct world *w = world_new(ONE, NULL);

	(void)state;
	attach(w);
	count32(&counts(w)->inflight, 35);
	make_ready(w, "api.0");
	until(w, 4);
	all_ready(w);
	run_for(w, 20);
	control_free(w->c);
	attach(w);
	assert_int_equal(api(w)->desired, 4);
	assert_string_equal(
	    api(w)->scaling->last.why, "35.0 in flight over 1 s, 10 a copy");
	assert_int_equal(api(w)->scaling->last.from, 1);
	assert_int_equal(api(w)->scaling->last.to, 4);
	run_for(w, 300);
	assert_int_equal(api(w)->desired, 4);
	assert_int_equal(fake_count("api.3"), 1);
	world_free(w);
}

static void
copies_that_no_file_knows_of_are_kept(void **state)
{
	struct world *w = world_new(ONE, NULL);
	char path[128], other[128];

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	snprintf(path, sizeof(path), "%s/applied.json", w->runtime);
	snprintf(other, sizeof(other), "%s/older", w->dir);
	assert_int_equal(link(path, other), 0);
	count32(&counts(w)->inflight, 35);
	until(w, 4);
	all_ready(w);
	control_free(w->c);
	assert_int_equal(rename(other, path), 0); /* killed before it saved */
	attach(w);
	assert_int_equal(api(w)->desired, 4);
	assert_int_equal(state_of(w, "api.3"), INSTANCE_READY);
	world_free(w);
}

static void
it_stays_at_zero_over_a_takeover(void **state)
{
	struct world *w = world_new(ZERO, NULL);

	(void)state;
	attach(w);
	control_free(w->c);
	attach(w);
	assert_string_equal(service_word(w, "api"), "idle");
	assert_int_equal(fake_count("api.0"), 0);
	scaling_wake_cell(w->c, api(w)->cell);
	run_for(w, 20);
	assert_int_equal(fake_count("api.0"), 1);
	world_free(w);
}

static void
what_it_shows(void **state)
{
	struct world *w = world_new(ZERO, NULL);
	struct buf out;
	json_t *o, *a;
	struct err err;

	(void)state;
	attach(w);
	scaling_wake(api(w), "a request waits");
	o = control_service(w->c, "api");
	a = json_object_get(o, "autoscale");
	assert_int_equal(json_integer_value(json_object_get(a, "max")), 3);
	assert_float_equal(
	    json_real_value(json_object_get(a, "panic_window_s")), 0.1, 1e-9);
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(a, "last"), "why")),
	    "a request waits");
	json_decref(o);
	buf_init(&out, 1 << 20);
	assert_int_equal(control_metrics(w->c, &out), 0);
	assert_non_null(strstr(buf_str(&out),
	    "drover_autoscale_wakes_total{service=\"api\"} 1\n"));
	assert_non_null(strstr(
	    buf_str(&out), "drover_autoscale_target{service=\"api\"} 10\n"));
	buf_done(&out);
	assert_int_equal(control_scale(w->c, "api", 2, &err), 0);
	o = control_service(w->c, "api");
	a = json_object_get(o, "autoscale");
	assert_true(json_is_true(json_object_get(a, "pinned")));
	json_decref(o);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    at_zero_nothing_looks_and_a_thousand_words_start_one_copy),
		cmocka_unit_test(idle_for_window_and_grace_it_goes_to_zero),
		cmocka_unit_test(open_websockets_keep_it),
		cmocka_unit_test(a_lost_word_is_seen_in_the_queue),
		cmocka_unit_test(the_snapshot_says_when_requests_may_wait),
		cmocka_unit_test(a_fixed_number_is_as_it_was),
		cmocka_unit_test(who_depends_on_one_at_zero_need_not_wait),
		cmocka_unit_test(a_stopped_one_does_not_wake),
		cmocka_unit_test(
		    load_adds_copies_a_surge_at_a_time_and_its_end_takes_them),
		cmocka_unit_test(who_waits_too_long_gets_one_more),
		cmocka_unit_test(memory_holds_it_and_it_says_so),
		cmocka_unit_test(a_rollout_holds_what_would_be_taken),
		cmocka_unit_test(one_that_crashes_keeps_those_that_work),
		cmocka_unit_test(
		    an_operators_number_stands_until_it_is_given_back),
		cmocka_unit_test(a_reload_moves_the_bounds_and_gives_pins_back),
		cmocka_unit_test(
		    the_next_control_goes_on_with_count_and_decision),
		cmocka_unit_test(copies_that_no_file_knows_of_are_kept),
		cmocka_unit_test(it_stays_at_zero_over_a_takeover),
		cmocka_unit_test(what_it_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
