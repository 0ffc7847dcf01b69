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
#include "cluster/registry.h"
#include "redis_server.h"

struct owner {
	struct loop *loop;
	struct redis_server server;
	struct registry *reg;
	enum registry_state state;
	char reason[256];
	unsigned told;
	bool link;
	bool left;
	unsigned want; /* instances, for is_complete() */
};

static void
on_state(void *arg, enum registry_state state, const char *reason)
{
	struct owner *o = arg;

	o->state = state;
	snprintf(o->reason, sizeof(o->reason), "%s", reason);
	o->told++;
}

static void
on_link(void *arg, bool up)
{
	struct owner *o = arg;

	o->link = up;
}

static const struct registry_ops ops = { .state = on_state, .link = on_link };

static struct registry *
make_registry(struct owner *o, const char *node, const char *incarnation)
{
	struct registry_args args = {
		.cluster = "t",
		.node = node,
		.incarnation = incarnation,
		.url = o->server.url,
	};
	struct registry *reg = registry_new(o->loop, &args, &ops, o, NULL);

	assert_non_null(reg);
	return reg;
}

static int
setup(void **state)
{
	struct owner *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->loop = loop_new(NULL);
	assert_non_null(o->loop);
	server_open(&o->server);
	server_start(&o->server, NULL);
	o->reg = make_registry(o, "a", "i1");
	*state = o;
	return 0;
}

static int
teardown(void **state)
{
	struct owner *o = *state;

	registry_free(o->reg);
	loop_free(o->loop);
	server_done(&o->server);
	free(o);
	return 0;
}

static void
wish(struct registry *reg, unsigned n, const char *state)
{
	char service[32], id[40], address[64];
	struct registry_instance in = {
		.service = service,
		.id = id,
		.address = address,
		.state = state,
		.weight = 100,
	};

	snprintf(service, sizeof(service), "s%u", n);
	snprintf(id, sizeof(id), "s%u.0", n);
	snprintf(address, sizeof(address), "unix:/run/s%u.sock", n);
	assert_int_equal(registry_set(reg, &in), 0);
}

static const char *
ask(struct owner *o, const char *command)
{
	const char *answer = server_ask(&o->server, command);

	return answer != NULL ? answer : "(gone)";
}

/* What another process would do: from Redis alone. */
static unsigned
count_up(struct owner *o)
{
	unsigned up = 0;
	char command[128];

	if (strcmp(ask(o, "EXISTS {drover:t}:node:a"), "1") != 0)
		return 0;
	for (unsigned i = 0; i < o->want; i++) {
		snprintf(command, sizeof(command),
		    "HGET {drover:t}:inst:s%u s%u.0", i, i);
		if (strstr(ask(o, command), "\"state\":\"ready\"") != NULL)
			up++;
	}
	return up;
}

static void
on_left(void *arg)
{
	((struct owner *)arg)->left = true;
}

static bool
is_up(void *arg)
{
	return ((struct owner *)arg)->state == REGISTRY_UP;
}

static bool
is_down(void *arg)
{
	return ((struct owner *)arg)->state == REGISTRY_DOWN;
}

static bool
is_complete(void *arg)
{
	struct owner *o = arg;

	return count_up(o) == o->want;
}

static bool
is_clear(void *arg)
{
	struct owner *o = arg;

	return o->state == REGISTRY_UP && o->reason[0] == '\0';
}

static bool
has_reason(void *arg)
{
	return ((struct owner *)arg)->reason[0] != '\0';
}

static bool
has_left(void *arg)
{
	return ((struct owner *)arg)->left;
}

static void
start_with(struct owner *o, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		wish(o->reg, i, "ready");
	o->want = n;
	registry_start(o->reg);
	assert_true(loop_until(o->loop, is_up, o, 5000));
}

