/* SPDX-License-Identifier: ISC */

/* Streams and rings without a keeper: what a turn of the loop may cost. */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"
#include "keeper/output.h"

static struct loop *loop;
static struct output output;
static struct slot *slot;
static struct logfile *file;
static size_t told; /* bytes of followed lines */

static void
on_followed(void *arg, const char *name, struct span lines)
{
	struct keeper_line line;

	(void)arg;
	assert_string_equal(name, "t.0");
	assert_true(lines.n <= KEEPER_MSG_MAX - 256);
	while (keeper_line_next(&lines, &line) > 0)
		told += line.text.n;
	assert_int_equal(lines.n, 0);
}

static int
setup(void **state)
{
	(void)state;
	told = 0;
	loop = loop_new(NULL);
	assert_non_null(loop);
	output_init(&output, loop, on_followed, NULL);
	slot = slot_ref(&output, "t.0");
	file = logfile_ref(&output.logs, "t");
	assert_true(slot != NULL && file != NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	slot_unref(slot);
	logfile_unref(file);
	output_done(&output);
	loop_free(loop);
	return 0;
}

static void
turn(void)
{
	event_base_loop(loop_base(loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static int
unread(int fd)
{
	int n;

	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return n;
}

static void
a_turn_reads_a_piece_of_each_stream(void **state)
{
	static char text[256 << 10];
	struct stream streams[2];
	int fds[2][2];

	(void)state;
	memset(text, '\n', sizeof(text));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pipe2(fds[i], O_CLOEXEC), 0);
		assert_true(fcntl(fds[i][1], F_SETPIPE_SZ, sizeof(text)) > 0);
		assert_int_equal(
		    write(fds[i][1], text, sizeof(text)), sizeof(text));
		assert_int_equal(
		    stream_init(&streams[i], fds[i][0], slot, file, i == 1), 0);
	}
	turn();
	for (int i = 0; i < 2; i++)
		assert_int_equal(unread(fds[i][0]), sizeof(text) - (16u << 10));
	/* At an exit a pipe's worth is read, and no more. */
	stream_drain(&streams[0]);
	assert_int_equal(
	    unread(fds[0][0]), sizeof(text) - (16u << 10) - (128u << 10));
	for (int i = 0; i < 2; i++) {
		stream_done(&streams[i]);
		stream_done(&streams[i]);
		close(fds[i][1]);
	}
}

static void
followed_lines_come_whole_and_in_messages_that_fit(void **state)
{
	static char text[60000];
	struct stream s;
	int fds[2];

	(void)state;
	/* The worst there is: lines of one byte, heads of eleven. */
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '\n' : 'x';
	output_follow(&output, "t.0", true);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(stream_init(&s, fds[0], slot, file, false), 0);
	assert_int_equal(write(fds[1], text, sizeof(text)), sizeof(text));
	close(fds[1]);
	while (s.fd >= 0)
		turn();
	assert_int_equal(told, sizeof(text) / 2);
	output_unfollow(&output);
	assert_false(slot->followed);
	stream_done(&s);
}

static void
rings_of_the_gone_are_kept_up_to_a_number(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < OUTPUT_IDLE_SLOTS + 50; i++) {
		snprintf(name, sizeof(name), "idle.%u", i);
		slot_unref(slot_ref(&output, name));
	}
	assert_int_equal(output.nidle, OUTPUT_IDLE_SLOTS);
	assert_null(slot_find(&output, "idle.0"));
	assert_non_null(slot_find(&output, name));
	assert_non_null(slot_find(&output, "t.0")); /* it is in use */
}

static void
without_memory_lines_are_lost_and_nothing_else(void **state)
{
	static char text[20000];
	struct stream s;
	int fds[2];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 100 == 99 ? '\n' : 'x';
	ALLOC_FAIL_EACH({
		assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
		if (stream_init(&s, fds[0], slot, file, false) == 0) {
			assert_int_equal(
			    write(fds[1], text, sizeof(text)), sizeof(text));
			close(fds[1]);
			for (int i = 0; i < 10 && s.fd >= 0; i++)
				stream_drain(&s);
			stream_done(&s);
		} else
			close(fds[1]);
		assert_true(slot->len <= OUTPUT_RING);
	});
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_turn_reads_a_piece_of_each_stream),
		T(followed_lines_come_whole_and_in_messages_that_fit),
		T(rings_of_the_gone_are_kept_up_to_a_number),
		T(without_memory_lines_are_lost_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
