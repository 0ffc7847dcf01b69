/* SPDX-License-Identifier: ISC */

/* The keeper alone: output, and the end of the herd. */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "keeper_world.h"

/* --- output --------------------------------------------------------------- */

static void
on_tail(void *arg, const struct herd_line *lines, size_t n)
{
	struct world *w = arg;

	w->answered = true;
	w->answer_n = n;
	w->answer_bytes = 0;
	for (size_t i = 0; i < n; i++) {
		size_t at = i % ARRAY_LEN(w->answer);
		size_t len = lines[i].text.n < 63 ? lines[i].text.n : 63;

		memcpy(w->answer[at], lines[i].text.p, len);
		w->answer[at][len] = '\0';
		w->answer_bytes += lines[i].text.n;
		assert_true(lines[i].at_wall_ms > clock_wall_ms() - 60000);
	}
}

static void
tail(struct world *w, const char *slot, unsigned lines)
{
	w->answered = false;
	assert_int_equal(herd_tail(w->herd, slot, lines, on_tail, w), 0);
	assert_false(w->answered);
	UNTIL(w, w->answered);
}

static const char *
last_answer(const struct world *w)
{
	return w->answer[(w->answer_n - 1) % ARRAY_LEN(w->answer)];
}

static void
a_tail_has_the_last_lines(void **state)
{
	struct world *w = *state;

	run_script(w, "seq 1 5; printf unfinished");
	tail(w, "t.0", 3);
	assert_int_equal(w->answer_n, 3);
	assert_string_equal(w->answer[0], "4");
	assert_string_equal(w->answer[1], "5");
	assert_string_equal(w->answer[2], "unfinished");
	tail(w, "t.0", 100);
	assert_int_equal(w->answer_n, 6);
	tail(w, "t.0", 0);
	assert_int_equal(w->answer_n, 0);
	tail(w, "nobody.0", 10);
	assert_int_equal(w->answer_n, 0);
}

static void
a_cancelled_tail_is_not_answered(void **state)
{
	struct world *w = *state;

	run_script(w, "echo one");
	w->answered = false;
	assert_int_equal(herd_tail(w->herd, "t.0", 1, on_tail, w), 0);
	herd_tail_cancel(w->herd, w);
	run_script(w, "true");
	assert_false(w->answered);
}

static void
a_ring_keeps_the_newest_sixteen_kib(void **state)
{
	struct world *w = *state;

	run_script(w, "seq 100001 200000");
	tail(w, "t.0", 1000000);
	assert_string_equal(last_answer(w), "200000");
	assert_true(w->answer_n * (6 + KEEPER_LINE_HEAD) <= 16384);
	assert_true(w->answer_n * (6 + KEEPER_LINE_HEAD) >= 8192 - 32);
}

static void
a_ring_outlives_its_child(void **state)
{
	struct world *w = *state;
	const struct seen *s = run_script(w, "echo first");

	assert_int_equal(herd_forget(w->herd, s->id), 0);
	run_script(w, "echo second");
	tail(w, "t.0", 10);
	assert_int_equal(w->answer_n, 2);
	assert_string_equal(w->answer[0], "first");
	assert_string_equal(w->answer[1], "second");
	assert_string_equal(see(w, s->id + 1)->tail, "second");
}

static void
long_lines_are_cut(void **state)
{
	struct world *w = *state;

	assert_int_equal(herd_follow(w->herd, "t.0", true), 0);
	run_script(w,
	    "head -c 100000 /dev/zero | tr '\\0' x; sleep 0.1; "
	    "echo more; echo next");
	assert_int_equal(w->lines, 2);
	assert_string_equal(w->last_line, "next");
	tail(w, "t.0", 10);
	assert_int_equal(w->answer_n, 2);
	assert_int_equal(w->answer_bytes, 4096 + 4);
}

static void
a_line_in_pieces_is_one_line(void **state)
{
	struct world *w = *state;

	run_script(w,
	    "printf a; sleep 0.05; printf b; sleep 0.05; echo c;"
	    "echo; printf '\\0d'; sleep 0.05; echo");
	tail(w, "t.0", 10);
	assert_int_equal(w->answer_n, 3);
	assert_string_equal(w->answer[0], "abc");
	assert_string_equal(w->answer[1], "");
	assert_memory_equal(w->answer[2], "\0d", 3);
}