static void
another_process_reads_what_is_up(void **state)
{
	struct owner *o = *state;

	start_with(o, 3);
	assert_true(o->link);
	assert_string_equal(o->reason, "");
	assert_int_equal(count_up(o), 3);
	assert_string_equal(ask(o, "HGET {drover:t}:inst:s1 s1.0"),
	    "{\"node\":\"a\",\"incarnation\":\"i1\",\"address\":"
	    "\"unix:/run/s1.sock\",\"state\":\"ready\",\"weight\":100,"
	    "\"token\":0}");
	assert_string_equal(ask(o, "GET {drover:t}:schema"), "1");
	assert_string_equal(ask(o, "SMEMBERS {drover:t}:nodes"), "a");
	assert_string_equal(ask(o, "HGET {drover:t}:node:a incarnation"), "i1");
	assert_int_equal(strlen(ask(o, "GET {drover:t}:birth")), 32);
}

static void
redis_killed_and_started_is_complete_again(void **state)
{
	struct owner *o = *state;

	start_with(o, 150);
	server_kill(&o->server);
	assert_true(loop_until(o->loop, is_down, o, 3000));
	assert_false(o->link);
	wish(o->reg, 3, "unready");
	wish(o->reg, 3, "ready");
	wish(o->reg, 150, "ready");
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

	start_with(o, 5);
	server_signal(&o->server, SIGSTOP);
	began = clock_ms();
	assert_true(loop_until(o->loop, is_down, o, 8000));
	assert_in_range(clock_ms() - began, 0, 6000);
	assert_non_null(strstr(o->reason, "no answer"));
	wish(o->reg, 5, "ready");
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

	start_with(o, 100);
	snprintf(birth, sizeof(birth), "%s", ask(o, "GET {drover:t}:birth"));
	assert_string_equal(ask(o, "FLUSHALL"), "OK");
	assert_true(loop_until(o->loop, is_complete, o, 5000));
	assert_true(loop_until(o->loop, is_up, o, 1000));
	assert_string_not_equal(ask(o, "GET {drover:t}:birth"), birth);
	assert_string_equal(ask(o, "GET {drover:t}:schema"), "1");
}

static void
a_redis_that_lost_its_files_is_filled_again(void **state)
{
	struct owner *o = *state;
	const char *const no_aof[] = { "--appendonly", "no", NULL };

	start_with(o, 10);
	server_kill(&o->server);
	assert_true(loop_until(o->loop, is_down, o, 3000));
	server_start(&o->server, no_aof);
	assert_true(loop_until(o->loop, is_up, o, 10000));
	assert_true(is_complete(o));
}

static void
other_data_under_the_same_names_are_not_taken_for_ours(void **state)
{
	struct owner *o = *state;

	start_with(o, 10);
	ask(o, "SET {drover:t}:birth another");
	ask(o, "DEL {drover:t}:inst:s4");
	assert_true(loop_until(o->loop, is_complete, o, 5000));
	assert_string_equal(ask(o, "GET {drover:t}:birth"), "another");
}

static void
an_epoch_that_runs_backwards_registers_everything_again(void **state)
{
	struct owner *o = *state;

	start_with(o, 10);
	assert_true(atoi(ask(o, "GET {drover:t}:epoch")) >= 2);
	loop_for(o->loop, 2200); /* it has read its own epoch */
	ask(o, "SET {drover:t}:epoch 0");
	ask(o, "DEL {drover:t}:inst:s4");
	assert_true(loop_until(o->loop, is_complete, o, 5000));
}

static void
a_lost_lease_is_taken_again(void **state)
{
	struct owner *o = *state;

	start_with(o, 3);
	ask(o, "DEL {drover:t}:node:a");
	assert_true(loop_until(o->loop, is_complete, o, 5000));
	assert_true(loop_until(o->loop, is_up, o, 5000));
	/* By a change too, which meets it first. */
	ask(o, "DEL {drover:t}:node:a");
	wish(o->reg, 3, "ready");
	o->want = 4;
	assert_true(loop_until(o->loop, is_complete, o, 1000));
}

