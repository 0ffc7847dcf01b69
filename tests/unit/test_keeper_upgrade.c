/* SPDX-License-Identifier: ISC */

/* The keeper becomes another program, and nobody notices. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "keeper/manifest.h"
#include "keeper_world.h"

#define TIMES 10

static char drover[PATH_MAX];

static const char *
upgrade_to(struct world *w, const char *program, bool really)
{
	unsigned before = w->upgraded;

	assert_int_equal(herd_upgrade(w->herd, program, really), 0);
	UNTIL(w, w->upgraded > before);
	assert_int_equal(w->upgraded, before + 1);
	assert_int_equal(w->lost, 0);
	return w->not_upgraded;
}

static void
write_script(struct world *w, const char *name, const char *text, char *path)
{
	snprintf(path, PATH_MAX, "%s/%s", w->dir, name);
	assert_int_equal(
	    fd_replace_file(path, text, strlen(text), 0755, NULL), 0);
}

static void
program_of(pid_t pid, char *path)
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	n = readlink(link, path, PATH_MAX - 1);
	assert_true(n > 0);
	path[n] = '\0';
}

static void
on_lines(void *arg, const struct herd_line *lines, size_t n)
{
	struct world *w = arg;

	w->answered = true;
	w->answer_n = n;
	for (size_t i = 0; i < n && i < ARRAY_LEN(w->answer); i++)
		snprintf(w->answer[i], sizeof(w->answer[i]), "%.*s",
		    (int)lines[i].text.n, lines[i].text.p);
}

static void
tail(struct world *w, const char *slot)
{
	w->answered = false;
	assert_int_equal(herd_tail(w->herd, slot, 60, on_lines, w), 0);
	UNTIL(w, w->answered);
}

/* --- tests ---------------------------------------------------------------- */

static void
it_is_another_program_with_the_same_pid(void **state)
{
	struct world *w = *state;
	char before[PATH_MAX], after[PATH_MAX];

	program_of(w->keeper, before);
	assert_string_equal(upgrade_to(w, drover, true), "");
	program_of(w->keeper, after);
	assert_string_not_equal(after, before);
	assert_string_equal(after, drover);
}

/* Its first line is there, and half of the second, that ends after x. */
static uint64_t
start_half(struct world *w, int in)
{
	const char *argv[] = { "/bin/sh", "-c",
		"echo begun; printf half; read x <&3; echo \" $x\"; exit 7",
		NULL };
	struct spawn_spec spec = spec_of(w, argv);

	spec.note = "note";
	spec.note_len = 4;
	spec.nfds = 1;
	spec.missing = SPAWN_NO_NETWORK; /* as control found */
	assert_int_equal(herd_spawn(w->herd, &spec, &in), 0);
	UNTIL(w, see(w, spec.id)->spawned == 1);
	do
		tail(w, "t.0");
	while (w->answer_n < 2);
	turn(w, 50);
	return spec.id;
}

static void
children_and_all_that_is_known_of_them_stay(void **state)
{
	struct world *w = *state;
	uint64_t gone = run_script(w, "echo last words; exit 3")->id, id;
	char incarnation[33], line[8] = "";
	int in[2], held[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(held, O_CLOEXEC), 0);
	snprintf(
	    incarnation, sizeof(incarnation), "%s", herd_incarnation(w->herd));
	id = start_half(w, in[0]);
	assert_int_equal(herd_put_fd(w->herd, "held", held[1]), 0);
	close(held[1]);

	for (int i = 0; i < TIMES; i++)
		assert_string_equal(upgrade_to(w, drover, true), "");
	assert_int_equal(write(in[1], "line\n", 5), 5);
	UNTIL(w, see(w, id)->exited == 1);
	assert_int_equal(see(w, id)->exit.kind, EXIT_EXITED);
	assert_int_equal(see(w, id)->exit.code, 7);
	assert_string_equal(see(w, id)->tail, "begun\nhalf line");

	/* The next control finds everything as it was. */
	see(w, id)->missing = 0;
	hang_up(w);
	connect_herd(w);
	assert_string_equal(herd_incarnation(w->herd), incarnation);
	assert_int_equal(herd_keeper_pid(w->herd), w->keeper);
	assert_int_equal(herd_last_id(w->herd), id);
	assert_int_equal(see(w, id)->manifest, 1);
	assert_string_equal(see(w, id)->note, "note");
	assert_int_equal(see(w, id)->missing, SPAWN_NO_NETWORK);
	assert_int_equal(see(w, gone)->manifest, 1);
	assert_int_equal(see(w, gone)->exit.code, 3);
	assert_string_equal(see(w, gone)->tail, "last words");
	assert_string_equal(w->fd_name, "held");
	assert_int_equal(write(w->fd, "x", 1), 1);
	assert_int_equal(read(held[0], line, sizeof(line)), 1);
	close(held[0]);
	close(in[0]);
	close(in[1]);
}