static void
following_is_counted(void **state)
{
	struct world *w = *state;

	run_script(w, "echo unheard");
	assert_int_equal(w->lines, 0);
	assert_int_equal(herd_follow(w->herd, "t.0", true), 0);
	assert_int_equal(herd_follow(w->herd, "t.0", true), 0);
	assert_int_equal(herd_follow(w->herd, "t.0", false), 0);
	run_script(w, "echo heard >&2");
	assert_int_equal(w->lines, 1);
	assert_string_equal(w->last_line, "heard");
	assert_int_equal(herd_follow(w->herd, "t.0", false), 0);
	run_script(w, "echo unheard");
	assert_int_equal(w->lines, 1);
}

static void
lines_go_to_a_file(void **state)
{
	struct world *w = *state;
	char folder[128], text[512], hour[8], stream[8], slot[16], word[16];
	int year;

	snprintf(folder, sizeof(folder), "%s/log/deep", w->dir);
	assert_int_equal(herd_set_logs(w->herd, folder, 1 << 20, 2, false), 0);
	run_script(w, "echo one");
	run_script(w, "echo two >&2");
	read_text(w, "log/deep/t.log", text, sizeof(text));
	assert_int_equal(sscanf(text, "%d-%*d-%*dT%7[0-9:]%*[^ ] %15s %7s %15s",
			     &year, hour, slot, stream, word),
	    5);
	assert_true(year >= 2024);
	assert_string_equal(slot, "t.0");
	assert_string_equal(stream, "out");
	assert_string_equal(word, "one");
	assert_non_null(strstr(text, "Z t.0 err two\n"));
	assert_int_equal(strstr(text, " t.0")[-1], 'Z');
	assert_int_equal(strstr(text, " t.0") - text, 24);
}

static void
files_are_rotated_and_bounded(void **state)
{
	struct world *w = *state;
	char folder[128], text[65536];
	size_t n[3];

	snprintf(folder, sizeof(folder), "%s/log", w->dir);
	assert_int_equal(herd_set_logs(w->herd, folder, 40000, 2, false), 0);
	run_script(w, "seq 100001 110000");
	assert_false(exists(w, "log/t.log.3"));
	n[2] = read_text(w, "log/t.log.2", text, sizeof(text));
	n[1] = read_text(w, "log/t.log.1", text, sizeof(text));
	n[0] = read_text(w, "log/t.log", text, sizeof(text));
	for (size_t i = 0; i < 3; i++)
		assert_true(n[i] > 0 && n[i] <= 40000);
	assert_non_null(strstr(text, " t.0 out 110000\n"));
	assert_int_equal(text[n[0] - 1], '\n');
}

/* --- the end of the herd -------------------------------------------------- */

static void
start_ranked(struct world *w, const char *slot, unsigned rank)
{
	char script[256];
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct spawn_spec spec = spec_of(w, argv);
	const struct seen *s;

	snprintf(script, sizeof(script),
	    "trap 'sleep 0.1; echo %s >> order; exit 0' USR2; echo up;"
	    "while :; do sleep 0.01; done",
	    slot);
	spec.slot = slot;
	spec.rank = (uint8_t)rank;
	spec.stop_signal = SIGUSR2;
	assert_int_equal(herd_follow(w->herd, slot, true), 0);
	w->lines = 0;
	s = spawn_now(w, &spec);
	UNTIL(w, s->spawned && w->lines == 1);
}

static void
the_herd_ends_by_rank(void **state)
{
	struct world *w = *state;
	char text[128];

	start_ranked(w, "redis.0", SPAWN_REDIS);
	start_ranked(w, "deep.0", SPAWN_INSTANCE + 2);
	start_ranked(w, "base.0", SPAWN_INSTANCE);
	start_ranked(w, "proxy.0", SPAWN_WORKER);
	start_ranked(w, "top.0", 254);
	hang_up(w); /* it does so by itself */
	kill(w->keeper, SIGTERM);
	assert_int_equal(await_keeper(w), 0);
	read_text(w, "order", text, sizeof(text));
	assert_string_equal(text, "proxy.0\ntop.0\ndeep.0\nbase.0\nredis.0\n");
	assert_false(exists(w, "keeper.sock"));
	assert_false(exists(w, "herd"));
}