static void
the_lease_is_renewed_and_runs_out_without_us(void **state)
{
	struct owner *o = *state;
	int ttl;

	start_with(o, 1);
	ask(o, "PEXPIRE {drover:t}:node:a 6000");
	loop_for(o->loop, 5300);
	ttl = atoi(ask(o, "PTTL {drover:t}:node:a"));
	assert_in_range(ttl, 13000, 15000);
	assert_non_null(
	    strstr(ask(o, "INFO commandstats"), "cmdstat_pexpire:calls=3"));
}

static void
changes_made_in_one_turn_travel_together(void **state)
{
	struct owner *o = *state;
	struct registry_stats before, after;

	start_with(o, 0);
	registry_stats(o->reg, &before);
	for (unsigned i = 0; i < 50; i++) {
		wish(o->reg, i, "starting");
		wish(o->reg, i, "ready");
	}
	o->want = 50;
	assert_true(loop_until(o->loop, is_complete, o, 1000));
	loop_for(o->loop, 50);
	registry_stats(o->reg, &after);
	assert_int_equal(after.mutations - before.mutations, 1);
	assert_int_equal(after.pending, 0);
	/* The same wish again costs nothing. */
	wish(o->reg, 7, "ready");
	loop_for(o->loop, 50);
	registry_stats(o->reg, &before);
	assert_int_equal(after.mutations, before.mutations);
}

static void
the_latest_wish_wins(void **state)
{
	struct owner *o = *state;

	start_with(o, 2);
	registry_remove(o->reg, "s0.0");
	wish(o->reg, 0, "unready");
	registry_remove(o->reg, "s1.0");
	loop_for(o->loop, 100);
	assert_non_null(strstr(
	    ask(o, "HGET {drover:t}:inst:s0 s0.0"), "\"state\":\"unready\""));
	assert_string_equal(ask(o, "EXISTS {drover:t}:inst:s1"), "0");
	assert_string_equal(ask(o, "SMEMBERS {drover:t}:services"), "s0");
	wish(o->reg, 1, "ready");
	loop_for(o->loop, 1); /* sent, not answered */
	registry_remove(o->reg, "s1.0");
	loop_for(o->loop, 100);
	assert_string_equal(ask(o, "EXISTS {drover:t}:inst:s1"), "0");
	registry_remove(o->reg, "s1.0");
	registry_remove(o->reg, "nobody");
}

static void
what_an_earlier_control_left_goes_and_its_lease_is_taken(void **state)
{
	struct owner *o = *state;

	start_with(o, 3);
	registry_free(o->reg);
	o->state = REGISTRY_DOWN;
	o->reg = make_registry(o, "a", "i1"); /* the same herd */
	wish(o->reg, 0, "ready");
	wish(o->reg, 9, "ready");
	registry_start(o->reg);
	assert_true(loop_until(o->loop, is_up, o, 3000));
	assert_string_equal(ask(o, "EXISTS {drover:t}:inst:s1"), "0");
	assert_string_equal(ask(o, "HLEN {drover:t}:inst:s9"), "1");
	registry_free(o->reg);
	o->state = REGISTRY_DOWN;
	o->reg = make_registry(o, "a", "i2"); /* a new herd */
	wish(o->reg, 0, "ready");
	o->want = 1;
	registry_start(o->reg);
	assert_true(loop_until(o->loop, is_up, o, 3000));
	assert_non_null(strstr(
	    ask(o, "HGET {drover:t}:inst:s0 s0.0"), "\"incarnation\":\"i2\""));
	assert_string_equal(ask(o, "EXISTS {drover:t}:inst:s9"), "0");
}

