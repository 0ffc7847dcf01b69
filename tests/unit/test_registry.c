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
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "registry_owner.h"

static void
another_process_reads_what_is_up(void **state)
{
	struct owner *o = *state;

	owner_start_with(o, 3);
	assert_true(o->link);
	assert_string_equal(o->reason, "");
	assert_int_equal(owner_count_up(o), 3);
	assert_string_equal(owner_ask(o, "HGET {drover:t}:inst:s1 s1.0"),
	    "{\"node\":\"a\",\"incarnation\":\"i1\",\"address\":"
	    "\"unix:/run/s1.sock\",\"state\":\"ready\",\"weight\":100,"
	    "\"token\":0}");
	assert_string_equal(owner_ask(o, "GET {drover:t}:schema"), "1");
	assert_string_equal(owner_ask(o, "SMEMBERS {drover:t}:nodes"), "a");
	assert_string_equal(
	    owner_ask(o, "HGET {drover:t}:node:a incarnation"), "i1");
	assert_int_equal(strlen(owner_ask(o, "GET {drover:t}:birth")), 32);
}

static void
changes_made_in_one_turn_travel_together(void **state)
{
	struct owner *o = *state;
	struct registry_stats before, after;

	owner_start_with(o, 0);
	registry_stats(o->reg, &before);
	for (unsigned i = 0; i < 50; i++) {
		owner_wish(o->reg, i, "starting");
		owner_wish(o->reg, i, "ready");
	}
	o->want = 50;
	assert_true(loop_until(o->loop, is_complete, o, 1000));
	loop_for(o->loop, 50);
	registry_stats(o->reg, &after);
	assert_int_equal(after.mutations - before.mutations, 1);
	assert_int_equal(after.pending, 0);
	/* The same owner_wish again costs nothing. */
	owner_wish(o->reg, 7, "ready");
	loop_for(o->loop, 50);
	registry_stats(o->reg, &before);
	assert_int_equal(after.mutations, before.mutations);
}

static void
the_latest_wish_wins(void **state)
{
	struct owner *o = *state;

	owner_start_with(o, 2);
	registry_remove(o->reg, "s0.0");
	owner_wish(o->reg, 0, "unready");
	registry_remove(o->reg, "s1.0");
	loop_for(o->loop, 100);
	assert_non_null(strstr(owner_ask(o, "HGET {drover:t}:inst:s0 s0.0"),
	    "\"state\":\"unready\""));
	assert_string_equal(owner_ask(o, "EXISTS {drover:t}:inst:s1"), "0");
	assert_string_equal(owner_ask(o, "SMEMBERS {drover:t}:services"), "s0");
	owner_wish(o->reg, 1, "ready");
	loop_for(o->loop, 1); /* sent, not answered */
	registry_remove(o->reg, "s1.0");
	loop_for(o->loop, 100);
	assert_string_equal(owner_ask(o, "EXISTS {drover:t}:inst:s1"), "0");
	registry_remove(o->reg, "s1.0");
	registry_remove(o->reg, "nobody");
}

static void
what_an_earlier_control_left_goes_and_its_lease_is_taken(void **state)
{
	struct owner *o = *state;

	owner_start_with(o, 3);
	registry_free(o->reg);
	o->state = REGISTRY_DOWN;
	o->reg = owner_registry(o, "a", "i1"); /* the same herd */
	owner_wish(o->reg, 0, "ready");
	owner_wish(o->reg, 9, "ready");
	registry_start(o->reg);
	assert_true(loop_until(o->loop, is_up, o, 3000));
	assert_string_equal(owner_ask(o, "EXISTS {drover:t}:inst:s1"), "0");
	assert_string_equal(owner_ask(o, "HLEN {drover:t}:inst:s9"), "1");
	registry_free(o->reg);
	o->state = REGISTRY_DOWN;
	o->reg = owner_registry(o, "a", "i2"); /* a new herd */
	owner_wish(o->reg, 0, "ready");
	o->want = 1;
	registry_start(o->reg);
	assert_true(loop_until(o->loop, is_up, o, 3000));
	assert_non_null(strstr(owner_ask(o, "HGET {drover:t}:inst:s0 s0.0"),
	    "\"incarnation\":\"i2\""));
	assert_string_equal(owner_ask(o, "EXISTS {drover:t}:inst:s9"), "0");
}