static int
check(const char *data, size_t n, struct err *err)
{
	int fd = memfd_create("manifest", MFD_CLOEXEC), r;
	uint64_t sum;

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, n), 0);
	r = manifest_check(fd, &sum, err);
	close(fd);
	return r;
}

static void
a_manifest_is_read_whole_or_not_at_all(void **state)
{
	static char data[1 << 16];
	struct world *w = *state;
	char path[PATH_MAX], script[PATH_MAX + 32];
	struct err err;
	size_t n;

	run_script(w, "echo a line");
	start_script(w, "exec sleep 60");
	snprintf(script, sizeof(script), "#!/bin/sh\ncat >%s/copy\n", w->dir);
	write_script(w, "copier", script, path);
	upgrade_to(w, path, false);
	n = read_text(w, "copy", data, sizeof(data));
	assert_int_equal(check(data, n, &err), 0);
	for (size_t less = 0; less < n; less++)
		assert_true(check(data, less, &err) < 0);
	data[n] = 0;
	assert_true(check(data, n + 1, &err) < 0);
	assert_non_null(strstr(err.text, "behind its end"));
	data[4]++; /* its first message: of a newer version */
	assert_true(check(data, n, &err) < 0);
	assert_non_null(strstr(err.text, "a message of version 5; we read"));
	data[4] = 1;
	assert_true(check(data, n, &err) < 0);
}

static void
who_dies_meanwhile_is_heard_of(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 30; i++) {
		const struct seen *s = start_script(w, "exec sleep 60");
		uint64_t id = s->id;

		assert_int_equal(herd_upgrade(w->herd, drover, true), 0);
		/* At some moment of the trial, or of the exec. */
		turn(w, (uint64_t)i);
		kill(s->pid, SIGUSR1);
		UNTIL(w, see(w, id)->exited == 1);
		assert_int_equal(see(w, id)->exit.kind, EXIT_SIGNALLED);
		assert_int_equal(see(w, id)->exit.signal, SIGUSR1);
		UNTIL(w, w->upgraded == (unsigned)i + 1);
		assert_string_equal(w->not_upgraded, "");
	}
}

static void
orders_given_meanwhile_are_obeyed(void **state)
{
	struct world *w = *state;
	const char *const argv[] = { "/bin/true", NULL };

	for (int i = 0; i < 10; i++) {
		uint64_t first = w->id + 1;

		assert_int_equal(herd_upgrade(w->herd, drover, true), 0);
		for (int n = 0; n < 20; n++) {
			const struct spawn_spec spec = spec_of(w, argv);

			assert_int_equal(herd_spawn(w->herd, &spec, NULL), 0);
			turn(w, 2);
		}
		for (uint64_t id = first; id < first + 20; id++) {
			UNTIL(w, see(w, id)->exited == 1);
			assert_int_equal(see(w, id)->spawned, 1);
			assert_int_equal(see(w, id)->exit.code, 0);
		}
		UNTIL(w, w->upgraded == (unsigned)i + 1);
		assert_string_equal(w->not_upgraded, "");
	}
}

