/* SPDX-License-Identifier: ISC */

/* Who comes to control.sock: workers, and who is none. */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/fd.h"
#include "control/strangers.h"
#include "control_world.h"
#include "fake_herd.h"
#include "link/worker_msg.h"
#include "proc/packet.h"

static int
call(const struct world *w)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(
	    AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/control.sock", w->runtime);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* POLLHUP within ms of somebody that says hello at control.sock. */
static bool
is_hung_up_on(struct world *w, int fd, unsigned ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	run_for(w, ms);
	return poll(&p, 1, 0) > 0 && (p.revents & POLLHUP);
}

static void
say(int fd, const struct worker_msg *m)
{
	assert_int_equal(worker_msg_send(fd, m, NULL, 0), 0);
}

static void
say_hello(int fd, uint32_t version)
{
	const struct worker_msg m = {
		.type = WORKER_HELLO, .version = version, .pid = getpid()
	};

	say(fd, &m);
}

/* All that control said, its descriptors closed; how many messages. */
static unsigned
hear(int fd)
{
	struct worker_msg m;
	int fds[WORKER_MSG_FDS];
	unsigned n = 0, nfds = 0;
	struct err err;

	while (worker_msg_recv(fd, &m, fds, &nfds, &err) > 0) {
		n++;
		while (nfds > 0)
			fd_close(&fds[--nfds]);
	}
	return n;
}

static unsigned
open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static const char *
refused(struct world *w)
{
	static char text[320];
	json_t *status = control_status(w->c);
	const char *why = json_string_value(json_object_get(
	    json_array_get(json_object_get(status, "workers"), 0), "refused"));

	snprintf(text, sizeof(text), "%s", why == NULL ? "" : why);
	json_decref(status);
	return text;
}

static void
a_hello_before_the_keepers_word_waits_for_it(void **state)
{
	struct world *w = world_new("", NULL);
	int fd;

	(void)state;
	fake.silent = true;
	attach(w);
	fd = call(w);
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	assert_false(is_hung_up_on(w, fd, 50));
	fake.silent = false; /* and we are not who was spawned */
	assert_true(is_hung_up_on(w, fd, 50));
	close(fd);
	world_free(w);
}

static void
who_is_no_worker_is_hung_up_on_at_once(void **state)
{
	struct world *w = world_new("", NULL);
	unsigned before;

	(void)state;
	attach(w);
	run_for(w, 20);
	before = open_descriptors();
	for (unsigned i = 0; i < 3 * STRANGERS_MAX; i++) {
		int fd = call(w); /* and it says nothing */

		if (i % 8 == 7)
			assert_true(is_hung_up_on(w, fd, 5));
		close(fd);
	}
	run_for(w, 20);
	assert_int_equal(open_descriptors(), before);
	world_free(w);
}

/* While one is awaited anybody may be it: the oldest makes room. */
static void
who_is_silent_keeps_no_worker_out(void **state)
{
	struct world *w = world_new("", NULL);
	int silent[2 * STRANGERS_MAX], fd;

	(void)state;
	fake.silent = true;
	fake.pid = getpid();
	attach(w);
	for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
		silent[i] = call(w);
		if (i % 8 == 7) /* as many as may wait to be accepted */
			run_for(w, 5);
	}
	assert_true(is_hung_up_on(w, silent[0], 20));
	assert_false(is_hung_up_on(w, silent[ARRAY_LEN(silent) - 1], 20));
	fd = call(w);
	say_hello(fd, WORKER_MSG_VERSION);
	run_for(w, 20);
	fake.silent = false;
	run_for(w, 50);
	assert_true(hear(fd) >= 3); /* welcome, records, ... snapshot */
	for (size_t i = 0; i < ARRAY_LEN(silent); i++)
		close(silent[i]);
	close(fd);
	world_free(w);
}

static void
garbage_and_a_newer_hello_are_hung_up_on(void **state)
{
	static const char *const garbage[] = { "garbage!", "\0\0\0\0\0\0\0",
		"GET / HTTP/1.1\r\n\r\n" };
	struct world *w = world_new("", NULL);
	unsigned before;
	int fd, passed[3] = { 0, 1, 2 };

	(void)state;
	fake.pid = getpid();
	attach(w);
	run_for(w, 20);
	before = open_descriptors();
	for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
		fd = call(w);
		assert_true(send(fd, garbage[i], 8, 0) > 0);
		assert_true(is_hung_up_on(w, fd, 20));
		close(fd);
	}
	fd = call(w);
	say_hello(fd, WORKER_MSG_VERSION + 1);
	assert_true(is_hung_up_on(w, fd, 20));
	close(fd);
	fd = call(w); /* another's index */
	say(fd,
	    &(struct worker_msg){ .type = WORKER_HELLO,
		.version = WORKER_MSG_VERSION,
		.index = 60 });
	assert_true(is_hung_up_on(w, fd, 20));
	close(fd);
	fd = call(w); /* with descriptors that nobody wants */
	assert_int_equal(packet_write(fd, "garbage!", 8, passed, 3), 0);
	assert_true(is_hung_up_on(w, fd, 20));
	close(fd);
	fd = call(w); /* what only control may say, and that wants one */
	assert_int_equal(worker_msg_send(fd,
			     &(struct worker_msg){ .type = WORKER_WELCOME,
				 .version = WORKER_MSG_VERSION },
			     passed, 1),
	    0);
	assert_true(is_hung_up_on(w, fd, 20));
	close(fd);
	run_for(w, 20);
	assert_int_equal(open_descriptors(), before);
	world_free(w);
}

static void
a_refused_snapshot_stands_in_the_status(void **state)
{
	struct world *w = world_new("", NULL);
	int fd;

	(void)state;
	fake.pid = getpid();
	attach(w);
	run_for(w, 20);
	fd = call(w);
	say_hello(fd, WORKER_MSG_VERSION);
	run_for(w, 20);
	assert_true(hear(fd) >= 3);
	assert_string_equal(refused(w), "");
	say(fd,
	    &(struct worker_msg){ .type = WORKER_REFUSED,
		.generation = 7,
		.text = "snapshot of version 9" });
	run_for(w, 20);
	assert_string_equal(refused(w), "generation 7: snapshot of version 9");
	say(fd, &(struct worker_msg){ .type = WORKER_ACK, .generation = 8 });
	run_for(w, 20);
	assert_string_equal(refused(w), "");
	say_hello(fd, WORKER_MSG_VERSION); /* which nobody says twice */
	assert_true(is_hung_up_on(w, fd, 20));
	close(fd);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_before_the_keepers_word_waits_for_it),
		cmocka_unit_test(who_is_no_worker_is_hung_up_on_at_once),
		cmocka_unit_test(who_is_silent_keeps_no_worker_out),
		cmocka_unit_test(garbage_and_a_newer_hello_are_hung_up_on),
		cmocka_unit_test(a_refused_snapshot_stands_in_the_status),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