static void
a_clean_end_leaves_nothing_behind(void **state)
{
	struct owner *o = *state;
	uint64_t began;

	owner_start_with(o, 3);
	owner_ask(o, "HSET {drover:t}:inst:s1 other {\"node\":\"b\"}");
	registry_leave(o->reg, owner_on_left, o);
	assert_false(o->left);
	assert_true(loop_until(o->loop, has_left, o, 2000));
	assert_string_equal(owner_ask(o, "EXISTS {drover:t}:node:a"), "0");
	assert_string_equal(owner_ask(o, "SMEMBERS {drover:t}:nodes"), "");
	assert_string_equal(owner_ask(o, "SMEMBERS {drover:t}:services"), "s1");
	assert_string_equal(owner_ask(o, "HKEYS {drover:t}:inst:s1"), "other");

	registry_free(o->reg);
	o->state = REGISTRY_DOWN;
	o->left = false;
	o->reg = owner_registry(o, "a", "i1");
	owner_start_with(o, 1);
	server_signal(&o->server, SIGSTOP);
	began = clock_ms();
	registry_leave(o->reg, owner_on_left, o);
	assert_true(loop_until(o->loop, has_left, o, 3000));
	assert_in_range(clock_ms() - began, 900, 1500);
	server_signal(&o->server, SIGCONT);
}

static void
leaving_without_a_connection_does_not_wait(void **state)
{
	struct owner *o = *state;

	registry_leave(o->reg, owner_on_left, o); /* never started */
	assert_false(o->left);
	assert_true(loop_until(o->loop, has_left, o, 200));
}

static void
a_second_drover_of_the_same_name_is_seen(void **state)
{
	struct owner *o = *state;
	struct owner other = { .loop = o->loop, .server = o->server };

	owner_start_with(o, 2);
	other.reg = owner_registry(&other, "a", "i2");
	owner_wish(other.reg, 7, "ready");
	registry_start(other.reg);
	assert_true(loop_until(o->loop, is_up, &other, 3000));
	assert_true(loop_until(o->loop, is_down, o, 5000));
	assert_non_null(strstr(o->reason, "another drover"));
	assert_string_equal(owner_ask(o, "EXISTS {drover:t}:inst:s0"), "0");
	registry_leave(other.reg, owner_on_left, &other);
	assert_true(loop_until(o->loop, has_left, &other, 2000));
	registry_free(other.reg);
	assert_true(loop_until(o->loop, is_up, o, 5000));
	assert_true(is_complete(o));
}