static void
a_clean_end_leaves_nothing_behind(void **state)
{
	struct owner *o = *state;
	uint64_t began;

	start_with(o, 3);
	ask(o, "HSET {drover:t}:inst:s1 other {\"node\":\"b\"}");
	registry_leave(o->reg, on_left, o);
	assert_false(o->left);
	assert_true(loop_until(o->loop, has_left, o, 2000));
	assert_string_equal(ask(o, "EXISTS {drover:t}:node:a"), "0");
	assert_string_equal(ask(o, "SMEMBERS {drover:t}:nodes"), "");
	assert_string_equal(ask(o, "SMEMBERS {drover:t}:services"), "s1");
	assert_string_equal(ask(o, "HKEYS {drover:t}:inst:s1"), "other");

	registry_free(o->reg);
	o->state = REGISTRY_DOWN;
	o->left = false;
	o->reg = make_registry(o, "a", "i1");
	start_with(o, 1);
	server_signal(&o->server, SIGSTOP);
	began = clock_ms();
	registry_leave(o->reg, on_left, o);
	assert_true(loop_until(o->loop, has_left, o, 3000));
	assert_in_range(clock_ms() - began, 900, 1500);
	server_signal(&o->server, SIGCONT);
}

static void
leaving_without_a_connection_does_not_wait(void **state)
{
	struct owner *o = *state;

	registry_leave(o->reg, on_left, o); /* never started */
	assert_false(o->left);
	assert_true(loop_until(o->loop, has_left, o, 200));
}

static bool
holds_one(void *arg)
{
	return strcmp(ask(arg, "HLEN {drover:t}:inst:s3"), "1") == 0;
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
		if (strncmp(ask(o, big), "-OOM", 4) == 0)
			return;
	fail_msg("Redis does not get full");
}

static void
out_of_memory_keeps_the_lease_and_writes_later(void **state)
{
	struct owner *o = *state;
	struct registry_stats stats;

	start_with(o, 3);
	ask(o, "CONFIG SET maxmemory 4mb");
	ask(o, "CONFIG SET maxmemory-policy noeviction");
	fill_up(o);
	wish(o->reg, 3, "ready");
	assert_true(loop_until(o->loop, has_reason, o, 3000));
	assert_non_null(strstr(o->reason, "OOM"));
	assert_int_equal(o->state, REGISTRY_UP);
	registry_stats(o->reg, &stats);
	assert_int_equal(stats.pending, 1);
	/* Renewed by PEXPIRE alone; deletions go through as well. */
	ask(o, "PEXPIRE {drover:t}:node:a 7000");
	registry_remove(o->reg, "s0.0");
	loop_for(o->loop, 6500);
	assert_in_range(atoi(ask(o, "PTTL {drover:t}:node:a")), 11000, 15000);
	assert_string_equal(ask(o, "EXISTS {drover:t}:inst:s0"), "0");
	assert_string_equal(ask(o, "EXISTS {drover:t}:inst:s3"), "0");
	assert_int_equal(o->state, REGISTRY_UP);
	ask(o, "CONFIG SET maxmemory 0");
	assert_true(loop_until(o->loop, holds_one, o, 4000));
	assert_true(loop_until(o->loop, is_clear, o, 1000));
}

static void
a_flush_of_scripts_changes_nothing(void **state)
{
	struct owner *o = *state;
	unsigned told;

	start_with(o, 3);
	loop_for(o->loop, 50);
	told = o->told;
	assert_string_equal(ask(o, "SCRIPT FLUSH"), "OK");
	wish(o->reg, 3, "ready");
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
	o->reg = make_registry(o, "a", "i1");
	registry_start(o->reg);
	assert_true(loop_until(o->loop, is_down, o, 2000));
	assert_non_null(strstr(o->reason, "AUTH"));
	assert_false(o->link);
	snprintf(
	    o->server.url, sizeof(o->server.url), "unix://%s", o->server.sock);
	assert_string_equal(
	    ask(o, "ACL SETUSER default >no on ~* &* +@all"), "OK");
	snprintf(o->server.url, sizeof(o->server.url), "unix://:no@%s",
	    o->server.sock);
	assert_true(loop_until(o->loop, is_up, o, 5000));
}

