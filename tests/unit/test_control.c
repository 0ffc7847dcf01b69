/* SPDX-License-Identifier: ISC */

/* The control process over a keeper that starts nothing. */

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "control/cells.h"
#include "control/control.h"
#include "control/note.h"
#include "control/replica.h"
#include "control/rollout.h"
#include "control/service.h"
#include "control_world.h"
#include "fake_herd.h"

/* --- processes ------------------------------------------------------------ */

static void
a_process_gets_its_address_and_environment(void **state)
{
	struct world *w = world_new("", NULL);
	struct fake_child *child;

	(void)state;
	attach(w);
	assert_true(w->begun);
	child = fake_running("api.0");
	assert_non_null(child);
	assert_non_null(strstr(child->argv, "/bin/true --at "));
	assert_non_null(strstr(child->argv, "/run/i/api.0."));
	assert_non_null(strstr(child->env, "NAME=I am api.0"));
	assert_non_null(strstr(child->env, "DROVER_SERVICE=api"));
	assert_non_null(strstr(child->env, "DROVER_SOCKET=/tmp/test_control"));
	assert_non_null(strstr(child->env, "DROVER_URL=http://"));
	assert_null(strstr(child->env, "DROVER_REDIS_URL"));
	assert_string_equal(service_word(w, "api"), "starting");
	make_ready(w, "api.0");
	assert_string_equal(service_word(w, "api"), "ready");
	world_free(w);
}

static void
a_services_own_variable_wins_over_the_default(void **state)
{
	struct world *w = world_new("", NULL);
	struct fake_child *child;

	(void)state;
	write_file(w, "services.d/base.yaml",
	    "service: base\ncommand: [/bin/true]\nenv: {PATH: /own}\n");
	attach(w);
	child = fake_running("base.0");
	assert_non_null(child);
	assert_non_null(strstr(child->env, "PATH=/own\n"));
	assert_null(strstr(child->env, "/usr/local/sbin"));
	world_free(w);
}

static void
the_first_restart_does_not_wait_and_the_second_does(void **state)
{
	struct world *w = world_new(
	    "restart: {first: 0ms, base: 400ms, max: 400ms}", NULL);
	struct replica *r;

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	fake_kill(fake_running("api.0"), SIGKILL);
	run_for(w, 10);
	assert_int_equal(fake_count("api.0"), 2);
	assert_int_equal(state_of(w, "api.0"), INSTANCE_STARTING);

	fake_exit(fake_running("api.0"), 3, "it went wrong\n");
	run_for(w, 100);
	assert_int_equal(fake_count("api.0"), 2);
	assert_string_equal(service_word(w, "api"), "backoff");
	r = replica_by_id(w->c, "api.0");
	assert_string_equal(r->tail, "it went wrong\n");
	assert_int_equal(r->restarts, 1);
	run_for(w, 500);
	assert_int_equal(fake_count("api.0"), 3);
	world_free(w);
}

static void
exit_125_is_not_restarted(void **state)
{
	struct world *w = world_new(RESTART_QUICK, NULL);

	(void)state;
	attach(w);
	fake_exit(fake_running("api.0"), 125, "");
	run_for(w, 200);
	assert_int_equal(fake_count("api.0"), 1);
	assert_string_equal(service_word(w, "api"), "stopped");
	world_free(w);
}

static void
an_order_that_is_refused_is_tried_again(void **state)
{
	struct world *w = world_new(RESTART_QUICK, NULL);

	(void)state;
	fake.refuse = true;
	attach(w);
	assert_int_equal(fake_count("api.0"), 0);
	assert_int_equal(state_of(w, "api.0"), INSTANCE_BACKOFF);
	fake.refuse = false;
	run_for(w, 300);
	assert_int_equal(fake_count("api.0"), 1);
	world_free(w);
}

static void
five_crashes_are_shown_as_a_loop(void **state)
{
	struct world *w = world_new(
	    "restart: {first: 0ms, base: 0ms, max: 0ms}", "");
	char why[192];

	(void)state;
	attach(w);
	make_ready(w, "base.0");
	for (int i = 0; i < 5; i++) {
		fake_exit(fake_running("api.0"), 7, "boom\n");
		run_for(w, 20);
	}
	service_state(service_by_name(w->c, "api"), why, sizeof(why));
	assert_string_equal(why, "crash loop: 5 crashes in 5 min; exit 7");
	assert_string_equal(service_word(w, "base"), "ready");
	assert_int_equal(fake_count("base.0"), 1);
	world_free(w);
}

