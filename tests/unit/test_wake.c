/* SPDX-License-Identifier: ISC */

/* A request for a service at zero: it waits, and control is told. */

#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "link/worker_msg.h"
#include "proxy/endpoint.h"
#include "proxy/exchange.h"
#include "proxy/service.h"
#include "proxy/table.h"
#include "proxy_world.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

static int control; /* our end of the worker's control.sock */

static void
no_io(void *arg, unsigned what)
{
	(void)arg;
	(void)what;
}

static void
connect_control(struct world *t, uint32_t version)
{
	struct orders *o = &t->w->orders;
	int sv[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, sv), 0);
	loop_timer_disarm(&o->retry);
	o->fd = sv[0];
	o->speaks = version;
	loop_io_init(&o->io, t->w->loop, sv[0], no_io, o);
	control = sv[1];
}

/* How often it said WAKE since the last call; of this cell, and nothing else */
static unsigned
told(uint32_t cell)
{
	unsigned n = 0;

	for (;;) {
		struct worker_msg m;
		int fds[WORKER_MSG_FDS];
		unsigned nfds;
		struct err err;

		if (worker_msg_recv(control, &m, fds, &nfds, &err) != 1)
			return n;
		assert_int_equal(m.type, WORKER_WAKE);
		assert_int_equal(m.cell, cell);
		n++;
	}
}

static int
setup(void **state)
{
	control = -1;
	return world_setup(state);
}

static int
teardown(void **state)
{
	fd_close(&control);
	return world_teardown(state);
}

/* At zero, on its way up, or there. */
enum at { AT_ZERO, AT_START, AT_WORK };

static void
publish(struct world *t, enum at at)
{
	const struct snapshot_endpoint web = {
		.name = "web.0", .address = t->web.address, .weight = 100
	};
	const struct snapshot_service service = { .name = "web",
		.queue = 2,
		.queue_timeout_ms = 50,
		.start_wait_ms = 400,
		.flags = at == AT_WORK ? 0 : SNAPSHOT_SERVICE_STARTING,
		.wake = at == AT_ZERO,
		.endpoints = &web,
		.nendpoints = at == AT_WORK };
	const struct snapshot_route route = { .path = "/" };
	const struct snapshot s = { .services = &service,
		.nservices = 1,
		.routes = &route,
		.nroutes = 1 };

	assert_int_equal(world_publish(t, &s), 0);
}

static uint32_t
cell(const struct world *t)
{
	return t->w->table->services[0]->conf.cell;
}

static void
the_first_that_waits_is_told_once_and_all_are_answered(void **state)
{
	struct world *t = *state;
	struct world_client a = { 0 }, b = { 0 };

	connect_control(t, WORKER_MSG_VERSION);
	publish(t, AT_ZERO);
	assert_int_equal(told(cell(t)), 0); /* nobody waits */
	world_begin(t, &a, GET);
	world_begin(t, &b, GET);
	assert_int_equal(told(cell(t)), 1);
	publish(t, AT_START);
	assert_int_equal(told(cell(t)), 0);
	assert_int_equal(a.n + b.n, 0);
	publish(t, AT_WORK);
	world_until(t, world_over, &a);
	world_until(t, world_over, &b);
	assert_non_null(strstr(a.said, " 200 OK"));
	assert_non_null(strstr(b.said, " 200 OK"));
	assert_int_equal(told(cell(t)), 0);
}

static void
another_snapshot_that_says_zero_is_answered_again(void **state)
{
	struct world *t = *state;
	struct world_client a = { 0 };

	connect_control(t, WORKER_MSG_VERSION);
	publish(t, AT_ZERO);
	world_begin(t, &a, GET);
	assert_int_equal(told(cell(t)), 1);
	publish(t, AT_ZERO); /* it went to zero when we spoke, say */
	assert_int_equal(told(cell(t)), 1);
	publish(t, AT_WORK);
	world_until(t, world_over, &a);
}

static void
without_control_it_waits_and_is_told_to_the_next_one(void **state)
{
	struct world *t = *state;
	struct world_client a = { 0 };

	loop_timer_disarm(&t->w->orders.retry);
	publish(t, AT_ZERO);
	world_begin(t, &a, GET);
	assert_int_equal(a.n, 0);
	assert_false(t->w->table->services[0]->told);
	connect_control(t, WORKER_MSG_VERSION);
	publish(t, AT_ZERO);
	assert_int_equal(told(cell(t)), 1);
	publish(t, AT_WORK);
	world_until(t, world_over, &a);
	assert_non_null(strstr(a.said, " 200 OK"));
}

