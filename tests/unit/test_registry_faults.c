/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/clock.h"
#include "registry_owner.h"

static void
redis_killed_and_started_is_complete_again(void **state)
{
	struct owner *o = *state;

	owner_start_with(o, 150);
	server_kill(&o->server);
	assert_true(loop_until(o->loop, is_down, o, 3000));
	assert_false(o->link);
	owner_wish(o->reg, 3, "unready");
	owner_wish(o->reg, 3, "ready");
	owner_wish(o->reg, 150, "ready");
	o->want = 151;
	server_start(&o->server, NULL);
	assert_true(loop_until(o->loop, is_up, o, 10000));
	assert_true(is_complete(o));
}

static void
redis_stopped_and_going_on_is_noticed(void **state)
{
	struct owner *o = *state;
	uint64_t began;

	owner_start_with(o, 5);
	server_signal(&o->server, SIGSTOP);
	began = clock_ms();
	assert_true(loop_until(o->loop, is_down, o, 8000));
	assert_in_range(clock_ms() - began, 0, 6000);
	assert_non_null(strstr(o->reason, "no answer"));
	owner_wish(o->reg, 5, "ready");
	o->want = 6;
	server_signal(&o->server, SIGCONT);
	assert_true(loop_until(o->loop, is_up, o, 10000));
	assert_true(is_complete(o));
}

static void
an_emptied_redis_is_filled_again(void **state)
{
	struct owner *o = *state;
	char birth[64];

	owner_start_with(o, 100);
	snprintf(
	    birth, sizeof(birth), "%s", owner_ask(o, "GET {drover:t}:birth"));
	assert_string_equal(owner_ask(o, "FLUSHALL"), "OK");
	assert_true(loop_until(o->loop, is_complete, o, 5000));
	assert_true(loop_until(o->loop, is_up, o, 1000));
	assert_string_not_equal(owner_ask(o, "GET {drover:t}:birth"), birth);
	assert_string_equal(owner_ask(o, "GET {drover:t}:schema"), "1");
}

static void
a_redis_that_lost_its_files_is_filled_again(void **state)
{
	struct owner *o = *state;
	const char *const no_aof[] = { "--appendonly", "no", NULL };

	owner_start_with(o, 10);
	server_kill(&o->server);
	assert_true(loop_until(o->loop, is_down, o, 3000));
	server_start(&o->server, no_aof);
	assert_true(loop_until(o->loop, is_up, o, 10000));
	assert_true(is_complete(o));
}

/* Full comparisons after joining: one at the start, one for each history. */
static uint64_t
resyncs(struct owner *o)
{
	struct registry_stats stats;

	registry_stats(o->reg, &stats);
	return stats.resyncs;
}

static void
other_data_under_the_same_names_are_not_taken_for_ours(void **state)
{
	struct owner *o = *state;

	owner_start_with(o, 10);
	owner_ask(o, "SET {drover:t}:birth another");
	owner_ask(o, "DEL {drover:t}:inst:s4");
	assert_true(loop_until(o->loop, is_complete, o, 5000));
	assert_int_equal(resyncs(o), 2);
	assert_string_equal(owner_ask(o, "GET {drover:t}:birth"), "another");
}

static void
an_epoch_that_runs_backwards_registers_everything_again(void **state)
{
	struct owner *o = *state;

	owner_start_with(o, 10);
	assert_true(owner_ask_u64(o, "GET {drover:t}:epoch") >= 2);
	loop_for(o->loop, 2200); /* it has read its own epoch */
	owner_ask(o, "SET {drover:t}:epoch 0");
	owner_ask(o, "DEL {drover:t}:inst:s4");
	assert_true(loop_until(o->loop, is_complete, o, 5000));
	assert_int_equal(resyncs(o), 2);
}