static void
an_address_is_free_only_when_every_worker_has_left_it(void **state)
{
	struct world *w = world_new(RESTART_QUICK, NULL);
	int cell;

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	cell = replica_by_id(w->c, "api.0")->cell;
	w->c->workers.all[0].applied = 0; /* it has an old snapshot */
	fake_kill(fake_running("api.0"), SIGKILL);
	run_for(w, 50);
	assert_int_not_equal(replica_by_id(w->c, "api.0")->cell, cell);
	cells_sweep(w->c);
	assert_false(list_empty(&w->c->cells.ghosts));
	w->c->workers.all[0].applied = w->c->publish.generation;
	cells_sweep(w->c);
	assert_true(list_empty(&w->c->cells.ghosts));
	world_free(w);
}

/* --- services ------------------------------------------------------------- */

static void
a_service_waits_for_what_it_depends_on(void **state)
{
	struct world *w = world_new("depends_on: [base]", "");
	char why[192];

	(void)state;
	attach(w);
	assert_int_equal(fake_count("api.0"), 0);
	service_state(service_by_name(w->c, "api"), why, sizeof(why));
	assert_string_equal(why, "waits for base");
	make_ready(w, "base.0");
	assert_int_equal(fake_count("api.0"), 1);
	/* and is to be stopped before it */
	assert_true(fake_running("api.0")->rank > fake_running("base.0")->rank);
	world_free(w);
}

static void
scaling_adds_and_drains_the_highest(void **state)
{
	struct world *w = world_new("", NULL);
	struct fake_child *third;
	struct err err;

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	assert_int_equal(control_scale(w->c, "api", 3, &err), 0);
	run_for(w, 20);
	make_ready(w, "api.1");
	make_ready(w, "api.2");
	assert_string_equal(service_word(w, "api"), "ready");
	third = fake_running("api.2");
	assert_int_equal(control_scale(w->c, "api", 2, &err), 0);
	run_for(w, 50);
	assert_int_equal(third->last_signal, SIGTERM);
	assert_null(replica_by_id(w->c, "api.2"));
	assert_int_equal(fake_running("api.1")->last_signal, 0);
	fake_exit(third, 0, "");
	run_for(w, 20);
	assert_true(third->forgotten);
	assert_int_equal(control_scale(w->c, "api", 257, &err), -EINVAL);
	world_free(w);
}

static void
a_stopped_service_stays_stopped_until_it_is_started(void **state)
{
	struct world *w = world_new(RESTART_QUICK, NULL);
	struct err err;

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	assert_int_equal(control_stop(w->c, "api", &err), 0);
	run_for(w, 50);
	assert_int_equal(fake_running("api.0")->last_signal, SIGTERM);
	fake_exit(fake_running("api.0"), 0, "");
	run_for(w, 100);
	assert_int_equal(fake_count("api.0"), 1);
	assert_string_equal(service_word(w, "api"), "stopped");
	assert_int_equal(control_start(w->c, "api", &err), 0);
	run_for(w, 20);
	assert_int_equal(fake_count("api.0"), 2);
	world_free(w);
}

static void
an_unknown_service_is_an_error_that_names_the_near_one(void **state)
{
	struct world *w = world_new("", NULL);
	struct err err;

	(void)state;
	attach(w);
	assert_int_equal(control_restart(w->c, "appi", &err), -ENOENT);
	assert_string_equal(err.text, "no service appi; did you mean api?");
	assert_int_equal(control_instance_kill(w->c, "api.9", &err), -ENOENT);
	world_free(w);
}

/* --- rollouts ------------------------------------------------------------- */

static struct replica *
candidate(struct world *w)
{
	struct replica *r = service_by_name(w->c, "api")->rollout.candidate;

	assert_non_null(r);
	return r;
}

