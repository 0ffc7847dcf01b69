/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "instance_owner.h"

/* --- the law, said a second time ------------------------------------------ */

/*
 * Where an event leads from each way of being in a state: "-" means nothing,
 * "!" is refused; else the new state, what is asked of the owner, and what
 * becomes of the count of crashes (one stands there before).
 */
/* clang-format off */
#define FIRST	"starting spawn forgive"
#define CRASH	"backoff blame"
#define OUT	"stopping term"
static const struct row {
	const char *name;
	enum instance_event road[8]; /* after a crash; ends with NEVENTS */
	const char *leads[INSTANCE_NEVENTS];
} law[] = {
/*			  want		 unwant		  recycle	 passed   failed     sick		   drained  deadline		     exited	125	   unborn */
{ "backoff", { END },
			{ "-",		 "stopped",	  "starting spawn", "-",  "-",	     "-",		   "-",	    "starting spawn",	     "!",	"!",	   "!" } },
{ "stopped", { UNWANT, END },
			{ FIRST,	 "-",		  FIRST,	 "-",	  "-",	     "-",		   "-",	    "!",		     "!",	"!",	   "!" } },
{ "starting", { DEADLINE, END },
			{ "-",		 OUT,		  OUT,		 "ready", "-",	     "-",		   "-",	    "stopping term blame",   CRASH,	"stopped", CRASH } },
{ "ready", { DEADLINE, PASSED, END },
			{ "-",		 "draining",	  "draining",	 "-",	  "unready", "stopping term blame", "-",    "ready forgive",	     CRASH,	"stopped", "!" } },
{ "unready", { DEADLINE, PASSED, FAILED, END },
			{ "-",		 "draining",	  "draining",	 "ready", "-",	     "stopping term blame", "-",    "!",		     CRASH,	"stopped", "!" } },
{ "draining", { DEADLINE, PASSED, UNWANT, END },
			{ "unready",	 "-",		  "-",		 "-",	  "-",	     OUT,		   OUT,	    OUT,		     "stopped",	"stopped", "!" } },
{ "draining", { DEADLINE, PASSED, RECYCLE, END },
			{ "-",		 "-",		  "-",		 "-",	  "-",	     OUT,		   OUT,	    OUT,		     "starting spawn", "starting spawn", "!" } },
{ "stopping", { DEADLINE, UNWANT, END },
			{ "-",		 "-",		  "-",		 "-",	  "-",	     "-",		   "-",	    "stopping kill",	     "stopped",	"stopped", "stopped" } },
{ "stopping", { DEADLINE, RECYCLE, END },
			{ "-",		 "-",		  "-",		 "-",	  "-",	     "-",		   "-",	    "stopping kill",	     "starting spawn", "starting spawn", "starting spawn" } },
{ "stopping", { DEADLINE, PASSED, SICK, END },
			{ "-",		 "-",		  "-",		 "-",	  "-",	     "-",		   "-",	    "stopping kill",	     "backoff",	"stopped", "backoff" } },
};
/* clang-format on */

static void
walk(struct owner *o, const struct row *row)
{
	owner_init(o);
	POST(o, WANT, EXITED);
	for (size_t i = 0; row->road[i] != END; i++)
		POST(o, row->road[i]);
	assert_string_equal(
	    instance_state_name(instance_state(o->in)), row->name);
}

/* What is wanted follows from the state, or was said last. */
static void
assert_wish(const struct owner *o, enum instance_event ev)
{
	enum instance_state s = instance_state(o->in);

	if (s == INSTANCE_IDLE || s == INSTANCE_STOPPED)
		assert_false(instance_wanted(o->in));
	else if (s != INSTANCE_DRAINING && s != INSTANCE_STOPPING)
		assert_true(instance_wanted(o->in));
	else if (ev == WANT || ev == RECYCLE || ev == UNWANT)
		assert_int_equal(instance_wanted(o->in), ev != UNWANT);
}

static void
check_cell(const struct row *row, enum instance_event ev)
{
	const char *from = row->name, *want = row->leads[ev];
	unsigned before, after;
	struct owner o;
	char got[96];
	int r;

	walk(&o, row);
	before = instance_crashes(o.in);
	r = post(&o, ev);
	after = instance_crashes(o.in);
	snprintf(got, sizeof(got), "%s%s%s",
	    instance_state_name(instance_state(o.in)), o.asked,
	    after > before	 ? " blame"
		: after < before ? " forgive"
				 : "");
	if (strcmp(got, from) == 0)
		snprintf(got, sizeof(got), "%s", r == -EPROTO ? "!" : "-");
	if (strcmp(got, want) != 0 || r != (got[0] == '!' ? -EPROTO : 0))
		fail_msg("%s, event %d: wanted \"%s\", got \"%s\" (%d)", from,
		    (int)ev, want, got, r);
	assert_wish(&o, ev);
	owner_done(&o);
}

static void
every_state_meets_every_event(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(law); i++)
		for (unsigned ev = 0; ev < INSTANCE_NEVENTS; ev++)
			check_cell(&law[i], (enum instance_event)ev);
}

static void
a_new_one_is_idle_until_wanted(void **state)
{
	static const enum instance_event refused[] = { DEADLINE, EXITED, FINAL,
		UNBORN };
	static const enum instance_event nothing[] = { PASSED, FAILED, SICK,
		DRAINED };
	struct owner *o = *state;

	assert_state(o, INSTANCE_IDLE);
	assert_false(instance_wanted(o->in));
	assert_false(instance_has_process(o->in));
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		assert_int_equal(post(o, refused[i]), -EPROTO);
	POST(o, PASSED);
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++)
		assert_int_equal(post(o, nothing[i]), 0);
	assert_state(o, INSTANCE_IDLE);
	assert_int_equal(o->changes, 0);
	POST(o, WANT);
	assert_state(o, INSTANCE_STARTING);
	assert_string_equal(o->asked, " spawn");
	assert_true(instance_wanted(o->in));
	assert_true(instance_has_process(o->in));
}

