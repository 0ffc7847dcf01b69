/* SPDX-License-Identifier: ISC */

/* The command line against the real admin API over a fake control. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/admin.h"
#include "cli/cli.h"
#include "cli/show.h"
#include "cli_world.h"

/* --- looking -------------------------------------------------------------- */

static void
status_exits_3_when_something_is_unhealthy(void **state)
{
	(void)state;
	begin(&(struct scene){ 0 });
	assert_int_equal(drover("status"), CLI_UNHEALTHY);
	assert_said("video     1/2    degraded  6 (12s)");
	assert_said("exit 139 (SIGSEGV)");
	assert_int_equal(drover("status image"), CLI_OK);
	assert_int_equal(drover("status data"), CLI_OK);
	assert_int_equal(drover("status video"), CLI_UNHEALTHY);
	assert_said("reason      video.1 crashed");
	assert_said("video.0 | listening");
	end();
	begin(&(struct scene){ .all_well = true });
	assert_int_equal(drover("status"), CLI_OK);
	end();
	begin(&(struct scene){ .all_well = true, .registry_down = true });
	assert_int_equal(drover("status"), CLI_UNHEALTHY);
	assert_said("registry is down: connection refused");
	end();
}

static void
json_is_what_the_api_says(void **state)
{
	static const char *const lines[] = { "status --json",
		"status image --json", "top --json", "nodes --json",
		"plan --json", "explain image.0 --json", "start image --json",
		"reload --json", "scale image=2 --json" };

	(void)state;
	begin(&(struct scene){ .all_well = true });
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		json_t *value;

		drover(lines[i]);
		value = json_loads(page, 0, NULL);
		assert_non_null(value);
		json_decref(value);
	}
	end();
}

static void
an_unknown_name_is_exit_1_and_names_the_near(void **state)
{
	static const char *const lines[] = { "status imgae", "stop imgae",
		"restart imgae" };

	(void)state;
	begin(&(struct scene){ 0 });
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		assert_int_equal(drover(lines[i]), CLI_ERROR);
		assert_said("no service imgae");
	}
	assert_int_equal(drover("status imgae"), CLI_ERROR);
	assert_said("did you mean image?");
	assert_int_equal(drover("restart image.9"), CLI_ERROR);
	assert_int_equal(drover("logs imgae"), CLI_ERROR);
	assert_int_equal(drover("logs image.9"), CLI_ERROR);
	assert_int_equal(drover("status imgae --json"), CLI_ERROR);
	assert_said("{\"type\":\"/errors/not-found\"");
	end();
}

static void
a_name_may_not_leave_its_place(void **state)
{
	(void)state;
	begin(&(struct scene){ 0 });
	assert_int_equal(drover("stop ../shutdown"), CLI_ERROR);
	assert_int_equal(drover("stop image/../../shutdown?x=#"), CLI_ERROR);
	assert_int_equal(drover("logs image?follow=1&x"), CLI_ERROR);
	assert_int_equal(drover("status image?x=1"), CLI_ERROR);
	assert_said("no service image?x=1");
	assert_int_equal(drover("status image/logs"), CLI_ERROR);
	assert_said("no service image/logs");
	end();
}

static void
without_a_role_it_is_exit_1_and_says_which(void **state)
{
	(void)state;
	if (getuid() == 0) /* is always admin: be somebody else */
		assert_int_equal(seteuid(4001), 0);
	begin(&(struct scene){ .stranger = true });
	assert_int_equal(drover("status"), CLI_ERROR);
	assert_said("has the role none here; this needs read");
	end();
	if (getuid() == 0)
		assert_int_equal(seteuid(0), 0);
}