static void
a_restart_keeps_the_old_one_until_the_new_one_is_ready(void **state)
{
	struct world *w = world_new("", NULL);
	struct fake_child *old;
	struct err err;

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	old = fake_running("api.0");
	assert_int_equal(control_restart(w->c, "api", &err), 0);
	run_for(w, 50);
	assert_int_equal(fake_count("api.0"), 2);
	assert_int_equal(old->last_signal, 0);
	assert_string_equal(service_word(w, "api"), "ready");
	assert_int_equal(control_restart(w->c, "api", &err), -EBUSY);

	replica_post(candidate(w), INSTANCE_EV_PASSED, "test");
	run_for(w, 50);
	assert_int_equal(old->last_signal, SIGTERM);
	assert_string_equal(service_word(w, "api"), "ready");
	fake_exit(old, 0, "");
	run_for(w, 20);
	assert_false(service_by_name(w->c, "api")->rollout.on);
	world_free(w);
}

static void
a_copy_that_does_not_get_ready_ends_the_rollout(void **state)
{
	struct world *w = world_new(RESTART_QUICK, NULL);
	struct fake_child *old;
	struct err err;
	char why[192];

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	old = fake_running("api.0");
	assert_int_equal(control_restart(w->c, "api", &err), 0);
	run_for(w, 20);
	fake_exit(fake_running("api.0"), 1, "no\n");
	run_for(w, 200);
	assert_int_equal(fake_count("api.0"), 2);
	assert_int_equal(old->last_signal, 0);
	assert_false(old->gone);
	assert_string_equal(service_word(w, "api"), "ready");
	service_state(service_by_name(w->c, "api"), why, sizeof(why));
	assert_string_equal(why, "restart failed: new copy not ready: exit 1");
	world_free(w);
}

static void
a_restart_skips_the_wait_of_a_backoff(void **state)
{
	struct world *w = world_new(
	    "restart: {first: 60s, base: 60s, max: 60s}", NULL);
	struct err err;

	(void)state;
	attach(w);
	fake_exit(fake_running("api.0"), 1, "");
	run_for(w, 50);
	assert_int_equal(fake_count("api.0"), 1);
	assert_int_equal(control_restart(w->c, "api", &err), 0);
	run_for(w, 20);
	assert_int_equal(fake_count("api.0"), 2);
	world_free(w);
}

static void
an_old_one_that_dies_during_a_rollout_harms_nothing(void **state)
{
	struct world *w = world_new(RESTART_QUICK, NULL);
	struct err err;

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	assert_int_equal(control_restart(w->c, "api", &err), 0);
	run_for(w, 20);
	fake_kill(&fake.children[1], SIGSEGV);
	run_for(w, 50);
	replica_post(candidate(w), INSTANCE_EV_PASSED, "test");
	run_for(w, 50);
	assert_string_equal(service_word(w, "api"), "ready");
	world_free(w);
}

/* --- reload --------------------------------------------------------------- */

static json_t *
reload(struct world *w, char *why, size_t size)
{
	const struct control_reload how = { 0 };
	struct buf errors;
	json_t *done;

	buf_init(&errors, 4096);
	done = control_reload(w->c, &how, &errors);
	snprintf(why, size, "%s", buf_str(&errors));
	buf_done(&errors);
	return done;
}

static void
a_reload_changes_checks_and_stops_in_place(void **state)
{
	struct world *w = world_new("stop: {timeout: 3s}", NULL);
	char why[512];
	json_t *done;

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	write_service(w, "api", "stop: {timeout: 7s}\nliveness: {path: /live}");
	done = reload(w, why, sizeof(why));
	assert_string_equal(why, "");
	assert_non_null(done);
	json_decref(done);
	run_for(w, 50);
	assert_int_equal(fake_count("api.0"), 1);
	assert_int_equal(replica_by_id(w->c, "api.0")->policy.stop_ms, 7000);
	assert_true(replica_by_id(w->c, "api.0")->liveness.on);
	world_free(w);
}

static void
a_reload_that_says_how_many_ends_what_scale_said(void **state)
{
	struct world *w = world_new("replicas: 1", NULL);
	struct err err;
	char why[512];

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	assert_int_equal(control_scale(w->c, "api", 3, &err), 0);
	write_service(w, "api", "replicas: 1\nstop: {timeout: 3s}");
	json_decref(reload(w, why, sizeof(why)));
	assert_int_equal(service_by_name(w->c, "api")->desired, 3);
	write_service(w, "api", "replicas: 2\nstop: {timeout: 3s}");
	json_decref(reload(w, why, sizeof(why)));
	assert_int_equal(service_by_name(w->c, "api")->desired, 2);
	world_free(w);
}