static void
data_of_another_version_are_left_alone(void **state)
{
	struct owner *o = *state;

	ask(o, "SET {drover:t}:schema 2");
	wish(o->reg, 0, "ready");
	registry_start(o->reg);
	assert_true(loop_until(o->loop, has_reason, o, 3000));
	assert_non_null(strstr(o->reason, "SCHEMA 2"));
	assert_int_equal(o->state, REGISTRY_DOWN);
	assert_true(o->link); /* Redis itself is fine */
	assert_string_equal(ask(o, "DBSIZE"), "1");
}

static void
a_second_drover_of_the_same_name_is_seen(void **state)
{
	struct owner *o = *state;
	struct owner other = { .loop = o->loop, .server = o->server };

	start_with(o, 2);
	other.reg = make_registry(&other, "a", "i2");
	wish(other.reg, 7, "ready");
	registry_start(other.reg);
	assert_true(loop_until(o->loop, is_up, &other, 3000));
	assert_true(loop_until(o->loop, is_down, o, 5000));
	assert_non_null(strstr(o->reason, "another drover"));
	assert_string_equal(ask(o, "EXISTS {drover:t}:inst:s0"), "0");
	registry_leave(other.reg, on_left, &other);
	assert_true(loop_until(o->loop, has_left, &other, 2000));
	registry_free(other.reg);
	assert_true(loop_until(o->loop, is_up, o, 5000));
	assert_true(is_complete(o));
}

static void
a_name_that_a_live_node_holds_is_not_overwritten(void **state)
{
	struct owner *o = *state;

	ask(o, "HSET {drover:t}:node:b incarnation ib address x");
	ask(o, "SADD {drover:t}:nodes b");
	ask(o, "SADD {drover:t}:services s1");
	ask(o,
	    "HSET {drover:t}:inst:s1 s1.0 "
	    "{\"node\":\"b\",\"incarnation\":\"ib\",\"address\":null,"
	    "\"state\":\"ready\",\"weight\":1}");
	start_with(o, 2);
	assert_string_equal(
	    o->reason, "s1.0 is not registered: node b holds that name");
	assert_non_null(
	    strstr(ask(o, "HGET {drover:t}:inst:s1 s1.0"), "\"node\":\"b\""));
	/* Its lease gone, the entry does not count any more. */
	ask(o, "DEL {drover:t}:node:b");
	wish(o->reg, 1, "unready");
	wish(o->reg, 1, "ready");
	assert_true(loop_until(o->loop, is_complete, o, 4000));
	assert_true(loop_until(o->loop, is_clear, o, 4000));
}

static void
with_an_address_each_node_has_its_own_ids(void **state)
{
	struct owner *o = *state;
	struct registry_args args = { .cluster = "t",
		.node = "b",
		.incarnation = "i9",
		.address = "10.0.0.2:7070",
		.url = o->server.url };

	registry_free(o->reg);
	o->reg = registry_new(o->loop, &args, &ops, o, NULL);
	assert_non_null(o->reg);
	start_with(o, 1);
	assert_string_equal(ask(o, "HKEYS {drover:t}:inst:s0"), "s0.0@b");
	assert_string_equal(
	    ask(o, "HGET {drover:t}:node:b address"), "10.0.0.2:7070");
}

static void
off_accepts_everything_and_says_nothing(void **state)
{
	struct owner *o = *state;
	struct registry_args args = {
		.cluster = "t", .node = "a", .incarnation = "i"
	};
	json_t *nodes;

	registry_free(o->reg);
	o->reg = registry_new(o->loop, &args, &ops, o, NULL);
	assert_non_null(o->reg);
	assert_int_equal(registry_state(o->reg), REGISTRY_OFF);
	assert_string_equal(registry_state_name(REGISTRY_OFF), "off");
	registry_start(o->reg);
	registry_kick(o->reg);
	wish(o->reg, 1, "ready");
	loop_for(o->loop, 50);
	nodes = registry_nodes(o->reg);
	assert_int_equal(
	    json_array_size(json_object_get(nodes, "services")), 1);
	json_decref(nodes);
	registry_leave(o->reg, on_left, o);
	assert_true(loop_until(o->loop, has_left, o, 200));
	assert_int_equal(o->told, 0);
}