static void
plan_exits_10_when_it_finds_changes(void **state)
{
	(void)state;
	begin(&(struct scene){ 0 });
	assert_int_equal(drover("plan"), CLI_CHANGES);
	assert_said("! image restarted  command: a -> b");
	end();
	begin(&(struct scene){ .no_changes = true });
	assert_int_equal(drover("plan"), CLI_OK);
	assert_said("nothing changes");
	end();
	begin(&(struct scene){ .broken_file = true });
	assert_int_equal(drover("plan"), CLI_ERROR);
	assert_said("drover.yaml:3: workers: found x");
	assert_int_equal(drover("reload"), CLI_ERROR);
	assert_said("drover.yaml:3: workers: found x");
	end();
}

static void
nodes_are_a_table(void **state)
{
	(void)state;
	begin(&(struct scene){ 0 });
	assert_int_equal(drover("nodes"), CLI_OK);
	assert_said("a (this)  up       10.0.0.1:7070  12s");
	end();
}

static void
a_request_is_explained_or_not_found(void **state)
{
	(void)state;
	begin(&(struct scene){ 0 });
	assert_int_equal(drover("explain image.0"), CLI_OK);
	assert_said("request     GET /a ");
	assert_said("candidates  2, 1 of them ejected\n"
		    "tried       image.0: answered\n");
	assert_said("answer      200 complete\nflags       reused\n");
	assert_said("queue wait  1.500ms\n");
	assert_said("total       2.000s\n");
	assert_int_equal(drover("explain other"), CLI_ERROR);
	assert_said("no request other among the last 7 that are kept");
	end();
}

static void
names_are_offered_to_shells(void **state)
{
	(void)state;
	begin(&(struct scene){ 0 });
	assert_int_equal(drover("completion names"), CLI_OK);
	assert_string_equal(page,
	    "data\ndata.0\nimage\nimage.0\nimage.1\nvideo\nvideo.0\nvideo.1\n");
	end();
	assert_int_equal(drover("completion names"), CLI_UNREACHABLE);
	assert_string_equal(page, "");
}

/* --- changing ------------------------------------------------------------- */

static void
wait_is_over_when_it_is_so(void **state)
{
	static const struct {
		const char *line, *said;
	} cases[] = {
		{ "restart image --wait", "image: ready, 2 of 2 ready" },
		{ "restart image.0 --wait", "image.0: ready" },
		{ "scale image=4 --wait", "image: ready, 4 of 4 ready" },
		{ "stop image --wait", "image: stopped, 0 of 0 ready" },
		{ "start image --wait", "image: ready, 4 of 4 ready" },
		{ "scale image=1 --wait", "image: ready, 1 of 1 ready" },
		{ "start data --wait", "data: ready, 1 of 1 ready" },
		{ "stop data.0 --wait", "data.0: stopped" },
		{ "start data.0 --wait", "data.0: ready" },
		{ "start data.0 --wait", "data.0: ready" },
		{ "reload --wait", "! image restarted" },
	};

	(void)state;
	begin(&(struct scene){ .settle = 2 });
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(drover(cases[i].line), CLI_OK);
		assert_said(cases[i].said);
	}
	end();
}