static void
a_flood_of_output_goes_on_without_a_gap(void **state)
{
	struct world *w = *state;
	char text[1 << 20];
	const struct seen *s;
	uint64_t id;
	size_t n;
	char *at = text;

	assert_int_equal(herd_set_logs(w->herd, w->dir, 8 << 20, 2, false), 0);
	s = start_script(w, "seq 1 100000");
	id = s->id;
	for (int i = 0; i < 5; i++)
		assert_string_equal(upgrade_to(w, drover, true), "");
	UNTIL(w, see(w, id)->exited == 1);
	n = read_text(w, "t.log", text, sizeof(text));
	assert_true(n > 0);
	/* All that fits text is there, line by line. */
	for (unsigned line = 1; (at = strstr(at, " out ")) != NULL; line++) {
		at += 5;
		if (strchr(at, '\n') == NULL)
			break;
		assert_int_equal(strtoul(at, NULL, 10), line);
		assert_true(line <= 100000);
	}
}

/* The pids that whoever comes after a kill -9 would look for. */
static unsigned
recorded(struct world *w, pid_t pid, bool *there)
{
	static char sheet[128 + 4096 * 16 + 1];
	unsigned n = 0;
	uint64_t one;

	*there = false;
	assert_true(read_text(w, "herd", sheet, sizeof(sheet)) > 128);
	for (size_t at = 128; at + 16 < sizeof(sheet); at += 16) {
		memcpy(&one, sheet + at, sizeof(one));
		n += one != 0;
		*there |= one == (uint64_t)pid;
	}
	return n;
}

static void
the_record_of_children_goes_on(void **state)
{
	struct world *w = *state;
	pid_t first = start_script(w, "exec sleep 60")->pid;
	uint64_t second = start_script(w, "exec sleep 60")->id;
	pid_t third = start_script(w, "exec sleep 60")->pid;
	bool there;

	assert_string_equal(upgrade_to(w, drover, true), "");
	kill(see(w, second)->pid, SIGKILL);
	UNTIL(w, see(w, second)->exited == 1);
	assert_int_equal(recorded(w, first, &there), 2);
	assert_true(there);
	assert_int_equal(recorded(w, third, &there), 2);
	assert_true(there);
	start_script(w, "exec sleep 60");
	assert_int_equal(recorded(w, third, &there), 3);
}

static void
a_signal_to_end_is_never_lost(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 60; i++) {
		start_script(w, "exec sleep 60");
		assert_int_equal(herd_upgrade(w->herd, drover, true), 0);
		turn(w, (uint64_t)i % 20);
		kill(w->keeper, SIGTERM);
		assert_int_equal(await_keeper(w), 0);
		hang_up(w);
		keeper_start(w);
		connect_herd(w);
	}
}

static void
a_trial_changes_nothing(void **state)
{
	struct world *w = *state;
	char before[PATH_MAX], after[PATH_MAX];

	program_of(w->keeper, before);
	assert_string_equal(upgrade_to(w, drover, false), "");
	program_of(w->keeper, after);
	assert_string_equal(after, before);
}

static void
what_cannot_read_the_manifest_is_refused(void **state)
{
	struct world *w = *state;
	const struct seen *s = start_script(w, "exec sleep 60");
	char path[PATH_MAX], before[PATH_MAX], after[PATH_MAX];

	program_of(w->keeper, before);
	assert_non_null(
	    strstr(upgrade_to(w, "/bin/true", true), "cannot read"));
	assert_non_null(
	    strstr(upgrade_to(w, "/bin/false", true), "cannot read"));
	assert_non_null(strstr(upgrade_to(w, "/bin/cat", true), "cannot read"));
	assert_string_equal(
	    upgrade_to(w, "/no/such", true), "No such file or directory");
	assert_string_equal(upgrade_to(w, "/etc", true), "Permission denied");
	assert_string_equal(
	    upgrade_to(w, "bin/drover", true), "not the path of a program");
	write_script(w, "guess", "#!/bin/sh\necho 0000000000000000\n", path);
	assert_non_null(strstr(upgrade_to(w, path, true), "cannot read"));
	write_script(w, "flood", "#!/bin/sh\nexec yes\n", path);
	assert_non_null(strstr(upgrade_to(w, path, true), "cannot read"));
	write_script(w, "late", "#!/bin/sh\nsleep 60\n", path);
	assert_non_null(strstr(upgrade_to(w, path, true), "too long"));
	program_of(w->keeper, after);
	assert_string_equal(after, before);
	assert_true(is_alive(s->pid));
	assert_int_equal(s->exited, 0);
	/* And the next good one is taken. */
	assert_string_equal(upgrade_to(w, drover, true), "");
}