static void
an_idle_one_can_be_stopped_or_restarted(void **state)
{
	struct owner *o = *state;
	struct owner other;

	POST(o, UNWANT);
	assert_state(o, INSTANCE_STOPPED);
	owner_init(&other);
	POST(&other, RECYCLE);
	assert_state(&other, INSTANCE_STARTING);
	assert_string_equal(other.asked, " spawn");
	assert_true(instance_wanted(other.in));
	owner_done(&other);
}

/* --- taking over ---------------------------------------------------------- */

static void
an_adopted_one_goes_on_as_it_was(void **state)
{
	static const struct {
		enum instance_state as;
		uint64_t armed;
		bool wanted;
	} cases[] = {
		{ INSTANCE_STARTING, 60000, true },
		{ INSTANCE_READY, UINT64_MAX, true },
		{ INSTANCE_UNREADY, UINT64_MAX, true },
		{ INSTANCE_DRAINING, 30000, false },
		{ INSTANCE_STOPPING, 10000, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct owner o;

		owner_init(&o);
		assert_int_equal(instance_adopt(o.in, cases[i].as, 0), 0);
		assert_state(&o, cases[i].as);
		assert_true(instance_has_process(o.in));
		assert_int_equal(instance_wanted(o.in), cases[i].wanted);
		assert_int_equal(armed(&o), cases[i].armed);
		assert_string_equal(o.asked, "");
		assert_int_equal(o.changes, 0);
		POST(&o, EXITED);
		assert_false(instance_has_process(o.in));
		owner_done(&o);
	}
}

static void
what_has_no_process_cannot_be_adopted(void **state)
{
	static const enum instance_state bad[] = { INSTANCE_IDLE,
		INSTANCE_STOPPED, INSTANCE_BACKOFF, INSTANCE_NSTATES };
	struct owner *o = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(instance_adopt(o->in, bad[i], 3), -EINVAL);
	assert_state(o, INSTANCE_IDLE);
	assert_int_equal(instance_crashes(o->in), 0);
}

static void
an_adopted_one_remembers_its_crashes(void **state)
{
	struct owner *o = *state;

	assert_int_equal(instance_adopt(o->in, INSTANCE_READY, 4), 0);
	assert_int_equal(armed(o), owner_policy.reset_ms);
	POST(o, EXITED);
	assert_int_equal(instance_crashes(o->in), 5);
	assert_in_range(armed(o), 3000, 5000);
}

/* --- the contract --------------------------------------------------------- */

static void
changed_may_post_again(void **state)
{
	struct owner *o = *state;

	o->drains_at_once = true;
	POST(o, WANT, PASSED, UNWANT);
	assert_state(o, INSTANCE_STOPPING);
	assert_string_equal(o->asked, " term");
	assert_int_equal(armed(o), owner_policy.stop_ms);
}

static void
changed_may_free_it(void **state)
{
	struct owner *o = *state;

	o->frees_when_stopped = true;
	POST(o, WANT, UNWANT, EXITED);
	assert_null(o->in);
}

static void
free_takes_the_deadline_with_it(void **state)
{
	struct owner o;

	(void)state;
	owner_init(&o);
	POST(&o, WANT);
	assert_int_not_equal(o.due, UINT64_MAX);
	instance_free(o.in);
	assert_int_equal(o.due, UINT64_MAX);
	instance_free(NULL);
}

static void
a_new_policy_rules_from_the_next_deadline_on(void **state)
{
	struct instance_policy other = owner_policy;
	struct owner *o = *state;

	other.drain_ms = 5;
	POST(o, WANT, PASSED);
	instance_set_policy(o->in, &other);
	POST(o, UNWANT);
	assert_int_equal(armed(o), 5);
	instance_set_policy(o->in, &owner_policy);
}

static void
names_lead_there_and_back(void **state)
{
	enum instance_state back;

	(void)state;
	for (unsigned s = 0; s < INSTANCE_NSTATES; s++) {
		const char *name = instance_state_name((enum instance_state)s);

		assert_int_equal(instance_state_parse(name, &back), 0);
		assert_int_equal(back, s);
	}
	assert_string_equal(instance_state_name(INSTANCE_NSTATES), "?");
	assert_int_equal(instance_state_parse("?", &back), -EINVAL);
	assert_int_equal(instance_state_parse("Ready", &back), -EINVAL);
	assert_int_equal(instance_state_parse("", &back), -EINVAL);
}

static void
without_memory_there_is_none(void **state)
{
	struct owner o = { .due = UINT64_MAX };

	(void)state;
	rng_seed(&o.rng, 1);
	ALLOC_FAIL_EACH({
		o.in = instance_new(&owner_policy, &owner_ops, &o, &o.rng);
		assert_int_equal(o.in == NULL, alloc_failed());
		if (o.in != NULL)
			POST(&o, WANT, PASSED, EXITED, DEADLINE);
		instance_free(o.in);
	});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_state_meets_every_event),
		T(a_new_one_is_idle_until_wanted),
		T(an_idle_one_can_be_stopped_or_restarted),
		T(an_adopted_one_goes_on_as_it_was),
		T(what_has_no_process_cannot_be_adopted),
		T(an_adopted_one_remembers_its_crashes),
		T(changed_may_post_again),
		T(changed_may_free_it),
		T(free_takes_the_deadline_with_it),
		T(a_new_policy_rules_from_the_next_deadline_on),
		T(names_lead_there_and_back),
		T(without_memory_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
