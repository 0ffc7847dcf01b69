/* SPDX-License-Identifier: ISC */

/* What the command line makes of the daemon's answers. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "cli/lines.h"
#include "cli/show.h"
#include "cli/table.h"
#include "cli/wait.h"

/* --- tables --------------------------------------------------------------- */

static const char status_text[] =
    "{\"node\":\"a\",\"registry\":{\"state\":\"up\",\"reason\":\"\"},"
    "\"services\":[{\"name\":\"image\",\"state\":\"ready\",\"reason\":\"\","
    "\"ready\":2,\"desired\":2,\"restarts\":0,\"rps\":41.2,\"p99_ms\":83,"
    "\"queue\":0,\"inflight\":1,\"instances\":["
    "{\"id\":\"image.0\",\"pid\":10,\"state\":\"ready\",\"restarts\":0,"
    "\"uptime_s\":273600,\"mem_bytes\":50331648,\"cpu_pct\":2,"
    "\"address\":\"unix:/a\",\"next_try_s\":null,\"last_exit\":null},"
    "{\"id\":\"image.1\",\"pid\":11,\"state\":\"ready\",\"restarts\":0,"
    "\"uptime_s\":60,\"mem_bytes\":50331648,\"cpu_pct\":2,"
    "\"address\":\"unix:/b\"}]},"
    "{\"name\":\"video\",\"state\":\"degraded\",\"reason\":\"video.1 waits\","
    "\"ready\":1,\"desired\":2,\"restarts\":6,\"rps\":3,\"p99_ms\":1200,"
    "\"queue\":4,\"inflight\":0,\"unenforced\":[\"memory\",\"cpu\"],"
    "\"instances\":["
    "{\"id\":\"video.0\",\"pid\":12,\"state\":\"ready\",\"restarts\":0,"
    "\"uptime_s\":300,\"mem_bytes\":220200960,\"cpu_pct\":40.6,"
    "\"address\":\"unix:/c\"},"
    "{\"id\":\"video.1\",\"pid\":null,\"state\":\"backoff\",\"restarts\":6,"
    "\"uptime_s\":0,\"mem_bytes\":0,\"cpu_pct\":0,\"address\":\"\","
    "\"next_try_s\":12,\"last_exit\":{\"kind\":\"signalled\",\"code\":null,"
    "\"signal\":11,\"at\":\"2026-01-31T23:59:59.123Z\"}}]}]}";

static json_t *
load(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	assert_non_null(value);
	return value;
}

static void
assert_page(const struct buf *out, const char *want)
{
	assert_string_equal(buf_str(out), want);
	assert_int_equal(out->len, strlen(want));
}

static void
status_looks_as_the_manual_shows_it(void **state)
{
	json_t *status = load(status_text);
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	assert_int_equal(show_status(status, false, &out), 0);
	assert_page(&out,
	    "SERVICE   READY  STATE     RESTARTS  RPS   P99    QUEUE  MEM    "
	    "UPTIME\n"
	    "image     2/2    ready            0   41   83ms       0  96M    "
	    "3d4h\n"
	    "video     1/2    degraded  6 (12s)     3   1.2s       4  210M   "
	    "5m    exit 139 (SIGSEGV)\n");
	assert_false(status_healthy(status));
	buf_done(&out);
	json_decref(status);
}

static void
colour_changes_nothing_but_the_colour(void **state)
{
	json_t *status = load(status_text);
	struct buf plain, painted;

	(void)state;
	buf_init(&plain, 65536);
	buf_init(&painted, 65536);
	assert_int_equal(show_status(status, false, &plain), 0);
	assert_int_equal(show_status(status, true, &painted), 0);
	assert_non_null(strstr(buf_str(&painted), "\033[32mready\033[0m"));
	assert_non_null(strstr(buf_str(&painted), "\033[33mdegraded\033[0m"));
	text_clean(painted.data);
	assert_string_equal(painted.data, plain.data);
	buf_done(&plain);
	buf_done(&painted);
	json_decref(status);
}

static void
one_service_says_why(void **state)
{
	json_t *status = load(status_text);
	json_t *lines = load("[{\"at\":\"T\",\"instance\":\"video.1\","
			     "\"line\":\"out of \\u001b[31mframes\"}]");
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	assert_int_equal(
	    show_service(json_array_get(json_object_get(status, "services"), 1),
		lines, false, &out),
	    0);
	assert_page(&out,
	    "video: degraded, 1 of 2 ready\n"
	    "  reason      video.1 waits\n"
	    "  requests    3/s, p99 1.2s, 0 in flight, 4 waiting\n"
	    "  unenforced  memory, cpu\n"
	    "\n"
	    "INSTANCE  PID    STATE     RESTARTS  MEM    CPU%  UPTIME  ADDRESS "
	    " LAST EXIT\n"
	    "video.0      12  ready            0  210M     41  5m      "
	    "unix:/c\n"
	    "video.1   -      backoff   6 (12s)   -         0  -       -       "
	    " exit 139 (SIGSEGV) at 2026-01-31T23:59:59.123Z\n"
	    "\n"
	    "T video.1 | out of frames\n");
	buf_done(&out);
	json_decref(lines);
	json_decref(status);
}

