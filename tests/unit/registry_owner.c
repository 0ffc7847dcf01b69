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

#include "registry_owner.h"

#include "base/str.h"

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

const struct registry_ops owner_ops = { .state = on_state, .link = on_link };

struct registry *
owner_registry(struct owner *o, const char *node, const char *incarnation)
{
	struct registry_args args = {
		.cluster = "t",
		.node = node,
		.incarnation = incarnation,
		.url = o->server.url,
	};
	struct registry *reg = registry_new(
	    o->loop, &args, &owner_ops, o, NULL);

	assert_non_null(reg);
	return reg;
}

int
owner_setup(void **state)
{
	struct owner *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->loop = loop_new(NULL);
	assert_non_null(o->loop);
	server_open(&o->server);
	server_start(&o->server, NULL);
	o->reg = owner_registry(o, "a", "i1");
	*state = o;
	return 0;
}

int
owner_teardown(void **state)
{
	struct owner *o = *state;

	registry_free(o->reg);
	loop_free(o->loop);
	server_done(&o->server);
	free(o);
	return 0;
}

void
owner_wish(struct registry *reg, unsigned n, const char *state)
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

const char *
owner_ask(struct owner *o, const char *command)
{
	const char *answer = server_ask(&o->server, command);

	return answer != NULL ? answer : "(gone)";
}

/* What another process would do: from Redis alone. */
uint64_t
owner_ask_u64(struct owner *o, const char *command)
{
	uint64_t n;

	assert_int_equal(str_u64(span_of(owner_ask(o, command)), &n), 0);
	return n;
}

unsigned
owner_count_up(struct owner *o)
{
	unsigned up = 0;
	char command[128];

	if (strcmp(owner_ask(o, "EXISTS {drover:t}:node:a"), "1") != 0)
		return 0;
	for (unsigned i = 0; i < o->want; i++) {
		snprintf(command, sizeof(command),
		    "HGET {drover:t}:inst:s%u s%u.0", i, i);
		if (strstr(owner_ask(o, command), "\"state\":\"ready\"") !=
		    NULL)
			up++;
	}
	return up;
}

void
owner_on_left(void *arg)
{
	((struct owner *)arg)->left = true;
}

bool
is_up(void *arg)
{
	return ((struct owner *)arg)->state == REGISTRY_UP;
}

bool
is_down(void *arg)
{
	return ((struct owner *)arg)->state == REGISTRY_DOWN;
}

bool
is_complete(void *arg)
{
	struct owner *o = arg;

	return owner_count_up(o) == o->want;
}

bool
is_clear(void *arg)
{
	struct owner *o = arg;

	return o->state == REGISTRY_UP && o->reason[0] == '\0';
}

bool
has_reason(void *arg)
{
	return ((struct owner *)arg)->reason[0] != '\0';
}

bool
has_left(void *arg)
{
	return ((struct owner *)arg)->left;
}

void
owner_start_with(struct owner *o, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		owner_wish(o->reg, i, "ready");
	o->want = n;
	registry_start(o->reg);
	assert_true(loop_until(o->loop, is_up, o, 5000));
}
