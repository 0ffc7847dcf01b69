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

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(another_process_reads_what_is_up),
		T(redis_killed_and_started_is_complete_again),
	};

	(void)has_left;
	(void)has_reason;
	(void)is_clear;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