static void
the_stubborn_are_killed_in_their_time(void **state)
{
	struct world *w = *state;
	const char *const argv[] = { "sh", "-c",
		"trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > member;"
		"while :; do sleep 1; done' & while :; do sleep 1; done",
		NULL };
	struct spawn_spec spec = spec_of(w, argv);
	uint64_t began;
	pid_t pid, member = 0;
	const struct seen *s;

	spec.stop_timeout_ms = 300;
	s = spawn_now(w, &spec);
	UNTIL(w, (member = pid_in(w, "member")) > 0);
	pid = s->pid;
	began = clock_ms();
	assert_int_equal(herd_shutdown(w->herd), 0);
	assert_int_equal(await_keeper(w), 0);
	assert_in_range(clock_ms() - began, 290, 3000);
	assert_false(is_alive(pid) || is_alive(member));
	assert_int_equal(w->lost, 1);
}

static void
nothing_starts_in_an_ending_herd(void **state)
{
	struct world *w = *state;
	static const char *const argv[] = { "true", NULL };
	struct spawn_spec spec;
	const struct seen *s;

	start_script(w,
	    "trap 'sleep 0.3; exit 0' TERM;"
	    "while :; do sleep 0.01; done");
	turn(w, 50);
	assert_int_equal(herd_shutdown(w->herd), 0);
	spec = spec_of(w, argv);
	s = spawn_now(w, &spec);
	UNTIL(w, s->failed);
	assert_int_equal(s->error, -ESHUTDOWN);
	assert_string_equal(s->stage, "stopping");
	assert_int_equal(await_keeper(w), 0);
}

static void
orphans_end_with_the_herd(void **state)
{
	struct world *w = *state;
	pid_t orphan = 0, its_own = 0;

	start_script(w,
	    "(setsid sh -c 'trap \"\" TERM; echo $$ > orphan;"
	    "setsid sh -c \"echo \\$\\$ > own; exec sleep 1000\" &"
	    "while :; do sleep 1; done' &); exec sleep 1000");
	UNTIL(w,
	    (orphan = pid_in(w, "orphan")) > 0 &&
		(its_own = pid_in(w, "own")) > 0);
	kill(w->keeper, SIGTERM);
	assert_int_equal(await_keeper(w), 0);
	assert_false(is_alive(orphan) || is_alive(its_own));
}

/* A daemon that only execs itself: now and then it has no environment. */
static void
a_restless_daemon_lives_as_long_as_its_service(void **state)
{
	struct world *w = *state;
	const struct seen *s;
	pid_t daemon = 0;

	s = start_script(w,
	    "export again='exec sh -c \"$again\"';"
	    "(setsid sh -c 'echo $$ > restless; eval \"$again\"' &);"
	    "exec sleep 1000");
	UNTIL(w, (daemon = pid_in(w, "restless")) > 0);
	/* Whenever a child is reaped, the orphans are looked at. */
	for (int i = 0; i < 150; i++) {
		run_script(w, "exit 0");
		assert_true(is_alive(daemon));
	}
	kill(s->pid, SIGKILL);
	UNTIL(w, !is_alive(daemon));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_tail_has_the_last_lines),
		T(a_cancelled_tail_is_not_answered),
		T(a_ring_keeps_the_newest_sixteen_kib),
		T(a_ring_outlives_its_child),
		T(long_lines_are_cut),
		T(a_line_in_pieces_is_one_line),
		T(following_is_counted),
		T(lines_go_to_a_file),
		T(files_are_rotated_and_bounded),
		T(the_herd_ends_by_rank),
		T(the_stubborn_are_killed_in_their_time),
		T(nothing_starts_in_an_ending_herd),
		T(orphans_end_with_the_herd),
		T(a_restless_daemon_lives_as_long_as_its_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
