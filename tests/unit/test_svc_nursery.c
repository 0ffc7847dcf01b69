/* SPDX-License-Identifier: ISC */

/* The test is its own nursery: main() says which of the two it is. */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "lib/nursery.h"
#include "lib/nursery_wire.h"
#include "proc/packet.h"

/* --- what children do ----------------------------------------------------- */

static bool warmed;

static void
warm(void)
{
	warmed = true;
}

/* Past what run() may do: an answer of a child that was taken over. */
static void
lie(uint64_t len, int file)
{
	struct nursery_word word = { .kind = NURSERY_ANSWER, .len = len };

	if (packet_write(3, &word, sizeof(word), &file, file >= 0) < 0)
		abort();
	_exit(0);
}

static void
tell(int fd, struct buf *out)
{
	char text[64] = "";
	struct rlimit files, core;
	int open_fds = 0;

	if (pread(fd, text, sizeof(text) - 1, 0) < 0 ||
	    getrlimit(RLIMIT_FSIZE, &files) < 0 ||
	    getrlimit(RLIMIT_CORE, &core) < 0)
		abort();
	for (int i = 0; i < 256; i++)
		open_fds += fcntl(i, F_GETFD) >= 0;
	if (buf_printf(out, "%s warm=%d fds=%d fsize=%llu core=%llu", text,
		warmed, open_fds, (unsigned long long)files.rlim_cur,
		(unsigned long long)core.rlim_max) < 0)
		abort();
}

static void
crash(void)
{
	(void)raise(SIGABRT);
}

static void
leave(void)
{
	_exit(0);
}

static void
hang(void)
{
	for (;;)
		(void)pause();
}

static void
spin(void)
{
	for (volatile unsigned i = 0;; i++)
		;
}

static void
lie_short(void)
{
	lie(100, memfd_create("x", 0));
}

static void
lie_long(void)
{
	lie((uint64_t)1 << 40, memfd_create("x", 0));
}

static void
lie_without(void)
{
	lie(0, -1);
}

static void
orphan(void)
{
	(void)kill(getppid(), SIGKILL);
	hang();
}

static void
run(struct span order, int fd, struct buf *out)
{
	static const struct {
		const char *name;
		void (*act)(void);
	} acts[] = { { "crash", crash }, { "exit", leave }, { "hang", hang },
		{ "spin", spin }, { "short", lie_short }, { "long", lie_long },
		{ "no file", lie_without }, { "orphan", orphan } };

	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (span_eq(order, span_of(acts[i].name)))
			acts[i].act();
	if (span_eq(order, SPAN("tell")))
		tell(fd, out);
	else if (order.n == SVC_ORDER_MAX && buf_puts(out, "whole") < 0)
		abort();
}

static const struct svc_nursery_work work = { warm, run };

/* --- what comes back ------------------------------------------------------ */

static struct svc_nursery *nursery;
static int input;
static char *data;

static int
setup(void **state)
{
	static const struct svc_nursery_options options = {
		.argument = "--nursery",
		.memory = (uint64_t)1 << 30,
		.cpu_s = 1,
		.out = 1000,
	};
	struct err err;

	(void)state;
	nursery = svc_nursery_new(&options, &err);
	assert_non_null(nursery);
	input = memfd_create("input", MFD_CLOEXEC);
	assert_int_equal(fd_write_all(input, "hello", 5), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	svc_nursery_free(nursery);
	fd_close(&input);
	free(data);
	data = NULL;
	return 0;
}

static int
does(struct span order, int stop)
{
	struct svc_errand e = { .order = order, .fd = input, .stop_fd = stop };
	int r = svc_nursery_run(nursery, &e);

	free(data);
	data = e.data;
	assert_true((r == 0) == (data != NULL));
	return r;
}

static void
a_child_reads_answers_and_has_nothing_else(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(does(SPAN("tell"), -1), 0);
		assert_string_equal(
		    data, "hello warm=1 fds=5 fsize=1001 core=0");
	}
}

static void
an_order_has_a_ceiling(void **state)
{
	static char order[SVC_ORDER_MAX + 1];

	(void)state;
	assert_int_equal(does((struct span){ order, SVC_ORDER_MAX }, -1), 0);
	assert_string_equal(data, "whole");
	assert_int_equal(
	    does((struct span){ order, SVC_ORDER_MAX + 1 }, -1), -EMSGSIZE);
}

static void
whatever_a_child_does_is_told(void **state)
{
	(void)state;
	assert_int_equal(does(SPAN("crash"), -1), -ECHILD);
	assert_int_equal(does(SPAN("exit"), -1), -ECHILD);
	assert_int_equal(does(SPAN("spin"), -1), -ETIME);
	assert_int_equal(does(SPAN("tell"), -1), 0);
}

static void
no_answer_is_believed(void **state)
{
	(void)state;
	assert_int_equal(does(SPAN("short"), -1), -ECHILD);
	assert_int_equal(does(SPAN("long"), -1), -EFBIG);
	assert_int_equal(does(SPAN("no file"), -1), -ECHILD);
	assert_int_equal(does(SPAN("tell"), -1), 0);
}

static void
a_stopped_errand_ends_at_once(void **state)
{
	int stop = eventfd(1, EFD_CLOEXEC);

	(void)state;
	assert_int_equal(does(SPAN("hang"), stop), -ECANCELED);
	assert_int_equal(does(SPAN("tell"), -1), 0);
	fd_close(&stop);
}

static void
a_dead_nursery_is_replaced(void **state)
{
	(void)state;
	/* Both times: what kills two of them is not tried a third time. */
	assert_int_equal(does(SPAN("orphan"), -1), -ECHILD);
	assert_int_equal(does(SPAN("tell"), -1), 0);
	assert_string_equal(data, "hello warm=1 fds=5 fsize=1001 core=0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		TEST(a_child_reads_answers_and_has_nothing_else),
		TEST(an_order_has_a_ceiling),
		TEST(whatever_a_child_does_is_told),
		TEST(no_answer_is_believed),
		TEST(a_stopped_errand_ends_at_once),
		TEST(a_dead_nursery_is_replaced),
	};

	if (argc == 2 && strcmp(argv[1], "--nursery") == 0)
		return svc_nursery_main(&work);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