static void
a_rollout_is_followed_to_its_verdict(void **state)
{
	static const struct {
		const char *phase, *line;
		int code;
		const char *said;
	} cases[] = {
		{ "done", "rollout status image", CLI_OK, "image: done: as" },
		{ NULL, "rollout status image", CLI_OK, "image: none" },
		{ "rolled-back", "rollout status image", CLI_UNHEALTHY,
		    "image: rolled-back: as told" },
		{ "failed", "rollout status", CLI_UNHEALTHY, "data: failed" },
		{ "undone", "rollout status image", CLI_UNHEALTHY, "undone" },
		{ "undone", "rollout undo image --wait", CLI_OK, "undone" },
		{ "failed", "rollout undo image --wait", CLI_UNHEALTHY, "" },
		{ "held", "rollout status --once", CLI_OK, "video: held" },
		{ "held", "rollout status --timeout 300ms", CLI_UNHEALTHY,
		    "not done after 300 ms" },
		{ "watching", "rollout pause image", CLI_OK, "watching" },
		{ "done", "rollout status image --json", CLI_OK,
		    "\"service\": \"image\"" },
		{ NULL, "rollout redo image", CLI_USAGE, "must be status" },
		{ NULL, "rollout undo", CLI_USAGE, "which service?" },
		{ NULL, "rollout undo imgae", CLI_ERROR, "no service" },
		{ "rolled-back", "restart image --wait", CLI_UNHEALTHY,
		    "image: rolled-back: as told" },
		{ "rolled-back", "reload --canary 2 --wait", CLI_UNHEALTHY,
		    "image: rolled-back: as told" },
		{ NULL, "reload --canary 0", CLI_USAGE, "in range" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin(
		    &(struct scene){ .phase = cases[i].phase, .stuck = true });
		assert_int_equal(drover(cases[i].line), cases[i].code);
		assert_said(cases[i].said);
		end();
	}
}

static void
without_wait_it_answers_at_once(void **state)
{
	(void)state;
	begin(&(struct scene){ .stuck = true });
	assert_int_equal(drover("restart image"), CLI_OK);
	assert_int_equal(drover("stop image"), CLI_OK);
	assert_int_equal(drover("reload"), CLI_OK);
	end();
}

static void
a_wait_that_times_out_says_why(void **state)
{
	(void)state;
	begin(&(struct scene){ .stuck = true });
	assert_int_equal(
	    drover("restart image --wait --timeout 200ms"), CLI_UNHEALTHY);
	assert_said("not done after 200 ms: image ");
	assert_int_equal(
	    drover("stop image --wait --timeout 200ms"), CLI_ERROR);
	assert_int_equal(
	    drover("scale image=5 --wait --timeout 200ms"), CLI_UNHEALTHY);
	assert_int_equal(drover("shutdown --wait --timeout 200ms"), CLI_ERROR);
	end();
}

static void
a_conflict_is_exit_4(void **state)
{
	(void)state;
	begin(&(struct scene){ 0 });
	assert_int_equal(drover("restart image --generation 6"), CLI_CONFLICT);
	assert_int_equal(drover("restart image --generation 7"), CLI_OK);
	assert_int_equal(drover("restart image --generation 7"), CLI_CONFLICT);
	end();
	begin(&(struct scene){ .fail = -EBUSY });
	assert_int_equal(drover("restart image"), CLI_CONFLICT);
	end();
}

static void
a_value_out_of_range_is_exit_1(void **state)
{
	(void)state;
	begin(&(struct scene){ 0 });
	assert_int_equal(drover("scale image=100000"), CLI_ERROR);
	assert_said("replicas must be a whole number from 0 to 256");
	end();
}

static void
shutdown_waits_until_it_is_over(void **state)
{
	int status;

	(void)state;
	begin(&(struct scene){ .goes_down = true });
	assert_int_equal(drover("shutdown --wait"), CLI_OK);
	assert_said("the herd has ended");
	assert_int_equal(waitpid(server, &status, 0), server);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	unlink(path);
}

/* --- upgrade -------------------------------------------------------------- */

static void
an_upgrade_is_waited_for_and_may_be_refused_or_given_up(void **state)
{
	(void)state;
	begin(&(struct scene){ .settle = 0 });
	assert_int_equal(drover("upgrade"), CLI_OK);
	assert_said("upgrading");
	assert_int_equal(drover("upgrade /bin/true --wait"), CLI_OK);
	assert_said("upgraded");
	end();
	begin(&(struct scene){ .refused = "it cannot read" });
	assert_int_equal(drover("upgrade --wait"), CLI_ERROR);
	assert_said("it cannot read");
	assert_int_equal(drover("upgrade /no/such"), CLI_ERROR);
	end();
	begin(&(struct scene){ .given_up = "proxy.2: not ready" });
	assert_int_equal(drover("upgrade --wait"), CLI_ERROR);
	assert_said("given up: proxy.2: not ready");
	assert_int_equal(drover("status"), CLI_UNHEALTHY);
	assert_said("the upgrade was given up: proxy.2: not ready");
	end();
}

/* --- streams -------------------------------------------------------------- */

static void
logs_are_lines(void **state)
{
	(void)state;
	begin(&(struct scene){ 0 });
	assert_int_equal(drover("logs image -n 2"), CLI_OK);
	assert_string_equal(page,
	    "2026-01-31T23:59:59.123Z image.0 | a \033[31mred\033[0m b\n"
	    "2026-01-31T23:59:59.123Z image.0 | listening\n");
	assert_int_equal(drover("logs image.1 -n 1 --json"), CLI_OK);
	assert_said("\"instance\":\"image.1\"");
	assert_int_equal(drover("logs image --since 5m"), CLI_OK);
	assert_string_equal(page, "");
	end();
}

static void
events_end_without_follow(void **state)
{
	(void)state;
	begin(&(struct scene){ .events = 2 });
	assert_int_equal(drover("events"), CLI_OK);
	assert_string_equal(page,
	    "2026-01-31T23:59:59.123Z image.0 starting -> ready cause=check "
	    "after 12ms\n"
	    "2026-01-31T23:59:59.123Z image.0 starting -> ready cause=check "
	    "after 12ms\n");
	assert_int_equal(drover("events --json"), CLI_OK);
	assert_said("{\"id\":2,");
	end();
}

/* Followed lines come while the daemon lives; its end is exit 5. */
static void
follow_goes_on_until_the_daemon_ends(void **state)
{
	int fds[2], status;
	pid_t pid;
	size_t n = 0;
	ssize_t r;

	(void)state;
	begin(&(struct scene){ .line_later = true });
	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		exec_line("logs -f image -n 0", fds[1]);
	close(fds[1]);
	page[0] = '\0';
	while (strstr(page, "came later") == NULL &&
	    (r = read(fds[0], page + n, PAGE_MAX - 1 - n)) > 0) {
		n += (size_t)r;
		page[n] = '\0';
	}
	assert_said("image.0 | came later");
	end();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), CLI_UNREACHABLE);
	close(fds[0]);
}