static void
bad_names_are_refused(void **state)
{
	struct owner *o = *state;
	struct registry_args args = { .cluster = "t",
		.node = "a",
		.incarnation = "i",
		.url = "redis://" };
	struct registry_instance in = {
		.service = "s", .id = "s.0", .state = "ready"
	};
	char longer[300];
	struct err err;

	assert_null(registry_new(o->loop, &args, &ops, o, &err));
	assert_non_null(strstr(err.text, "host"));
	args.url = NULL;
	args.cluster = "a}b";
	assert_null(registry_new(o->loop, &args, &ops, o, &err));
	args.cluster = "";
	assert_null(registry_new(o->loop, &args, &ops, o, &err));
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	in.address = longer;
	assert_int_equal(registry_set(o->reg, &in), -EINVAL);
	in.address = NULL;
	in.id = longer;
	assert_int_equal(registry_set(o->reg, &in), -EINVAL);
	in.id = "";
	assert_int_equal(registry_set(o->reg, &in), -EINVAL);
	in.id = "s.0";
	in.weight = 65536;
	assert_int_equal(registry_set(o->reg, &in), -EINVAL);
	in.weight = 1;
	in.service = "a b";
	assert_int_equal(registry_set(o->reg, &in), -EINVAL);
}

static const char *
string_at(const json_t *json, const char *key)
{
	const char *s = json_string_value(json_object_get(json, key));

	return s != NULL ? s : "(none)";
}

static void
the_view_shows_all_nodes_and_whether_they_live(void **state)
{
	struct owner *o = *state;
	struct owner other = { .loop = o->loop, .server = o->server };
	json_t *view, *services, *in;

	other.reg = make_registry(&other, "b", "i2");
	wish(other.reg, 7, "ready");
	registry_start(other.reg);
	assert_true(loop_until(o->loop, is_up, &other, 3000));
	start_with(o, 2);
	view = registry_nodes(o->reg);
	assert_non_null(view);
	assert_string_equal(string_at(view, "cluster"), "t");
	assert_int_equal(json_array_size(json_object_get(view, "nodes")), 2);
	in = json_array_get(json_object_get(view, "nodes"), 1);
	assert_string_equal(string_at(in, "node"), "b");
	assert_true(json_is_true(json_object_get(in, "live")));
	assert_true(json_integer_value(json_object_get(in, "lease_ms")) > 9000);
	services = json_object_get(view, "services");
	assert_int_equal(json_array_size(services), 3);
	in = json_array_get(services, 2);
	assert_string_equal(string_at(in, "name"), "s7");
	in = json_array_get(json_object_get(in, "instances"), 0);
	assert_string_equal(string_at(in, "id"), "s7.0");
	assert_string_equal(string_at(in, "node"), "b");
	assert_true(json_is_true(json_object_get(in, "live")));
	json_decref(view);

	registry_free(other.reg); /* without a farewell */
	ask(o, "PEXPIRE {drover:t}:node:b 1");
	loop_for(o->loop, 2500);
	view = registry_nodes(o->reg);
	services = json_object_get(view, "services");
	in = json_array_get(
	    json_object_get(json_array_get(services, 2), "instances"), 0);
	assert_true(json_is_false(json_object_get(in, "live")));
	in = json_array_get(
	    json_object_get(json_array_get(services, 0), "instances"), 0);
	assert_true(json_is_true(json_object_get(in, "live")));
	json_decref(view);
}