static void
a_lost_lease_is_taken_again(void **state)
{
	struct owner *o = *state;

	owner_start_with(o, 3);
	owner_ask(o, "DEL {drover:t}:node:a");
	assert_true(loop_until(o->loop, is_complete, o, 5000));
	assert_true(loop_until(o->loop, is_up, o, 5000));
	/* By a change too, which meets it first. */
	owner_ask(o, "DEL {drover:t}:node:a");
	owner_wish(o->reg, 3, "ready");
	o->want = 4;
	assert_true(loop_until(o->loop, is_complete, o, 1000));
}

static void
the_lease_is_renewed_and_runs_out_without_us(void **state)
{
	struct owner *o = *state;
	uint64_t ttl;

	owner_start_with(o, 1);
	owner_ask(o, "PEXPIRE {drover:t}:node:a 6000");
	loop_for(o->loop, 5300);
	ttl = owner_ask_u64(o, "PTTL {drover:t}:node:a");
	assert_in_range(ttl, 13000, 15000);
	assert_non_null(strstr(
	    owner_ask(o, "INFO commandstats"), "cmdstat_pexpire:calls=3"));
}

static bool
holds_one(void *arg)
{
	return strcmp(owner_ask(arg, "HLEN {drover:t}:inst:s3"), "1") == 0;
}

static void
fill_up(struct owner *o)
{
	char big[2048];
	int n;

	memset(big, 'x', sizeof(big));
	n = snprintf(big, sizeof(big), "APPEND filler ");
	big[n] = 'x';
	big[sizeof(big) - 1] = '\0';
	for (int i = 0; i < 20000; i++)
		if (strncmp(owner_ask(o, big), "-OOM", 4) == 0)
			return;
	fail_msg("Redis does not get full");
}

static void
out_of_memory_keeps_the_lease_and_writes_later(void **state)
{
	struct owner *o = *state;
	struct registry_stats stats;

	owner_start_with(o, 3);
	owner_ask(o, "CONFIG SET maxmemory 4mb");
	owner_ask(o, "CONFIG SET maxmemory-policy noeviction");
	fill_up(o);
	owner_wish(o->reg, 3, "ready");
	assert_true(loop_until(o->loop, has_reason, o, 3000));
	assert_non_null(strstr(o->reason, "OOM"));
	assert_int_equal(o->state, REGISTRY_UP);
	registry_stats(o->reg, &stats);
	assert_int_equal(stats.pending, 1);
	/* Renewed by PEXPIRE alone; deletions go through as well. */
	owner_ask(o, "PEXPIRE {drover:t}:node:a 7000");
	registry_remove(o->reg, "s0.0");
	loop_for(o->loop, 6500);
	assert_in_range(
	    owner_ask_u64(o, "PTTL {drover:t}:node:a"), 11000, 15000);
	assert_string_equal(owner_ask(o, "EXISTS {drover:t}:inst:s0"), "0");
	assert_string_equal(owner_ask(o, "EXISTS {drover:t}:inst:s3"), "0");
	assert_int_equal(o->state, REGISTRY_UP);
	owner_ask(o, "CONFIG SET maxmemory 0");
	assert_true(loop_until(o->loop, holds_one, o, 4000));
	assert_true(loop_until(o->loop, is_clear, o, 1000));
}

static void
a_flush_of_scripts_changes_nothing(void **state)
{
	struct owner *o = *state;
	unsigned told;

	owner_start_with(o, 3);
	loop_for(o->loop, 50);
	told = o->told;
	assert_string_equal(owner_ask(o, "SCRIPT FLUSH"), "OK");
	owner_wish(o->reg, 3, "ready");
	o->want = 4;
	assert_true(loop_until(o->loop, is_complete, o, 1000));
	loop_for(o->loop, 2200);
	assert_int_equal(o->told, told);
}