static void
a_registry_that_is_down_is_shown_and_unhealthy(void **state)
{
	json_t *status = load("{\"registry\":{\"state\":\"down\",\"reason\":"
			      "\"connection refused\"},\"services\":[]}");
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	assert_int_equal(show_status(status, false, &out), 0);
	assert_page(&out,
	    "no services are configured\n"
	    "\nregistry is down: connection refused\n");
	assert_false(status_healthy(status));
	buf_done(&out);
	json_decref(status);
}

static void
health_is_a_matter_of_states(void **state)
{
	static const struct {
		const char *text;
		bool healthy;
	} cases[] = {
		{ "{\"state\":\"ready\"}", true },
		{ "{\"state\":\"stopped\"}", true },
		{ "{\"state\":\"idle\"}", true },
		{ "{\"state\":\"starting\"}", false },
		{ "{\"state\":\"degraded\"}", false },
		{ "{\"state\":\"backoff\"}", false },
		{ "{}", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *service = load(cases[i].text);

		assert_int_equal(service_healthy(service), cases[i].healthy);
		json_decref(service);
	}
}

static void
exits_have_words(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{ "{\"kind\":\"exited\",\"code\":3}", "exit 3" },
		{ "{\"kind\":\"signalled\",\"signal\":9}",
		    "exit 137 (SIGKILL)" },
		{ "{\"kind\":\"signalled\",\"signal\":\"SIGSEGV\"}",
		    "killed (SIGSEGV)" },
		{ "{\"kind\":\"oom\",\"signal\":9}",
		    "exit 137 (SIGKILL, out of memory)" },
		{ "{\"kind\":\"unknown\"}", "exit unknown" },
		{ "{}", "" },
	};
	char text[96];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *end = load(cases[i].text);

		assert_string_equal(
		    show_exit(text, sizeof(text), end), cases[i].want);
		json_decref(end);
	}
}

static void
strange_answers_are_shown_as_dashes(void **state)
{
	static const char *const answers[] = {
		"{}",
		"[]",
		"{\"services\":{}}",
		"{\"services\":[1,null]}",
		"{\"services\":[{\"instances\":[7,{\"last_exit\":[]}]}]}",
		"{\"registry\":7,\"services\":\"x\"}",
	};
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		json_t *value = load(answers[i]);

		assert_int_equal(show_status(value, true, &out), 0);
		assert_int_equal(show_service(value, value, true, &out), 0);
		assert_int_equal(show_nodes(value, true, &out), 0);
		assert_int_equal(show_changes(value, &out), 0);
		assert_int_equal(show_event(value, &out), 0);
		assert_int_equal(show_line(value, true, &out), 0);
		json_decref(value);
	}
	buf_done(&out);
}

static void
tables_refuse_the_terminals_controls(void **state)
{
	static const struct table_column columns[] = {
		{ "A", 0, 2 },
		{ "B", 0, 0 },
		{ NULL, 0, 0 },
	};
	struct table t;
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	table_init(&t, columns, false);
	table_add(&t, PLAIN, "x\033[2J\n");
	table_add(&t, PLAIN, "12");
	assert_int_equal(table_print(&t, &out), 0);
	assert_page(&out, "A       B\nx?[2J?  12\n");
	table_done(&t);
	buf_done(&out);
}

static void
escapes_are_taken_out_of_text(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "plain", "plain" },
		{ "\033[31mred\033[0m", "red" },
		{ "a\033]0;title\ab", "ab" },
		{ "a\033]0;title\033\\b", "ab" },
		{ "bell\a", "bell?" },
		{ "tab\tstays\n", "tab\tstays\n" },
		{ "cut\033[", "cut" },
		{ "cut\033", "cut" },
		{ "\033cfoo", "foo" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s", cases[i].from);
		text_clean(text);
		assert_string_equal(text, cases[i].to);
	}
}

