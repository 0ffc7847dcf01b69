/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/fd.h"
#include "link/scoreboard.h"

struct board {
	int fd;
	struct scoreboard *sb;
};

static int
setup(void **state)
{
	static struct board b;
	struct err err;

	assert_int_equal(scoreboard_create(&b.fd, &err), 0);
	assert_int_equal(scoreboard_attach(&b.sb, b.fd, &err), 0);
	*state = &b;
	return 0;
}

static int
teardown(void **state)
{
	struct board *b = *state;

	scoreboard_free(b->sb);
	fd_close(&b->fd);
	return 0;
}

static off_t
used_kib(const struct board *b)
{
	struct stat st;

	assert_int_equal(fstat(b->fd, &st), 0);
	return st.st_blocks / 2;
}

static void
sums_are_over_all_workers(void **state)
{
	struct board *b = *state;
	struct scoreboard_endpoint_view e;
	struct scoreboard_service_view s;

	for (unsigned w = 0; w < 3; w++) {
		struct scoreboard_endpoint *ep = scoreboard_endpoint(
		    b->sb, w, 7);
		struct scoreboard_service *svc = scoreboard_service(
		    b->sb, w, 900);

		scoreboard_join(b->sb, w, (pid_t)(100 + w));
		count32(&ep->inflight, w + 1);
		count32(&ep->tunnels, 2);
		count64(&ep->requests, 10);
		count64(&svc->responses[2], 5);
		count64(&svc->faults[FAULT_TIMEOUT], 1);
		count32(&svc->latency[histogram_bucket(1000)], 4);
	}
	scoreboard_endpoint_view(b->sb, 7, &e);
	assert_int_equal(e.inflight, 6);
	assert_int_equal(e.requests, 30);
	assert_int_equal(scoreboard_inflight(b->sb, 7), 6);
	assert_int_equal(scoreboard_inflight(b->sb, 8), 0);
	assert_int_equal(scoreboard_tunnels(b->sb, 7), 6);
	assert_int_equal(scoreboard_load(b->sb, 7).inflight, 6);
	assert_int_equal(scoreboard_load(b->sb, 7).tunnels, 6);
	scoreboard_service_view(b->sb, 900, &s);
	assert_int_equal(s.responses[2], 15);
	assert_int_equal(s.faults[FAULT_TIMEOUT], 3);
	assert_int_equal(histogram_total(&s.latency), 12);
	assert_in_range(histogram_quantile(&s.latency, 990), 960, 1040);
}

static void
a_dead_worker_counts_no_more(void **state)
{
	struct board *b = *state;
	struct scoreboard_worker_view v;

	scoreboard_join(b->sb, 0, 100);
	scoreboard_join(b->sb, 63, 163);
	assert_true(scoreboard_take(b->sb, 0, 4095, 2));
	assert_true(scoreboard_take(b->sb, 63, 4095, 2));
	assert_false(scoreboard_take(b->sb, 0, 4095, 2));
	scoreboard_reset_worker(b->sb, 63);
	assert_false(scoreboard_worker_view(b->sb, 63, &v));
	assert_int_equal(scoreboard_inflight(b->sb, 4095), 1);
	assert_true(scoreboard_take(b->sb, 0, 4095, 2));
	assert_true(scoreboard_worker_view(b->sb, 0, &v));
	assert_int_equal(v.pid, 100);
}

static void
a_cell_with_a_new_owner_is_zero(void **state)
{
	struct board *b = *state;
	struct scoreboard_endpoint_view e;
	struct scoreboard_service_view s;

	for (unsigned w = 0; w < 2; w++) {
		scoreboard_join(b->sb, w, 100);
		count64(&scoreboard_endpoint(b->sb, w, 1)->requests, 9);
		count64(&scoreboard_service(b->sb, w, 1)->requests, 9);
	}
	scoreboard_reset_endpoint(b->sb, 1);
	scoreboard_reset_service(b->sb, 1);
	scoreboard_endpoint_view(b->sb, 1, &e);
	scoreboard_service_view(b->sb, 1, &s);
	assert_int_equal(e.requests, 0);
	assert_int_equal(s.requests, 0);
}

