/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "keeper/logfile.h"

static char dir[64];
static struct logs logs;
static struct logfile *file;
static struct rlimit was;

static const char *
in_dir(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_logfile.XXXXXX");
	assert_non_null(mkdtemp(dir));
	logs_init(&logs);
	file = logfile_ref(&logs, "t");
	assert_non_null(file);
	return getrlimit(RLIMIT_FSIZE, &was);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
teardown(void **state)
{
	(void)state;
	setrlimit(RLIMIT_FSIZE, &was);
	logfile_unref(file);
	logs_done(&logs);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
write_line(const char *text)
{
	const struct keeper_line line = { .at_ms = 86400000,
		.text = { text, strlen(text) } };

	logfile_line(file, "t.0", &line);
	logfile_flush(file);
}

static size_t
count_lines(const char *name, const char *word)
{
	size_t n = 0;
	struct span rest, line;
	struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(fd_read_file(in_dir(name), &b), 0);
	rest = buf_span(&b);
	while (span_next(&rest, '\n', &line))
		n += memmem(line.p, line.n, word, strlen(word)) != NULL;
	buf_done(&b);
	return n;
}

static void
a_full_disk_costs_lines_and_says_so(void **state)
{
	const struct rlimit full = { 100, was.rlim_max };
	struct stat st;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(logs_set(&logs, dir, 0, 0, false), 0);
	write_line("first");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	for (int i = 0; i < 10; i++)
		write_line("a line that does not always fit");
	assert_true(logs.dropped >= 8);
	assert_int_equal(stat(in_dir("t.log"), &st), 0);
	assert_true(st.st_size <= 100);
	/* Nothing was cut in the middle. */
	assert_int_equal(count_lines("t.log", "fit") + logs.dropped, 10);
	assert_int_equal(count_lines("t.log", "always") + logs.dropped, 10);

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	write_line("last");
	assert_int_equal(count_lines("t.log", "err drover: lost "), 1);
	assert_int_equal(count_lines("t.log", "t.0 out last"), 1);
	write_line("and on");
	assert_int_equal(count_lines("t.log", "lost "), 1);
}

static void
a_fifo_or_a_link_in_its_place_does_not_hold_us(void **state)
{
	(void)state;
	assert_int_equal(logs_set(&logs, dir, 0, 0, false), 0);
	assert_int_equal(mkfifo(in_dir("t.log"), 0600), 0);
	write_line("one");
	assert_int_equal(logs.dropped, 1);
	assert_int_equal(unlink(in_dir("t.log")), 0);
	assert_int_equal(symlink("/dev/full", in_dir("t.log")), 0);
	write_line("two");
	assert_int_equal(logs.dropped, 2);
	assert_int_equal(unlink(in_dir("t.log")), 0);
	write_line("three");
	assert_int_equal(count_lines("t.log", "lost 2 lines"), 1);
	assert_int_equal(count_lines("t.log", "three"), 1);
}

static void
without_old_files_a_file_begins_anew(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(logs_set(&logs, dir, 200, 0, false), 0);
	for (int i = 0; i < 100; i++)
		write_line("some words");
	assert_int_equal(stat(in_dir("t.log"), &st), 0);
	assert_true(st.st_size <= 200);
	assert_int_equal(access(in_dir("t.log.1"), F_OK), -1);
	assert_int_equal(logs.dropped, 0);
}

static void
a_folder_can_change_under_way(void **state)
{
	char other[160];

	(void)state;
	assert_int_equal(logs_set(&logs, dir, 0, 0, false), 0);
	write_line("here");
	snprintf(other, sizeof(other), "%s/other/place", dir);
	assert_int_equal(logs_set(&logs, other, 0, 0, false), 0);
	write_line("there");
	assert_int_equal(count_lines("t.log", "out"), 1);
	assert_int_equal(count_lines("other/place/t.log", "there"), 1);
	assert_int_equal(logs_set(&logs, NULL, 0, 0, false), 0);
	write_line("nowhere");
	assert_int_equal(count_lines("other/place/t.log", "out"), 1);
	assert_int_equal(logs.dropped, 0);
}

static int
open_journal(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/journal", dir);
	unlink(sun.sun_path);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static void
the_journal_gets_fields(void **state)
{
	char text[512], path[160];
	ssize_t n;
	int fd = open_journal();

	(void)state;
	snprintf(path, sizeof(path), "%s/journal", dir);
	logs.journal_path = path;
	close(fd);
	unlink(path); /* it comes up after us */
	assert_int_equal(logs_set(&logs, NULL, 0, 0, true), -ENOENT);
	write_line("lost");
	assert_int_equal(logs.dropped, 1);
	fd = open_journal();
	write_line("lost too");
	logs.dropped = 0;
	assert_int_equal(logs_set(&logs, NULL, 0, 0, true), 0);
	write_line("hello = world");
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text,
	    "SYSLOG_IDENTIFIER=t\nDROVER_INSTANCE=t.0\n"
	    "PRIORITY=6\nMESSAGE=hello = world\n");

	/* One that does not read is not waited for. */
	for (int i = 0; i < 100000 && logs.dropped == 0; i++)
		write_line("flood");
	assert_true(logs.dropped > 0);
	/* One that was restarted is found again. */
	close(fd);
	fd = open_journal();
	write_line("lost");
	write_line("heard");
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "MESSAGE=heard"));
	close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_full_disk_costs_lines_and_says_so),
		T(a_fifo_or_a_link_in_its_place_does_not_hold_us),
		T(without_old_files_a_file_begins_anew),
		T(a_folder_can_change_under_way),
		T(the_journal_gets_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