static void
changes_nodes_and_events_have_lines(void **state)
{
	json_t *plan = load(
	    "{\"changes\":[{\"kind\":\"added\",\"service\":\"data\"},"
	    "{\"kind\":\"changed\",\"service\":\"image\",\"key\":\"replicas\","
	    "\"from\":\"2\",\"to\":\"3\"}]}");
	json_t *none = load("{\"changes\":[]}");
	json_t *nodes = load(
	    "{\"nodes\":[{\"node\":\"a\",\"self\":true,\"live\":true,"
	    "\"address\":\"10.0.0.1:7070\",\"lease_ms\":12000},"
	    "{\"node\":\"b\",\"live\":false,\"lease_ms\":0}]}");
	json_t *event = load(
	    "{\"at\":\"T\",\"instance\":\"image.0\",\"from\":\"starting\","
	    "\"to\":\"ready\",\"cause\":\"check\",\"ms\":12}");
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(show_changes(plan, &out), 0);
	assert_int_equal(show_changes(none, &out), 0);
	assert_int_equal(show_nodes(nodes, false, &out), 0);
	assert_int_equal(show_event(event, &out), 0);
	assert_page(&out,
	    "+ data added\n"
	    "~ image changed  replicas: 2 -> 3\n"
	    "nothing changes\n"
	    "NODE      STATE    ADDRESS        LEASE\n"
	    "a (this)  up       10.0.0.1:7070  12s\n"
	    "b         suspect  -              -\n"
	    "T image.0 starting -> ready cause=check after 12ms\n");
	buf_done(&out);
	json_decref(plan);
	json_decref(none);
	json_decref(nodes);
	json_decref(event);
}

static void
each_failed_allocation_is_an_error(void **state)
{
	json_t *status = load(status_text);

	(void)state;
	ALLOC_FAIL_EACH({
		struct buf out;
		int r;

		buf_init(&out, 65536);
		r = show_status(status, false, &out);
		assert_true(alloc_failed() ? r == -ENOMEM : r == 0);
		buf_done(&out);
	});
	json_decref(status);
}

/* --- streams -------------------------------------------------------------- */

static int
take_line(void *arg, char *line)
{
	return buf_printf(arg, "<%s>", line);
}

static void
lines_are_cut_at_newlines_however_they_come(void **state)
{
	static const char text[] = "one\n\ntwo\nthree";
	struct lines l;
	struct buf out;

	(void)state;
	for (size_t step = 1; step <= sizeof(text); step++) {
		buf_init(&out, 100);
		lines_init(&l, take_line, &out);
		for (size_t i = 0; i < sizeof(text) - 1; i += step) {
			size_t n = sizeof(text) - 1 - i;

			assert_int_equal(
			    lines_feed(&l,
				(struct span){ text + i, n < step ? n : step }),
			    0);
		}
		assert_string_equal(buf_str(&out), "<one><two>");
		lines_done(&l);
		buf_done(&out);
	}
}

static void
a_line_without_end_is_refused(void **state)
{
	static char block[LINES_MAX];
	struct lines l;

	(void)state;
	memset(block, 'x', sizeof(block));
	lines_init(&l, take_line, NULL);
	assert_int_equal(
	    lines_feed(&l, (struct span){ block, sizeof(block) }), 0);
	assert_int_equal(lines_feed(&l, SPAN("x")), -EMSGSIZE);
	lines_done(&l);
}

static void
event_data_is_told_from_the_rest(void **state)
{
	(void)state;
	assert_string_equal(lines_sse_data("data: {}"), "{}");
	assert_string_equal(lines_sse_data("data:{}"), "{}");
	assert_null(lines_sse_data("id: 7"));
	assert_null(lines_sse_data(":"));
	assert_null(lines_sse_data("retry: 1000"));
}

/* --- waiting -------------------------------------------------------------- */

static bool
judge(enum wait_kind kind, const char *view_text, const char *before_text,
    char *why, size_t size)
{
	json_t *view = load(view_text);
	json_t *before = before_text != NULL ? load(before_text) : NULL;
	json_t *changes = load("[{\"kind\":\"restarted\",\"service\":\"a\"}]");
	struct wait_goal goal = {
		.kind = kind,
		.before = before,
		.changes = changes,
		.replicas = 2,
	};
	bool done = wait_judge(&goal, view, why, size);

	json_decref(view);
	json_decref(before);
	json_decref(changes);
	return done;
}