static void
a_hand_in_redis_does_not_blind_us(void **state)
{
	struct owner *o = *state;

	start_with(o, 2);
	ask(o, "HSET {drover:t}:inst:s0 junk notjson");
	ask(o, "HSET {drover:t}:inst:s0 s0.0 {}");
	ask(o, "SADD {drover:t}:services nothing");
	ask(o, "INCR {drover:t}:epoch");
	assert_true(loop_until(o->loop, is_complete, o, 5000));
	ask(o, "DEL {drover:t}:services");
	ask(o, "SET {drover:t}:services a-string");
	ask(o, "INCR {drover:t}:epoch");
	loop_for(o->loop, 2500);
	assert_int_equal(o->state, REGISTRY_UP);
	assert_non_null(strstr(o->reason, "WRONGTYPE"));
	ask(o, "DEL {drover:t}:services");
	assert_true(loop_until(o->loop, is_clear, o, 5000));
}

static void
every_wish_that_finds_no_memory_says_so(void **state)
{
	struct owner *o = *state;
	struct registry_instance in = { .service = "s",
		.id = "s.0",
		.address = "unix:/x",
		.state = "ready" };
	struct registry_args args = { .cluster = "t",
		.node = "a",
		.incarnation = "i",
		.url = o->server.url };

	alloc_hook_jansson();
	ALLOC_FAIL_EACH({
		int r = registry_set(o->reg, &in);
		json_t *view = registry_nodes(o->reg);

		assert_true(r == 0 || (alloc_failed() && r == -ENOMEM));
		assert_true(view != NULL || alloc_failed());
		json_decref(view);
		registry_remove(o->reg, "s.0");
	});
	ALLOC_FAIL_EACH({
		struct registry *reg = registry_new(
		    o->loop, &args, &ops, o, NULL);

		assert_true(reg != NULL || alloc_failed());
		registry_free(reg);
	});
}

static void
memory_that_fails_under_way_is_made_good(void **state)
{
	struct owner *o = *state;

	for (unsigned i = 0; i < 20; i++)
		wish(o->reg, i, "ready");
	o->want = 20;
	/* The nth allocation of connecting, joining and reading fails. */
	for (size_t n = 1; n < 60; n += 3) {
		registry_free(o->reg);
		o->state = REGISTRY_DOWN;
		o->reg = make_registry(o, "a", "i1");
		for (unsigned i = 0; i < 20; i++)
			wish(o->reg, i, "ready");
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
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(another_process_reads_what_is_up),
		T(redis_killed_and_started_is_complete_again),
		T(redis_stopped_and_going_on_is_noticed),
		T(an_emptied_redis_is_filled_again),
		T(a_redis_that_lost_its_files_is_filled_again),
		T(other_data_under_the_same_names_are_not_taken_for_ours),
		T(an_epoch_that_runs_backwards_registers_everything_again),
		T(a_lost_lease_is_taken_again),
		T(the_lease_is_renewed_and_runs_out_without_us),
		T(changes_made_in_one_turn_travel_together),
		T(the_latest_wish_wins),
		T(what_an_earlier_control_left_goes_and_its_lease_is_taken),
		T(a_clean_end_leaves_nothing_behind),
		T(leaving_without_a_connection_does_not_wait),
		T(out_of_memory_keeps_the_lease_and_writes_later),
		T(a_flush_of_scripts_changes_nothing),
		T(a_wrong_password_is_the_reason),
		T(data_of_another_version_are_left_alone),
		T(a_second_drover_of_the_same_name_is_seen),
		T(a_name_that_a_live_node_holds_is_not_overwritten),
		T(with_an_address_each_node_has_its_own_ids),
		T(off_accepts_everything_and_says_nothing),
		T(bad_names_are_refused),
		T(the_view_shows_all_nodes_and_whether_they_live),
		T(a_hand_in_redis_does_not_blind_us),
		T(every_wish_that_finds_no_memory_says_so),
		T(memory_that_fails_under_way_is_made_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