static void
a_reload_of_what_cannot_be_loaded_changes_nothing(void **state)
{
	struct world *w = world_new("", NULL);
	char why[512];
	uint64_t generation;

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	generation = control_generation(w->c);
	write_service(w, "api", "replicas: many");
	assert_null(reload(w, why, sizeof(why)));
	assert_non_null(strstr(why, "api.yaml:5: replicas: found"));
	assert_true(control_generation(w->c) == generation);
	assert_int_equal(fake_count("api.0"), 1);
	world_free(w);
}

/* --- takeover ------------------------------------------------------------- */

static void
a_next_control_takes_over_what_runs(void **state)
{
	struct world *w = world_new("", "");
	pid_t pid;
	struct err err;

	(void)state;
	attach(w);
	make_ready(w, "api.0");
	assert_int_equal(control_scale(w->c, "base", 2, &err), 0);
	assert_int_equal(control_stop(w->c, "base", &err), 0);
	run_for(w, 20);
	pid = replica_by_id(w->c, "api.0")->pid;
	control_free(w->c);

	attach(w);
	assert_int_equal(fake_count("api.0"), 1);
	assert_int_equal(replica_by_id(w->c, "api.0")->pid, pid);
	assert_int_equal(state_of(w, "api.0"), INSTANCE_READY);
	assert_true(replica_by_id(w->c, "api.0")->cell >= 0);
	assert_int_equal(fake_count("proxy.0"), 1);
	assert_string_equal(service_word(w, "base"), "stopped");
	assert_int_equal(service_by_name(w->c, "base")->desired, 2);
	world_free(w);
}

static void
a_child_whose_note_fits_nothing_is_killed(void **state)
{
	struct world *w = world_new("", NULL);
	struct fake_child *stray = &fake.children[0];

	(void)state;
	attach(w);
	control_free(w->c);
	stray = &fake.children[fake.n++];
	memset(stray, 0, sizeof(*stray));
	stray->id = ++fake.last_id;
	stray->pid = 1234567;
	snprintf(stray->slot, sizeof(stray->slot), "stray");
	memcpy(stray->note, "{]", 2);
	stray->note_len = 2;
	attach(w);
	assert_int_equal(stray->last_signal, SIGKILL);
	assert_true(stray->group);
	fake_kill(stray, SIGKILL);
	run_for(w, 10);
	assert_true(stray->forgotten);
	world_free(w);
}

static void
a_shutdown_is_the_keepers_to_do(void **state)
{
	struct world *w = world_new("", NULL);

	(void)state;
	attach(w);
	control_shutdown(w->c);
	run_for(w, 50);
	assert_true(fake.shutdown);
	assert_int_equal(fake_running("api.0")->last_signal, 0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_gets_its_address_and_environment),
		cmocka_unit_test(a_services_own_variable_wins_over_the_default),
		cmocka_unit_test(
		    the_first_restart_does_not_wait_and_the_second_does),
		cmocka_unit_test(exit_125_is_not_restarted),
		cmocka_unit_test(an_order_that_is_refused_is_tried_again),
		cmocka_unit_test(five_crashes_are_shown_as_a_loop),
		cmocka_unit_test(
		    an_address_is_free_only_when_every_worker_has_left_it),
		cmocka_unit_test(a_service_waits_for_what_it_depends_on),
		cmocka_unit_test(scaling_adds_and_drains_the_highest),
		cmocka_unit_test(
		    a_stopped_service_stays_stopped_until_it_is_started),
		cmocka_unit_test(
		    an_unknown_service_is_an_error_that_names_the_near_one),
		cmocka_unit_test(
		    a_restart_keeps_the_old_one_until_the_new_one_is_ready),
		cmocka_unit_test(
		    a_copy_that_does_not_get_ready_ends_the_rollout),
		cmocka_unit_test(a_restart_skips_the_wait_of_a_backoff),
		cmocka_unit_test(
		    an_old_one_that_dies_during_a_rollout_harms_nothing),
		cmocka_unit_test(a_reload_changes_checks_and_stops_in_place),
		cmocka_unit_test(
		    a_reload_that_says_how_many_ends_what_scale_said),
		cmocka_unit_test(
		    a_reload_of_what_cannot_be_loaded_changes_nothing),
		cmocka_unit_test(a_next_control_takes_over_what_runs),
		cmocka_unit_test(a_child_whose_note_fits_nothing_is_killed),
		cmocka_unit_test(a_shutdown_is_the_keepers_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