static void
a_goal_is_reached_when_the_view_says_so(void **state)
{
	static const struct {
		enum wait_kind kind;
		bool done;
		const char *view;
		const char *before;
	} cases[] = {
		{ WAIT_UP, true, "{\"state\":\"ready\"}", NULL },
		{ WAIT_UP, false, "{\"state\":\"degraded\"}", NULL },
		{ WAIT_UP, false,
		    "{\"state\":\"ready\",\"instances\":[{\"pid\":5}]}",
		    "[4,5]" },
		{ WAIT_UP, true,
		    "{\"state\":\"ready\",\"instances\":[{\"pid\":6}]}",
		    "[4,5]" },
		{ WAIT_UP, false, "{\"state\":\"ready\",\"pid\":5}", "[5]" },
		{ WAIT_UP, false,
		    "{\"state\":\"ready\",\"pid\":6,\"beside\":[5]}", "[5]" },
		{ WAIT_UP, true,
		    "{\"state\":\"ready\",\"pid\":6,\"beside\":[7]}", "[5]" },
		{ WAIT_DOWN, true, "{\"state\":\"stopped\",\"pid\":null}",
		    NULL },
		{ WAIT_DOWN, false, "{\"state\":\"stopped\",\"pid\":5}", NULL },
		{ WAIT_DOWN, false, "{\"state\":\"ready\"}", NULL },
		{ WAIT_SCALED, true,
		    "{\"desired\":2,\"ready\":2,"
		    "\"instances\":[{\"pid\":1},{\"pid\":2}]}",
		    NULL },
		{ WAIT_SCALED, false,
		    "{\"desired\":2,\"ready\":2,\"instances\":[{\"pid\":1},"
		    "{\"pid\":2},{\"pid\":3}]}",
		    NULL },
		{ WAIT_RELOADED, true,
		    "{\"services\":[{\"name\":\"a\",\"state\":\"ready\","
		    "\"instances\":[{\"pid\":9}]},"
		    "{\"name\":\"b\",\"state\":\"backoff\"}]}",
		    "[5]" },
		{ WAIT_RELOADED, false,
		    "{\"services\":[{\"name\":\"a\",\"state\":\"ready\","
		    "\"instances\":[{\"pid\":5}]}]}",
		    "[5]" },
		{ WAIT_RELOADED, false,
		    "{\"services\":[{\"name\":\"a\",\"state\":\"starting\"}]}",
		    NULL },
	};
	char why[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(judge(cases[i].kind, cases[i].view,
				     cases[i].before, why, sizeof(why)),
		    cases[i].done);
}

/* What a wait for a reload comes to when a's rollout is in that phase. */
static void
a_wait_for_a_deploy_ends_with_its_verdict(void **state)
{
	static const struct {
		const char *phase;
		bool canary, done, lost;
	} cases[] = {
		{ "rolling", false, false, false },
		{ "watching", true, false, false },
		{ "held", false, false, false },
		{ "held", true, true, false },
		{ "paused", false, false, false },
		{ "reverting", false, false, false },
		{ "done", false, true, false },
		{ "rolled-back", false, false, true },
		{ "failed", true, false, true },
		{ "undone", false, false, true },
		{ "cancelled", false, false, true },
	};
	char text[256], why[256] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *changes = load(
		    "[{\"kind\":\"restarted\",\"service\":\"a\"}]");
		struct wait_goal goal = { .kind = WAIT_RELOADED,
			.changes = changes,
			.canary = cases[i].canary };
		json_t *view;

		snprintf(text, sizeof(text),
		    "{\"services\":[{\"name\":\"a\",\"state\":\"ready\","
		    "\"instances\":[{\"pid\":5}],\"rollout\":"
		    "{\"phase\":\"%s\",\"reason\":\"r\"}}]}",
		    cases[i].phase);
		view = load(text);
		assert_int_equal(
		    wait_is_lost(&goal, view, why, sizeof(why)), cases[i].lost);
		if (cases[i].lost)
			assert_non_null(strstr(why, ": r"));
		else
			assert_int_equal(
			    wait_judge(&goal, view, why, sizeof(why)),
			    cases[i].done);
		json_decref(view);
		json_decref(changes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_looks_as_the_manual_shows_it),
		cmocka_unit_test(colour_changes_nothing_but_the_colour),
		cmocka_unit_test(one_service_says_why),
		cmocka_unit_test(
		    a_registry_that_is_down_is_shown_and_unhealthy),
		cmocka_unit_test(health_is_a_matter_of_states),
		cmocka_unit_test(exits_have_words),
		cmocka_unit_test(strange_answers_are_shown_as_dashes),
		cmocka_unit_test(tables_refuse_the_terminals_controls),
		cmocka_unit_test(escapes_are_taken_out_of_text),
		cmocka_unit_test(changes_nodes_and_events_have_lines),
		cmocka_unit_test(each_failed_allocation_is_an_error),
		cmocka_unit_test(lines_are_cut_at_newlines_however_they_come),
		cmocka_unit_test(a_line_without_end_is_refused),
		cmocka_unit_test(event_data_is_told_from_the_rest),
		cmocka_unit_test(a_goal_is_reached_when_the_view_says_so),
		cmocka_unit_test(a_wait_for_a_deploy_ends_with_its_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