static bool
came(void *arg)
{
	control = accept4(
	    *(int *)arg, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return control >= 0;
}

static bool
spoke(void *arg)
{
	struct worker_msg *m = arg;
	int fds[WORKER_MSG_FDS];
	unsigned nfds;
	struct err err;

	return worker_msg_recv(control, m, fds, &nfds, &err) == 1;
}

/* It connects anew; the answer to its hello is a welcome and nothing more. */
static void
welcome(struct world *t, int listener)
{
	struct worker_msg m = { 0 }, hello = { 0 };

	world_until(t, came, &listener);
	world_until(t, spoke, &hello);
	assert_int_equal(hello.type, WORKER_HELLO);
	m.type = WORKER_WELCOME;
	m.version = hello.version;
	assert_int_equal(worker_msg_send(control, &m, &listener, 1), 0);
}

static void
each_new_control_is_told_behind_its_welcome(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct world *t = *state;
	struct world_client a = { 0 };
	struct worker_msg m = { 0 };
	int listener = socket(
	    AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/c", t->folder);
	assert_int_equal(bind(listener, (struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(listen(listener, 4), 0);
	publish(t, AT_ZERO);
	world_begin(t, &a, GET);
	t->w->orders.path = un.sun_path;
	for (unsigned i = 0; i < 2; i++) {
		welcome(t, listener);
		world_until(t, spoke, &m);
		assert_int_equal(m.type, WORKER_WAKE);
		assert_int_equal(m.cell, cell(t));
		fd_close(&control);
	}
	publish(t, AT_WORK);
	world_until(t, world_over, &a);
	assert_non_null(strstr(a.said, " 200 OK"));
	fd_close(&listener);
	unlink(un.sun_path);
}

static void
an_older_control_is_not_told(void **state)
{
	struct world *t = *state;
	struct world_client a = { 0 };

	connect_control(t, WORKER_MSG_VERSION - 1);
	publish(t, AT_ZERO);
	world_begin(t, &a, GET);
	assert_int_equal(told(cell(t)), 0);
	publish(t, AT_WORK);
	world_until(t, world_over, &a);
}

static void
who_waits_in_vain_gets_503_at_the_time_of_the_start(void **state)
{
	struct world *t = *state;
	struct world_client a = { 0 }, b = { 0 }, c = { 0 };
	uint64_t began;

	connect_control(t, WORKER_MSG_VERSION);
	publish(t, AT_ZERO);
	worker_tick(t->w);
	began = t->w->now_ms;
	world_begin(t, &a, GET);
	world_begin(t, &b, GET); /* behind another: not its 50 ms either */
	world_begin(t, &c, GET);
	assert_non_null(strstr(c.said, "Drover-Error: queue-full"));
	world_until(t, world_over, &b);
	worker_tick(t->w);
	assert_true(t->w->now_ms - began >= 400);
	world_until(t, world_over, &a);
	assert_non_null(strstr(a.said, " 503 "));
	assert_non_null(strstr(a.said, "Retry-After: "));
	assert_non_null(strstr(b.said, "Drover-Error: queue-timeout"));
	assert_non_null(strstr(b.said, "got ready in time"));
	assert_int_equal(told(cell(t)), 1);
}

/* --- as a snapshot carries it --------------------------------------------- */

static void
wake_is_yes_or_no(void **state)
{
	struct snapshot_service one = { .name = "a", .wake = 1 };
	const struct snapshot whole = { .services = &one, .nservices = 1 };
	struct snapshot *s;
	struct err err;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	assert_int_equal(snapshot_encode(&whole, &b), 0);
	assert_int_equal(snapshot_decode(b.data, b.len, &s, &err), 0);
	assert_int_equal(s->services[0].wake, 1);
	snapshot_free(s);
	one.wake = 2;
	buf_clear(&b);
	assert_int_equal(snapshot_encode(&whole, &b), 0);
	assert_int_equal(snapshot_decode(b.data, b.len, &s, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "wake"));
	buf_done(&b);
}

/* Where the two differ: the number that wake is packed as. */
static size_t
first_difference(const struct buf *a, const struct buf *b)
{
	size_t i = 0;

	while (i < a->len && i < b->len && a->data[i] == b->data[i])
		i++;
	return i / sizeof(uint32_t) * sizeof(uint32_t);
}

/* The record that ends at `end` becomes a number shorter. */
static void
shorten_record(struct buf *b, size_t end)
{
	for (size_t i = end - sizeof(uint32_t); i-- > 0;) {
		uint32_t length;

		memcpy(&length, b->data + i, sizeof(length));
		if (length != end - i - sizeof(length))
			continue;
		length -= (uint32_t)sizeof(length);
		memcpy(b->data + i, &length, sizeof(length));
		break;
	}
	memmove(b->data + end - sizeof(uint32_t), b->data + end, b->len - end);
	b->len -= sizeof(uint32_t);
}

/* One of a control that does not know `wake` yet. */
static void
a_service_that_ends_before_wake_has_none(void **state)
{
	struct snapshot_service one = { .name = "four" };
	const struct snapshot whole = { .services = &one, .nservices = 1 };
	struct snapshot *s;
	struct buf without, with;
	struct err err;

	(void)state;
	buf_init(&without, 4096);
	buf_init(&with, 4096);
	assert_int_equal(snapshot_encode(&whole, &without), 0);
	one.wake = 1;
	assert_int_equal(snapshot_encode(&whole, &with), 0);
	shorten_record(
	    &with, first_difference(&without, &with) + sizeof(uint32_t));
	assert_int_equal(snapshot_decode(with.data, with.len, &s, &err), 0);
	assert_string_equal(s->services[0].name, "four");
	assert_int_equal(s->services[0].wake, 0);
	snapshot_free(s);
	buf_done(&without);
	buf_done(&with);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    the_first_that_waits_is_told_once_and_all_are_answered,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    another_snapshot_that_says_zero_is_answered_again, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    without_control_it_waits_and_is_told_to_the_next_one, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    each_new_control_is_told_behind_its_welcome, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    an_older_control_is_not_told, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    who_waits_in_vain_gets_503_at_the_time_of_the_start, setup,
		    teardown),
		cmocka_unit_test(wake_is_yes_or_no),
		cmocka_unit_test(a_service_that_ends_before_wake_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