static void
limits_hold_and_are_given_back(void **state)
{
	struct board *b = *state;

	scoreboard_join(b->sb, 0, 100);
	for (unsigned i = 0; i < 5; i++)
		assert_true(scoreboard_take(b->sb, 0, 2, 5));
	assert_false(scoreboard_take(b->sb, 0, 2, 5));
	assert_true(scoreboard_take(b->sb, 0, 2, 0));
	scoreboard_give(b->sb, 0, 2);
	scoreboard_give(b->sb, 0, 2);
	assert_true(scoreboard_take(b->sb, 0, 2, 5));
	assert_true(scoreboard_enqueue(b->sb, 0, 3, 1));
	assert_false(scoreboard_enqueue(b->sb, 0, 3, 1));
	scoreboard_dequeue(b->sb, 0, 3);
	assert_true(scoreboard_enqueue(b->sb, 0, 3, 1));
	assert_false(scoreboard_enqueue(b->sb, 0, 4, 0));
}

static void
the_oldest_waiter_elsewhere_is_found(void **state)
{
	struct board *b = *state;

	for (unsigned w = 0; w < 3; w++) {
		scoreboard_join(b->sb, w, (pid_t)(100 + w));
		atomic_store(&scoreboard_service(b->sb, w, 5)->waiting_since_us,
		    1000 - w);
	}
	assert_int_equal(scoreboard_waiter(b->sb, 0, 5, 0), 102);
	assert_int_equal(scoreboard_waiter(b->sb, 0, 5, 1000), 102);
	assert_int_equal(scoreboard_waiter(b->sb, 0, 5, 998), 0);
	assert_int_equal(scoreboard_waiter(b->sb, 2, 5, 998), 0);
	assert_int_equal(scoreboard_waiter(b->sb, 2, 5, 0), 101);
	assert_int_equal(scoreboard_waiter(b->sb, 0, 6, 0), 0);
}

static void
what_is_asked_of_a_service_is_summed(void **state)
{
	struct board *b = *state;
	struct scoreboard_demand d = scoreboard_demand(b->sb, 5);

	assert_int_equal(d.load + d.requests + d.since_us, 0);
	for (unsigned w = 0; w < 3; w++) {
		struct scoreboard_service *s;

		scoreboard_join(b->sb, w, 100 + (pid_t)w);
		s = scoreboard_service(b->sb, w, 5);
		atomic_store(&s->queued, 1);
		atomic_store(&s->inflight, 10);
		atomic_store(&s->requests, 100);
		atomic_store(&s->waiting_since_us, w == 0 ? 0 : 1000 + w);
	}
	d = scoreboard_demand(b->sb, 5);
	assert_int_equal(d.load, 33);
	assert_int_equal(d.requests, 300);
	assert_int_equal(d.since_us, 1001);
	assert_int_equal(scoreboard_demand(b->sb, 6).load, 0);
}

/* Two processes that take as fast as they can, and look at the sum. */
static int
race(struct board *b, unsigned w)
{
	for (int i = 0; i < 200000; i++) {
		if (!scoreboard_take(b->sb, w, 9, 3))
			continue;
		/* Others may be between adding and undoing: look again. */
		count64(&scoreboard_endpoint(b->sb, w, 10)->requests, 1);
		if (atomic_fetch_add(
			&scoreboard_endpoint(b->sb, 0, 11)->inflight, 1) >= 3)
			return 1;
		atomic_fetch_sub(
		    &scoreboard_endpoint(b->sb, 0, 11)->inflight, 1);
		scoreboard_give(b->sb, w, 9);
	}
	return 0;
}

static void
four_processes_never_overshoot(void **state)
{
	struct board *b = *state;
	struct scoreboard_endpoint_view v;
	int bad = 0;

	for (unsigned w = 0; w < 4; w++)
		scoreboard_join(b->sb, w, 1);
	for (unsigned w = 0; w < 4; w++)
		if (fork() == 0)
			_exit(race(b, w));
	for (int i = 0; i < 4; i++) {
		int status;

		assert_true(wait(&status) > 0);
		bad += status != 0;
	}
	assert_int_equal(bad, 0);
	scoreboard_endpoint_view(b->sb, 10, &v);
	assert_true(v.requests > 1000);
	assert_int_equal(scoreboard_inflight(b->sb, 9), 0);
}

