/* SPDX-License-Identifier: ISC */

#include "model/instance.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct instance {
	const struct instance_policy *policy;
	const struct instance_ops *ops;
	void *owner;
	struct rng *rng;
	enum instance_state state;
	unsigned crashes; /* in a row */
	bool wanted;
	bool again; /* start anew after the exit, without a wait */
};

/* What a transition does besides changing the state. */
enum {
	BLAME = 1,
	FORGIVE = 2,
	SPAWN = 4,
	TERM = 8,
	KILL = 16,
	WANTED = 32,
	UNWANTED = 64,
	AGAIN = 128,
};

/* Where an exit leads that was asked for: see after_exit(). */
#define INSTANCE_AFTER INSTANCE_NSTATES

struct transition {
	enum instance_state from;
	enum instance_event on;
	enum instance_state to;
	unsigned act;
};

/* clang-format off */
#define ON(from, on, to, act) \
	{ INSTANCE_##from, INSTANCE_EV_##on, INSTANCE_##to, act }

static const struct transition transitions[] = {
	ON(IDLE,	WANT,		STARTING,	WANTED | SPAWN),
	ON(IDLE,	RECYCLE,	STARTING,	WANTED | SPAWN),
	ON(IDLE,	UNWANT,		STOPPED,	0),

	ON(STARTING,	PASSED,		READY,		0),
	ON(STARTING,	UNWANT,		STOPPING,	UNWANTED | TERM),
	ON(STARTING,	RECYCLE,	STOPPING,	AGAIN | TERM),
	ON(STARTING,	DEADLINE,	STOPPING,	BLAME | TERM),
	ON(STARTING,	EXITED,		BACKOFF,	BLAME),
	ON(STARTING,	EXITED_FINAL,	STOPPED,	UNWANTED),
	ON(STARTING,	SPAWN_FAILED,	BACKOFF,	BLAME),

	ON(READY,	FAILED,		UNREADY,	0),
	ON(READY,	SICK,		STOPPING,	BLAME | TERM),
	ON(READY,	UNWANT,		DRAINING,	UNWANTED),
	ON(READY,	RECYCLE,	DRAINING,	AGAIN),
	ON(READY,	DEADLINE,	READY,		FORGIVE),
	ON(READY,	EXITED,		BACKOFF,	BLAME),
	ON(READY,	EXITED_FINAL,	STOPPED,	UNWANTED),

	ON(UNREADY,	PASSED,		READY,		0),
	ON(UNREADY,	SICK,		STOPPING,	BLAME | TERM),
	ON(UNREADY,	UNWANT,		DRAINING,	UNWANTED),
	ON(UNREADY,	RECYCLE,	DRAINING,	AGAIN),
	ON(UNREADY,	EXITED,		BACKOFF,	BLAME),
	ON(UNREADY,	EXITED_FINAL,	STOPPED,	UNWANTED),

	/* Wanted after all: it has to prove its health again. */
	ON(DRAINING,	WANT,		UNREADY,	WANTED),
	ON(DRAINING,	UNWANT,		DRAINING,	UNWANTED),
	ON(DRAINING,	RECYCLE,	DRAINING,	AGAIN),
	ON(DRAINING,	SICK,		STOPPING,	TERM),
	ON(DRAINING,	DRAINED,	STOPPING,	TERM),
	ON(DRAINING,	DEADLINE,	STOPPING,	TERM),
	ON(DRAINING,	EXITED,		AFTER,		0),
	ON(DRAINING,	EXITED_FINAL,	AFTER,		0),

	ON(STOPPING,	WANT,		STOPPING,	AGAIN),
	ON(STOPPING,	RECYCLE,	STOPPING,	AGAIN),
	ON(STOPPING,	UNWANT,		STOPPING,	UNWANTED),
	ON(STOPPING,	DEADLINE,	STOPPING,	KILL),
	ON(STOPPING,	EXITED,		AFTER,		0),
	ON(STOPPING,	EXITED_FINAL,	AFTER,		0),
	ON(STOPPING,	SPAWN_FAILED,	AFTER,		0),

	ON(STOPPED,	WANT,		STARTING,	WANTED | FORGIVE | SPAWN),
	ON(STOPPED,	RECYCLE,	STARTING,	WANTED | FORGIVE | SPAWN),

	/* An operator's restart skips the wait; a mere wish does not. */
	ON(BACKOFF,	DEADLINE,	STARTING,	SPAWN),
	ON(BACKOFF,	RECYCLE,	STARTING,	SPAWN),
	ON(BACKOFF,	UNWANT,		STOPPED,	UNWANTED),
};
/* clang-format on */

static const struct transition *
find(enum instance_state from, enum instance_event on)
{
	for (size_t i = 0; i < ARRAY_LEN(transitions); i++)
		if (transitions[i].from == from && transitions[i].on == on)
			return &transitions[i];
	return NULL;
}

/* An exit that was asked for: is it to come up again, and at once? */
static enum instance_state
after_exit(const struct instance *in, enum instance_event ev)
{
	if (in->again)
		return INSTANCE_STARTING;
	if (!in->wanted || ev == INSTANCE_EV_EXITED_FINAL)
		return INSTANCE_STOPPED;
	return INSTANCE_BACKOFF;
}

/* What becomes of the wish when it leads there. */
static unsigned
exit_act(enum instance_state to)
{
	if (to == INSTANCE_STARTING)
		return SPAWN;
	return to == INSTANCE_STOPPED ? UNWANTED : 0;
}

static void
note_wish(struct instance *in, unsigned what)
{
	if (what & BLAME)
		in->crashes++;
	if (what & FORGIVE)
		in->crashes = 0;
	if (what & (WANTED | AGAIN))
		in->wanted = true;
	if (what & UNWANTED)
		in->wanted = false;
	if (what & AGAIN)
		in->again = true;
	if (what & (UNWANTED | SPAWN))
		in->again = false;
}

static void
act(struct instance *in, unsigned what)
{
	if (what & SPAWN)
		in->ops->spawn(in->owner, in);
	if (what & TERM)
		in->ops->term(in->owner, in);
	if (what & KILL)
		in->ops->kill(in->owner, in);
}

uint64_t
instance_delay(const struct instance_policy *policy, unsigned n)
{
	uint64_t ms = policy->restart_base_ms;

	if (n <= 1)
		ms = policy->restart_first_ms;
	if (n >= 3 && ms < UINT64_MAX / 10)
		ms *= 10;
	for (unsigned i = 3; i < n && ms < policy->restart_max_ms; i++)
		ms *= 2;
	return ms < policy->restart_max_ms ? ms : policy->restart_max_ms;
}

static uint64_t
with_jitter(uint64_t ms, struct rng *rng)
{
	return ms - ms / 4 + ms * rng_below(rng, 1001) / 2000;
}

static uint64_t
deadline(const struct instance *in)
{
	const struct instance_policy *p = in->policy;

	switch (in->state) {
	case INSTANCE_STARTING:
		return p->start_ms;
	case INSTANCE_READY:
		return in->crashes > 0 ? p->reset_ms : UINT64_MAX;
	case INSTANCE_DRAINING:
		return p->drain_ms;
	case INSTANCE_STOPPING:
		return p->stop_ms;
	case INSTANCE_BACKOFF:
		return with_jitter(instance_delay(p, in->crashes), in->rng);
	default:
		return UINT64_MAX;
	}
}

struct instance *
instance_new(const struct instance_policy *policy,
    const struct instance_ops *ops, void *owner, struct rng *rng)
{
	struct instance *in = calloc(1, sizeof(*in));

	assert(ops->spawn && ops->term && ops->kill && ops->arm);
	assert(ops->changed);
	if (in == NULL)
		return NULL;
	in->policy = policy;
	in->ops = ops;
	in->owner = owner;
	in->rng = rng;
	return in;
}

void
instance_free(struct instance *in)
{
	if (in == NULL)
		return;
	in->ops->arm(in->owner, in, UINT64_MAX);
	free(in);
}

void
instance_set_policy(struct instance *in, const struct instance_policy *policy)
{
	in->policy = policy;
}

/* Events that speak of something we ordered, or are lies. */
static bool
needs_cause(enum instance_event ev)
{
	return ev == INSTANCE_EV_DEADLINE || ev == INSTANCE_EV_EXITED ||
	    ev == INSTANCE_EV_EXITED_FINAL || ev == INSTANCE_EV_SPAWN_FAILED;
}

/* An order already under way keeps its own deadline. */
static bool
keeps_deadline(
    enum instance_state from, enum instance_state to, enum instance_event ev)
{
	return from == to && ev != INSTANCE_EV_DEADLINE;
}

int
instance_post(struct instance *in, enum instance_event ev)
{
	enum instance_state from = in->state;
	const struct transition *t = find(from, ev);
	unsigned what;

	if (t == NULL)
		return needs_cause(ev) ? -EPROTO : 0;
	if (ev == INSTANCE_EV_WANT && in->wanted)
		return 0; /* nor does wishing twice skip a wait */

	what = t->act;
	in->state = t->to;
	if (t->to == INSTANCE_AFTER) {
		in->state = after_exit(in, ev);
		what |= exit_act(in->state);
	}
	note_wish(in, what);
	if (!keeps_deadline(from, in->state, ev))
		in->ops->arm(in->owner, in, deadline(in));
	act(in, what);
	if (in->state != from)
		in->ops->changed(in->owner, in, from); /* may free in */
	return 0;
}

int
instance_adopt(struct instance *in, enum instance_state state, unsigned crashes)
{
	if (find(state, INSTANCE_EV_EXITED) == NULL)
		return -EINVAL;
	in->state = state;
	in->crashes = crashes;
	in->wanted = state != INSTANCE_DRAINING && state != INSTANCE_STOPPING;
	in->ops->arm(in->owner, in, deadline(in));
	return 0;
}

enum instance_state
instance_state(const struct instance *in)
{
	return in->state;
}

bool
instance_wanted(const struct instance *in)
{
	return in->wanted;
}

bool
instance_has_process(const struct instance *in)
{
	return find(in->state, INSTANCE_EV_EXITED) != NULL;
}

unsigned
instance_crashes(const struct instance *in)
{
	return in->crashes;
}

static const char *const names[INSTANCE_NSTATES] = {
	[INSTANCE_IDLE] = "idle",
	[INSTANCE_STARTING] = "starting",
	[INSTANCE_READY] = "ready",
	[INSTANCE_UNREADY] = "unready",
	[INSTANCE_DRAINING] = "draining",
	[INSTANCE_STOPPING] = "stopping",
	[INSTANCE_STOPPED] = "stopped",
	[INSTANCE_BACKOFF] = "backoff",
};

const char *
instance_state_name(enum instance_state state)
{
	return state < INSTANCE_NSTATES ? names[state] : "?";
}

int
instance_state_parse(const char *name, enum instance_state *state)
{
	for (unsigned i = 0; i < INSTANCE_NSTATES; i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		*state = (enum instance_state)i;
		return 0;
	}
	return -EINVAL;
}
