/* SPDX-License-Identifier: ISC */

/* Deploys that go through, and those that are rolled back and remembered. */

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
	assert_non_null(strstr(
	    reason(), "api.0 watched, 1 s left, 4 of 1000 answers failed"));
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
the_bounds_are_as_stated(void **state)
{
	struct world *w = herd_of(1, V1);
	const struct conf_rollout *conf = &api()->spec->rollout;

	(void)state;
	assert_int_equal(conf->watch_ms, 30000);
	assert_int_equal(conf->errors, 5);
	assert_int_equal(conf->minimum, 5);
	deploy(w, "rollout: {watch: 1m, errors: 0%, minimum: 7}\n" V1, 0);
	conf = &api()->spec->rollout;
	assert_int_equal(conf->watch_ms, 60000);
	assert_int_equal(conf->errors, 0);
	assert_int_equal(conf->minimum, 7);
	assert_false(rollout()->on); /* in place */
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
each_kind_of_error_counts(void **state)
{
	struct world *w = herd_of(1, WATCH V1);
	struct scoreboard_endpoint *cell;

	(void)state;
	deploy(w, WATCH V2, 0);
	candidate_ready(w);
	answers(rollout()->candidate, 50, 1);
	cell = scoreboard_endpoint(
	    w->c->workers.board, 0, (unsigned)rollout()->candidate->cell);
	count32(&cell->resets, 1);
	count32(&cell->timeouts, 1);
	count32(&cell->bad_responses, 1);
	run_for(w, 110);
	assert_string_equal(phase(), "watching"); /* four are not enough */
	count32(&cell->connect_failures, 1);
	run_for(w, 110);
	assert_string_equal(phase(), "rolled-back");
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
	assert_string_equal(reason(),
	    "deploy rolled back: new copy failed: exit 139 (SIGSEGV)");
	assert_true(guard.least >= 2 && guard.most <= 4);
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
	assert_string_equal(versions(), "11");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_deploy_watches_the_first_copy_and_then_goes_through),
		cmocka_unit_test(the_bounds_are_as_stated),
		cmocka_unit_test(without_a_watch_ready_is_enough),
		cmocka_unit_test(
		    a_service_that_serves_nobody_is_replaced_at_once),
		cmocka_unit_test(
		    a_version_that_does_not_get_ready_is_rolled_back),
		cmocka_unit_test(one_that_is_not_ready_in_time_is_rolled_back),
		cmocka_unit_test(one_that_fails_too_often_is_rolled_back),
		cmocka_unit_test(each_kind_of_error_counts),
		cmocka_unit_test(errors_while_it_is_watched_cost_no_old_copy),
		cmocka_unit_test(
		    one_that_exits_while_the_others_follow_is_rolled_back),
		cmocka_unit_test(
		    one_that_goes_unready_has_a_watch_to_come_back),
		cmocka_unit_test(
		    what_a_reload_changes_in_place_is_taken_back_too),
		cmocka_unit_test(
		    where_that_does_not_fit_any_more_the_processes_alone_go_back),
		cmocka_unit_test(
		    a_version_that_failed_is_not_tried_again_by_itself),
		cmocka_unit_test(it_is_with_retry_or_when_it_changes),
		cmocka_unit_test(
		    a_file_that_says_what_is_in_force_ends_the_matter),
		cmocka_unit_test(
		    a_herd_that_begins_anew_does_not_try_it_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