static void
what_others_could_change_is_refused(void **state)
{
	static const char text[] = "others could change it";
	struct world *w = *state;
	char folder[PATH_MAX], path[PATH_MAX], link[PATH_MAX];

	snprintf(folder, sizeof(folder), "%s/folder", w->dir);
	snprintf(path, sizeof(path), "%s/folder/program", w->dir);
	snprintf(link, sizeof(link), "%s/link", w->dir);
	assert_int_equal(mkdir(folder, 0755), 0);
	assert_int_equal(symlink(path, link), 0);
	write_script(w, "folder/program", "#!/bin/sh\n", path);
	assert_non_null(strstr(upgrade_to(w, path, true), "cannot read"));
	assert_non_null(strstr(upgrade_to(w, link, true), "cannot read"));
	assert_int_equal(chmod(path, 0775), 0);
	assert_string_equal(upgrade_to(w, path, true), text);
	assert_string_equal(upgrade_to(w, link, true), text);
	assert_int_equal(chmod(path, 0757), 0);
	assert_string_equal(upgrade_to(w, path, true), text);
	assert_int_equal(chmod(path, 0755), 0);
	assert_int_equal(chmod(folder, 0777), 0);
	assert_string_equal(upgrade_to(w, path, true), text);
	assert_int_equal(chmod(folder, 01777), 0);
	assert_non_null(strstr(upgrade_to(w, path, true), "cannot read"));
	if (getuid() != 0)
		return;
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_string_equal(upgrade_to(w, path, true), text);
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(chown(folder, 65534, 65534), 0);
	assert_string_equal(upgrade_to(w, path, true), text);
}

static void
a_herd_that_is_ended_is_not_upgraded(void **state)
{
	struct world *w = *state;

	const char *const argv[] = { "sh", "-c", "trap '' TERM; sleep 60",
		NULL };
	struct spawn_spec spec = spec_of(w, argv);
	const struct seen *s;

	spec.stop_timeout_ms = 500;
	s = spawn_now(w, &spec);
	UNTIL(w, s->spawned);
	assert_int_equal(herd_shutdown(w->herd), 0);
	assert_non_null(strstr(upgrade_to(w, drover, true), "ended"));
}

static void
after_it_the_herd_ends_as_ever(void **state)
{
	struct world *w = *state;
	const struct seen *s = start_script(w, "exec sleep 60");
	pid_t pid = s->pid;

	assert_string_equal(upgrade_to(w, drover, true), "");
	kill(w->keeper, SIGTERM);
	assert_int_equal(await_keeper(w), 0);
	assert_false(is_alive(pid));
	assert_false(exists(w, "keeper.sock"));
	assert_false(exists(w, "herd"));
	keeper_start(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
		TEST(it_is_another_program_with_the_same_pid),
		TEST(children_and_all_that_is_known_of_them_stay),
		TEST(a_manifest_is_read_whole_or_not_at_all),
		TEST(who_dies_meanwhile_is_heard_of),
		TEST(orders_given_meanwhile_are_obeyed),
		TEST(a_flood_of_output_goes_on_without_a_gap),
		TEST(the_record_of_children_goes_on),
		TEST(a_signal_to_end_is_never_lost),
		TEST(a_trial_changes_nothing),
		TEST(what_cannot_read_the_manifest_is_refused),
		TEST(what_others_could_change_is_refused),
		TEST(a_herd_that_is_ended_is_not_upgraded),
		TEST(after_it_the_herd_ends_as_ever),
	};

	if (realpath("bin/drover", drover) == NULL) {
		fprintf(stderr, "no bin/drover here\n");
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