static int
set_up(void **state)
{
	(void)state;
	unsetenv("DROVER_ADMIN");
	if (mkdtemp(folder) == NULL || chmod(folder, 0777) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/admin.sock", folder);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_exits_3_when_something_is_unhealthy),
		cmocka_unit_test(json_is_what_the_api_says),
		cmocka_unit_test(an_unknown_name_is_exit_1_and_names_the_near),
		cmocka_unit_test(a_name_may_not_leave_its_place),
		cmocka_unit_test(without_a_role_it_is_exit_1_and_says_which),
		cmocka_unit_test(plan_exits_10_when_it_finds_changes),
		cmocka_unit_test(nodes_are_a_table),
		cmocka_unit_test(a_request_is_explained_or_not_found),
		cmocka_unit_test(names_are_offered_to_shells),
		cmocka_unit_test(wait_is_over_when_it_is_so),
		cmocka_unit_test(a_rollout_is_followed_to_its_verdict),
		cmocka_unit_test(without_wait_it_answers_at_once),
		cmocka_unit_test(a_wait_that_times_out_says_why),
		cmocka_unit_test(a_conflict_is_exit_4),
		cmocka_unit_test(a_value_out_of_range_is_exit_1),
		cmocka_unit_test(shutdown_waits_until_it_is_over),
		cmocka_unit_test(
		    an_upgrade_is_waited_for_and_may_be_refused_or_given_up),
		cmocka_unit_test(logs_are_lines),
		cmocka_unit_test(events_end_without_follow),
		cmocka_unit_test(follow_goes_on_until_the_daemon_ends),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
