/* SPDX-License-Identifier: ISC */

#include "instance_owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

const struct instance_policy owner_policy = {
	.start_ms = 60000,
	.drain_ms = 30000,
	.stop_ms = 10000,
	.restart_first_ms = 0,
	.restart_base_ms = 100,
	.restart_max_ms = 60000,
	.reset_ms = 61000,
};

static void
note(struct owner *o, const char *what)
{
	size_t n = strlen(o->asked);

	assert_int_equal(
	    str_copy(o->asked + n, sizeof(o->asked) - n, span_of(what)), 0);
}

static void
on_spawn(void *arg, struct instance *in)
{
	struct owner *o = arg;

	assert_ptr_equal(in, o->in);
	o->spawns++;
	note(o, " spawn");
}

static void
on_term(void *arg, struct instance *in)
{
	assert_ptr_equal(in, ((struct owner *)arg)->in);
	note(arg, " term");
}

static void
on_kill(void *arg, struct instance *in)
{
	assert_ptr_equal(in, ((struct owner *)arg)->in);
	note(arg, " kill");
}

static void
on_arm(void *arg, struct instance *in, uint64_t ms)
{
	struct owner *o = arg;

	assert_ptr_equal(in, o->in);
	o->due = ms == UINT64_MAX ? UINT64_MAX : o->now + ms;
}

static void
on_changed(void *arg, struct instance *in, enum instance_state from)
{
	struct owner *o = arg;

	assert_int_not_equal(from, instance_state(in));
	o->changes++;
	if (o->frees_when_stopped && instance_state(in) == INSTANCE_STOPPED) {
		instance_free(in);
		o->in = NULL;
	} else if (o->drains_at_once && instance_state(in) == INSTANCE_DRAINING)
		assert_int_equal(instance_post(in, INSTANCE_EV_DRAINED), 0);
}

const struct instance_ops owner_ops = {
	.spawn = on_spawn,
	.term = on_term,
	.kill = on_kill,
	.arm = on_arm,
	.changed = on_changed,
};

void
owner_init(struct owner *o)
{
	*o = (struct owner){ .due = UINT64_MAX };
	rng_seed(&o->rng, 7);
	o->in = instance_new(&owner_policy, &owner_ops, o, &o->rng);
	assert_non_null(o->in);
}

void
owner_done(struct owner *o)
{
	instance_free(o->in);
}

int
owner_setup(void **state)
{
	static struct owner o;

	owner_init(&o);
	*state = &o;
	return 0;
}

int
owner_teardown(void **state)
{
	owner_done(*state);
	return 0;
}

int
post(struct owner *o, enum instance_event ev)
{
	o->asked[0] = '\0';
	if (ev == INSTANCE_EV_DEADLINE && o->due != UINT64_MAX) {
		o->now = o->due;
		o->due = UINT64_MAX;
	}
	return instance_post(o->in, ev);
}

void
post_all(struct owner *o, const enum instance_event *evs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(post(o, evs[i]), 0);
}

uint64_t
armed(const struct owner *o)
{
	return o->due == UINT64_MAX ? UINT64_MAX : o->due - o->now;
}

void
assert_state(const struct owner *o, enum instance_state want)
{
	assert_string_equal(instance_state_name(instance_state(o->in)),
	    instance_state_name(want));
}
