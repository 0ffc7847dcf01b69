/* SPDX-License-Identifier: ISC */

/* Rollouts that are held, taken back, and changed or killed in the middle. */

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

/* V2 in the place of one of three, promoted before its watch was over. */
static void
deploy_promoted(struct world *w)
{
	deploy(w, THREE WATCH V2, 0);
	candidate_ready(w);
	assert_int_equal(say(CONTROL_PROMOTE), 0);
	reap(w);
}

/* --- canary, promote, undo, pause ----------------------------------------- */

static void
a_canary_is_held_until_it_is_promoted(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);

	(void)state;
	deploy(w, THREE WATCH V2, 1);
	assert_string_equal(phase(), "rolling");
	candidate_ready(w);
	assert_string_equal(phase(), "watching");
	run_for(w, 400);
	assert_string_equal(phase(), "held");
	assert_string_equal(versions(), "111"); /* beside all of them */
	assert_string_equal(reason(),
	    "canary: 1 of 3 copies new, 0 of 0 answers failed; promote or "
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
	assert_null(rollout()->candidate);
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
	deploy_promoted(w);
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
	deploy_promoted(w);
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
	deploy_promoted(w);
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
	deploy_promoted(w);
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
	assert_string_equal(phase(), "undone"); /* and nothing had to roll */
	end(w);
}

static void
a_stop_keeps_a_proven_version(void **state)
{
	struct world *w = herd_of(3, THREE WATCH V1);
	struct err err;

	(void)state;
	deploy_promoted(w);
	assert_string_equal(versions(), "211");
	assert_int_equal(control_stop(w->c, "api", &err), 0);
	run_for(w, 20);
	reap(w);
	assert_int_equal(control_start(w->c, "api", &err), 0);
	run_for(w, 20);
	assert_string_equal(versions(), "222");
	assert_string_equal(phase(), "cancelled"); /* nothing had to roll */
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
	/* Nor is a new one, which stays as it was told. */
	assert_string_equal(versions(), "211");
	assert_int_equal(control_instance_stop(w->c, "api.0", &err), 0);
	run_for(w, 20);
	reap(w);
	assert_true(rollout()->on);
	roll_on(w);
	assert_string_equal(versions(), "?22");
	assert_string_equal(phase(), "done");
	end(w);
}

/* --- over control's death ------------------------------------------------- */

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
	deploy_promoted(w);
	deploy(w, THREE WATCH V3, 0);
	reap(w);
	again(w);
	assert_string_equal(versions(), "211");
	assert_int_equal(say(CONTROL_UNDO), 0);
	reap(w);
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
		cmocka_unit_test(a_canary_is_held_until_it_is_promoted),
		cmocka_unit_test(a_canary_of_two_leaves_one),
		cmocka_unit_test(
		    a_canary_that_goes_bad_while_it_is_held_is_rolled_back),
		cmocka_unit_test(an_undo_also_takes_back_what_is_done),
		cmocka_unit_test(
		    a_pause_replaces_no_further_copy_and_still_judges),
		cmocka_unit_test(going_back_is_not_given_up),
		cmocka_unit_test(
		    a_reload_overtakes_and_the_way_back_stays_the_same),
		cmocka_unit_test(
		    a_reload_to_what_was_before_goes_back_without_a_watch),
		cmocka_unit_test(
		    scaling_up_during_a_watch_adds_the_proven_version),
		cmocka_unit_test(
		    scaling_down_takes_the_candidate_of_that_place),
		cmocka_unit_test(a_stop_takes_an_unproven_version_back),
		cmocka_unit_test(a_stop_keeps_a_proven_version),
		cmocka_unit_test(
		    a_stopped_service_is_started_as_it_is_configured_by_then),
		cmocka_unit_test(
		    a_service_that_is_removed_takes_its_rollout_along),
		cmocka_unit_test(
		    an_instance_that_an_operator_stops_is_no_failure),
		cmocka_unit_test(a_kill_at_any_step_goes_on_with_it),
		cmocka_unit_test(
		    an_old_copy_that_dies_is_replaced_by_an_old_one),
		cmocka_unit_test(
		    a_candidate_that_died_while_control_was_away_has_failed),
		cmocka_unit_test(a_restart_goes_on_too),
		cmocka_unit_test(
		    versions_of_an_overtaken_deploy_are_known_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
