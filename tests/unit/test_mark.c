/* SPDX-License-Identifier: ISC */

/*
 * Whoever is in the middle of an exec has no environment: for a moment nobody
 * can tell what mark it carries. These tests look at processes that do nothing
 * but exec themselves.
 */

#define _GNU_SOURCE

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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "base/rand.h"
#include "proc/process.h"
#include "proc/record.h"

#define SELF "/proc/self/exe"
#define RESTLESS "restless" /* argv[1] of such a process */
#define STRAYS 16
#define LOOKS 5000

static char dir[64], path[80];
static char incarnation[33], successor[33]; /* no other run has them */
static char mark[64];

static char many[32768];

static int
setup(void **state)
{
	(void)state;
	memset(many, 'x', sizeof(many) - 1);
	snprintf(dir, sizeof(dir), "/tmp/test_mark.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/herd", dir);
	rand_hex(incarnation, 16);
	rand_hex(successor, 16);
	snprintf(mark, sizeof(mark), "%s.1", incarnation);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

/* In a session of its own, with the mark. */
static pid_t
start_restless(void)
{
	static char name[] = "test_mark", restless[] = RESTLESS;
	char *argv[] = { name, restless, NULL };
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	setsid();
	setenv("LONG", many, 1); /* it is read in many pieces */
	setenv(RECORD_MARK, mark, 1);
	alarm(60); /* whatever becomes of the test */
	execv(SELF, argv);
	_exit(127);
}

/* Until its first exec is done. */
static void
await_mark(pid_t pid)
{
	char value[64];

	while (process_getenv(pid, RECORD_MARK, value, sizeof(value)) != 0)
		usleep(1000);
}

static void
an_exec_is_no_lack_of_an_environment(void **state)
{
	char value[64];
	unsigned told = 0;
	pid_t pid = start_restless();

	(void)state;
	assert_true(pid > 0);
	await_mark(pid);
	for (int i = 0; i < LOOKS; i++) {
		int r = process_getenv(pid, RECORD_MARK, value, sizeof(value));

		assert_true(r == 0 || r == -EAGAIN);
		told += r == 0;
		if (r == 0)
			assert_string_equal(value, mark);
	}
	assert_true(told > 0);
	kill(pid, SIGKILL);
	while (process_start_time(pid) != 0)
		usleep(1000);
	/* A zombie has none, and will have none. */
	assert_int_equal(
	    process_getenv(pid, RECORD_MARK, value, sizeof(value)), -ESRCH);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
an_empty_environment_is_told_as_such(void **state)
{
	char value[8192];
	pid_t pid = fork();
	int r;

	(void)state;
	if (pid == 0) {
		execle("/bin/sleep", "sleep", "60", NULL, (char *[]){ NULL });
		_exit(127);
	}
	do /* till its exec it has ours */
		r = process_getenv(pid, "PATH", value, sizeof(value));
	while (r == 0 || r == -EAGAIN);
	assert_int_equal(r, -ENOENT);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Its children are nobody's, and each holds `held` as long as it lives. */
static void
be_owner_and_die(int held)
{
	struct record *r;

	if (dup(held) < 0 || record_open(&r, path, incarnation, NULL, NULL) < 0)
		_exit(1);
	for (int i = 0; i < STRAYS; i++)
		await_mark(start_restless());
	kill(getpid(), SIGKILL);
}

static void
restless_strays_do_not_escape_the_next_owner(void **state)
{
	struct pollfd gone;
	struct record *r;
	unsigned killed = 0;
	int ends[2];
	pid_t owner;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	owner = fork();
	if (owner == 0)
		be_owner_and_die(ends[1]);
	close(ends[1]);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	gone = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	assert_int_equal(poll(&gone, 1, 0), 0); /* they run */
	assert_int_equal(record_open(&r, path, successor, &killed, NULL), 0);
	assert_true(killed > 0);
	assert_int_equal(poll(&gone, 1, 1000), 1);
	assert_true((gone.revents & POLLHUP) != 0);
	close(ends[0]);
	record_close(r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		T(an_exec_is_no_lack_of_an_environment),
		T(an_empty_environment_is_told_as_such),
		T(restless_strays_do_not_escape_the_next_owner),
	};

	if (argc > 1 && strcmp(argv[1], RESTLESS) == 0) {
		execv(SELF, argv);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