static void
a_wrong_password_is_the_reason(void **state)
{
	struct owner *o = *state;

	registry_free(o->reg);
	snprintf(o->server.url, sizeof(o->server.url), "unix://:no@%s",
	    o->server.sock);
	o->state = REGISTRY_UP;
	o->reg = owner_registry(o, "a", "i1");
	registry_start(o->reg);
	assert_true(loop_until(o->loop, is_down, o, 2000));
	assert_non_null(strstr(o->reason, "AUTH"));
	assert_false(o->link);
	snprintf(
	    o->server.url, sizeof(o->server.url), "unix://%s", o->server.sock);
	assert_string_equal(
	    owner_ask(o, "ACL SETUSER default >no on ~* &* +@all"), "OK");
	snprintf(o->server.url, sizeof(o->server.url), "unix://:no@%s",
	    o->server.sock);
	assert_true(loop_until(o->loop, is_up, o, 5000));
}

static void
data_of_another_version_are_left_alone(void **state)
{
	struct owner *o = *state;

	owner_ask(o, "SET {drover:t}:schema 2");
	owner_wish(o->reg, 0, "ready");
	registry_start(o->reg);
	assert_true(loop_until(o->loop, has_reason, o, 3000));
	assert_non_null(strstr(o->reason, "SCHEMA 2"));
	assert_int_equal(o->state, REGISTRY_DOWN);
	assert_true(o->link); /* Redis itself is fine */
	assert_string_equal(owner_ask(o, "DBSIZE"), "1");
}

static void
a_hand_in_redis_does_not_blind_us(void **state)
{
	struct owner *o = *state;

	owner_start_with(o, 2);
	owner_ask(o, "HSET {drover:t}:inst:s0 junk notjson");
	owner_ask(o, "HSET {drover:t}:inst:s0 s0.0 {}");
	owner_ask(o, "SADD {drover:t}:services nothing");
	owner_ask(o, "INCR {drover:t}:epoch");
	assert_true(loop_until(o->loop, is_complete, o, 5000));
	owner_ask(o, "DEL {drover:t}:services");
	owner_ask(o, "SET {drover:t}:services a-string");
	owner_ask(o, "INCR {drover:t}:epoch");
	loop_for(o->loop, 2500);
	assert_int_equal(o->state, REGISTRY_UP);
	assert_non_null(strstr(o->reason, "WRONGTYPE"));
	owner_ask(o, "DEL {drover:t}:services");
	assert_true(loop_until(o->loop, is_clear, o, 5000));
}

static void
memory_that_fails_under_way_is_made_good(void **state)
{
	struct owner *o = *state;

	for (unsigned i = 0; i < 20; i++)
		owner_wish(o->reg, i, "ready");
	o->want = 20;
	/* The nth allocation of connecting, joining and reading fails. */
	for (size_t n = 1; n < 60; n += 3) {
		registry_free(o->reg);
		o->state = REGISTRY_DOWN;
		o->reg = owner_registry(o, "a", "i1");
		for (unsigned i = 0; i < 20; i++)
			owner_wish(o->reg, i, "ready");
		registry_start(o->reg);
		alloc_fail_at(n);
		loop_for(o->loop, 10);
		alloc_fail_at(0);
		assert_true(loop_until(o->loop, is_up, o, 5000));
	}
	assert_true(is_complete(o));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, owner_setup, owner_teardown)
	const struct CMUnitTest tests[] = {
		T(redis_killed_and_started_is_complete_again),
		T(redis_stopped_and_going_on_is_noticed),
		T(an_emptied_redis_is_filled_again),
		T(a_redis_that_lost_its_files_is_filled_again),
		T(other_data_under_the_same_names_are_not_taken_for_ours),
		T(an_epoch_that_runs_backwards_registers_everything_again),
		T(a_lost_lease_is_taken_again),
		T(the_lease_is_renewed_and_runs_out_without_us),
		T(out_of_memory_keeps_the_lease_and_writes_later),
		T(a_flush_of_scripts_changes_nothing),
		T(a_wrong_password_is_the_reason),
		T(data_of_another_version_are_left_alone),
		T(a_hand_in_redis_does_not_blind_us),
		T(memory_that_fails_under_way_is_made_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