static void
a_name_that_a_live_node_holds_is_not_overwritten(void **state)
{
	struct owner *o = *state;

	owner_ask(o, "HSET {drover:t}:node:b incarnation ib address x");
	owner_ask(o, "SADD {drover:t}:nodes b");
	owner_ask(o, "SADD {drover:t}:services s1");
	owner_ask(o,
	    "HSET {drover:t}:inst:s1 s1.0 "
	    "{\"node\":\"b\",\"incarnation\":\"ib\",\"address\":null,"
	    "\"state\":\"ready\",\"weight\":1}");
	owner_start_with(o, 2);
	assert_string_equal(
	    o->reason, "s1.0 is not registered: node b holds that name");
	assert_non_null(strstr(
	    owner_ask(o, "HGET {drover:t}:inst:s1 s1.0"), "\"node\":\"b\""));
	/* Its lease gone, the entry does not count any more. */
	owner_ask(o, "DEL {drover:t}:node:b");
	owner_wish(o->reg, 1, "unready");
	owner_wish(o->reg, 1, "ready");
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
	o->reg = registry_new(o->loop, &args, &owner_ops, o, NULL);
	assert_non_null(o->reg);
	owner_start_with(o, 1);
	assert_string_equal(owner_ask(o, "HKEYS {drover:t}:inst:s0"), "s0.0@b");
	assert_string_equal(
	    owner_ask(o, "HGET {drover:t}:node:b address"), "10.0.0.2:7070");
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
	o->reg = registry_new(o->loop, &args, &owner_ops, o, NULL);
	assert_non_null(o->reg);
	assert_int_equal(registry_state(o->reg), REGISTRY_OFF);
	assert_string_equal(registry_state_name(REGISTRY_OFF), "off");
	registry_start(o->reg);
	registry_kick(o->reg);
	owner_wish(o->reg, 1, "ready");
	loop_for(o->loop, 50);
	nodes = registry_nodes(o->reg);
	assert_int_equal(
	    json_array_size(json_object_get(nodes, "services")), 1);
	json_decref(nodes);
	registry_leave(o->reg, owner_on_left, o);
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

	assert_null(registry_new(o->loop, &args, &owner_ops, o, &err));
	assert_non_null(strstr(err.text, "host"));
	args.url = NULL;
	args.cluster = "a}b";
	assert_null(registry_new(o->loop, &args, &owner_ops, o, &err));
	args.cluster = "";
	assert_null(registry_new(o->loop, &args, &owner_ops, o, &err));
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

	other.reg = owner_registry(&other, "b", "i2");
	owner_wish(other.reg, 7, "ready");
	registry_start(other.reg);
	assert_true(loop_until(o->loop, is_up, &other, 3000));
	owner_start_with(o, 2);
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
	owner_ask(o, "PEXPIRE {drover:t}:node:b 1");
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
		    o->loop, &args, &owner_ops, o, NULL);

		assert_true(reg != NULL || alloc_failed());
		registry_free(reg);
	});
}

/* The script between the fences of the page, as redis-cli would send it. */
static void
the_example_of_the_page_works(void **state)
{
	struct owner *o = *state;
	const char *srcdir = getenv("srcdir"), *from, *to, *up;
	struct buf page;
	char path[512];

	buf_init(&page, 1 << 20);
	snprintf(path, sizeof(path), "%s/doc/internals/registry.md",
	    srcdir != NULL ? srcdir : "..");
	assert_int_equal(fd_read_file(path, &page), 0);
	from = strstr(buf_str(&page), "```lua\n");
	assert_non_null(from);
	from += strlen("```lua\n");
	to = strstr(from, "```");
	assert_non_null(to);

	owner_start_with(o, 2);
	owner_wish(o->reg, 2, "starting");
	owner_ask(o,
	    "HSET {drover:t}:inst:s1 s1.9 "
	    "{\"node\":\"a\",\"incarnation\":\"old\",\"address\":\"x\","
	    "\"state\":\"ready\"}");
	up = server_eval(&o->server, (struct span){ from, (size_t)(to - from) },
	    "{drover:t}:epoch");
	assert_non_null(up);
	assert_non_null(strstr(up, "s0.0 a unix:/run/s0.sock"));
	assert_non_null(strstr(up, "s1.0 a unix:/run/s1.sock"));
	assert_null(strstr(up, "s1.9"));
	assert_null(strstr(up, "s2.0"));
	buf_done(&page);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, owner_setup, owner_teardown)
	const struct CMUnitTest tests[] = {
		T(another_process_reads_what_is_up),
		T(the_example_of_the_page_works),
		T(changes_made_in_one_turn_travel_together),
		T(the_latest_wish_wins),
		T(what_an_earlier_control_left_goes_and_its_lease_is_taken),
		T(a_clean_end_leaves_nothing_behind),
		T(leaving_without_a_connection_does_not_wait),
		T(a_second_drover_of_the_same_name_is_seen),
		T(a_name_that_a_live_node_holds_is_not_overwritten),
		T(with_an_address_each_node_has_its_own_ids),
		T(off_accepts_everything_and_says_nothing),
		T(bad_names_are_refused),
		T(the_view_shows_all_nodes_and_whether_they_live),
		T(every_wish_that_finds_no_memory_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