static void
what_nobody_touched_costs_nothing(void **state)
{
	struct board *b = *state;
	struct scoreboard_endpoint_view e;
	struct scoreboard_service_view s;
	off_t before;

	scoreboard_join(b->sb, 0, 100);
	scoreboard_join(b->sb, 5, 105);
	before = used_kib(b);
	for (unsigned cell = 0; cell < SCOREBOARD_SERVICES; cell++)
		scoreboard_service_view(b->sb, cell, &s);
	assert_true(used_kib(b) - before <= 16);
	(void)scoreboard_service(b->sb, 0, 10);
	count64(&scoreboard_service(b->sb, 0, 10)->requests, 1);
	for (unsigned cell = 0; cell < 64; cell++)
		scoreboard_endpoint_view(b->sb, cell, &e);
	assert_true(used_kib(b) - before <= 32);
	scoreboard_reset_worker(b->sb, 0);
	assert_true(used_kib(b) - before <= 24);
}

static void
another_layout_is_refused_with_the_reason(void **state)
{
	struct board *b = *state;
	struct scoreboard *sb;
	struct err err;
	uint32_t version = SCOREBOARD_VERSION + 1;
	int other = memfd_create("other", MFD_CLOEXEC);

	assert_int_equal(scoreboard_attach(&sb, other, &err), -EPROTO);
	fd_close(&other);
	assert_int_equal(pwrite(b->fd, &version, sizeof(version), 4), 4);
	assert_int_equal(scoreboard_attach(&sb, b->fd, &err), -EPROTO);
	assert_non_null(strstr(err.text, "version 4"));
	version = 0;
	assert_int_equal(pwrite(b->fd, &version, sizeof(version), 0), 4);
	assert_int_equal(scoreboard_attach(&sb, b->fd, &err), -EPROTO);
	assert_int_equal(ftruncate(b->fd, 0), -1);
}

static void
every_allocation_of_a_scoreboard_may_fail(void **state)
{
	struct board *b = *state;
	struct scoreboard *sb;
	struct err err;

	ALLOC_FAIL_EACH({
		int r = scoreboard_attach(&sb, b->fd, &err);

		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		scoreboard_free(sb);
	});
}

static void
the_next_owner_knows_what_was_published(void **state)
{
	struct board *b = *state;
	struct scoreboard *next;
	struct err err;

	assert_int_equal(scoreboard_published(b->sb), 0);
	scoreboard_publish(b->sb, 41);
	assert_int_equal(scoreboard_attach(&next, b->fd, &err), 0);
	assert_int_equal(scoreboard_published(next), 41);
	scoreboard_free(next);
}

static void
every_limit_is_shown_by_its_own_name(void **state)
{
	struct board *b = *state;
	struct scoreboard_worker_view v;

	scoreboard_join(b->sb, 3, 100);
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		count32(&scoreboard_worker(b->sb, 3)->limits[i], i + 1);
	assert_true(scoreboard_worker_view(b->sb, 3, &v));
	for (unsigned i = 0; i < LIMIT_COUNT; i++) {
		assert_int_equal(v.limits[i], i + 1);
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(
			    scoreboard_limit_name(i), scoreboard_limit_name(k));
	}
}

static void
every_fault_has_its_own_word(void **state)
{
	(void)state;
	for (int i = 1; i < FAULT_COUNT; i++)
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
			    scoreboard_fault_name((enum scoreboard_fault)i),
			    scoreboard_fault_name((enum scoreboard_fault)k));
	assert_string_equal(scoreboard_fault_name(FAULT_NONE), "");
}

#define BOARD(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BOARD(sums_are_over_all_workers),
		BOARD(a_dead_worker_counts_no_more),
		BOARD(a_cell_with_a_new_owner_is_zero),
		BOARD(limits_hold_and_are_given_back),
		BOARD(the_oldest_waiter_elsewhere_is_found),
		BOARD(four_processes_never_overshoot),
		BOARD(what_nobody_touched_costs_nothing),
		BOARD(another_layout_is_refused_with_the_reason),
		BOARD(every_allocation_of_a_scoreboard_may_fail),
		BOARD(the_next_owner_knows_what_was_published),
		BOARD(every_limit_is_shown_by_its_own_name),
		BOARD(what_is_asked_of_a_service_is_summed),
		cmocka_unit_test(every_fault_has_its_own_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
