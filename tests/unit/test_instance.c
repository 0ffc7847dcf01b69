/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/array.h"
#include "base/str.h"
#include "model/instance.h"

static const struct instance_policy policy = {
	.start_ms = 60000,
	.drain_ms = 30000,
	.stop_ms = 10000,
	.restart_first_ms = 0,
	.restart_base_ms = 100,
	.restart_max_ms = 60000,
	.reset_ms = 61000,
};

/* --- an owner with a clock of its own that writes down what it is asked --- */

struct owner {
	struct instance *in;
	struct rng rng;
	uint64_t now;
	uint64_t due;	/* UINT64_MAX: nothing armed */
	char asked[64]; /* since the last post */
	unsigned spawns;
	unsigned changes;
	bool drains_at_once;
	bool frees_when_stopped;
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

static const struct instance_ops ops = {
	.spawn = on_spawn,
	.term = on_term,
	.kill = on_kill,
	.arm = on_arm,
	.changed = on_changed,
};

static void
owner_init(struct owner *o)
{
	*o = (struct owner){ .due = UINT64_MAX };
	rng_seed(&o->rng, 7);
	o->in = instance_new(&policy, &ops, o, &o->rng);
	assert_non_null(o->in);
}

static void
owner_done(struct owner *o)
{
	instance_free(o->in);
}

static int
setup(void **state)
{
	static struct owner o;

	owner_init(&o);
	*state = &o;
	return 0;
}

static int
teardown(void **state)
{
	owner_done(*state);
	return 0;
}

static int
post(struct owner *o, enum instance_event ev)
{
	o->asked[0] = '\0';
	if (ev == INSTANCE_EV_DEADLINE && o->due != UINT64_MAX) {
		o->now = o->due;
		o->due = UINT64_MAX;
	}
	return instance_post(o->in, ev);
}

static void
post_all(struct owner *o, const enum instance_event *evs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(post(o, evs[i]), 0);
}

#define EVENTS(...) ((const enum instance_event[]){ __VA_ARGS__ })
#define POST(o, ...) \
	post_all(o, EVENTS(__VA_ARGS__), ARRAY_LEN(EVENTS(__VA_ARGS__)))

#define WANT INSTANCE_EV_WANT
#define UNWANT INSTANCE_EV_UNWANT
#define RECYCLE INSTANCE_EV_RECYCLE
#define PASSED INSTANCE_EV_PASSED
#define FAILED INSTANCE_EV_FAILED
#define SICK INSTANCE_EV_SICK
#define DRAINED INSTANCE_EV_DRAINED
#define DEADLINE INSTANCE_EV_DEADLINE
#define EXITED INSTANCE_EV_EXITED
#define FINAL INSTANCE_EV_EXITED_FINAL
#define UNBORN INSTANCE_EV_SPAWN_FAILED

static uint64_t
armed(const struct owner *o)
{
	return o->due == UINT64_MAX ? UINT64_MAX : o->due - o->now;
}

static void
assert_state(const struct owner *o, enum instance_state want)
{
	assert_string_equal(instance_state_name(instance_state(o->in)),
	    instance_state_name(want));
}

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
#define END INSTANCE_NEVENTS
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

/* --- deadlines ------------------------------------------------------------ */

static void
each_state_has_its_deadline(void **state)
{
	struct owner *o = *state;

	POST(o, WANT);
	assert_int_equal(armed(o), policy.start_ms);
	POST(o, PASSED);
	assert_int_equal(armed(o), UINT64_MAX); /* no crash to forget */
	POST(o, FAILED);
	assert_int_equal(armed(o), UINT64_MAX);
	POST(o, UNWANT);
	assert_int_equal(armed(o), policy.drain_ms);
	POST(o, DRAINED);
	assert_int_equal(armed(o), policy.stop_ms);
	POST(o, DEADLINE);
	assert_int_equal(armed(o), policy.stop_ms); /* and is killed again */
	POST(o, EXITED);
	assert_int_equal(armed(o), UINT64_MAX);
}

static void
a_repeated_order_keeps_its_deadline(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, UNWANT);
	o->now += 1000;
	POST(o, UNWANT, RECYCLE);
	assert_int_equal(armed(o), policy.drain_ms - 1000);
	POST(o, DRAINED);
	o->now += 1000;
	POST(o, UNWANT, WANT, RECYCLE);
	assert_int_equal(armed(o), policy.stop_ms - 1000);
}

static void
unready_for_ever_is_never_restarted(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, FAILED);
	for (unsigned i = 0; i < 1000; i++)
		POST(o, FAILED);
	assert_state(o, INSTANCE_UNREADY);
	assert_int_equal(armed(o), UINT64_MAX);
	assert_int_equal(o->spawns, 1);
}

static void
one_that_does_not_get_ready_is_replaced(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, DEADLINE);
	assert_string_equal(o->asked, " term");
	assert_int_equal(o->now, policy.start_ms);
	POST(o, DEADLINE);
	assert_string_equal(o->asked, " kill");
	POST(o, EXITED);
	assert_state(o, INSTANCE_BACKOFF);
	assert_int_equal(instance_crashes(o->in), 1); /* once, not twice */
}

/* --- the wait before a restart -------------------------------------------- */

static void
delays_are_as_the_design_says(void **state)
{
	static const uint64_t want[] = { 0, 100, 1000, 2000, 4000, 8000, 16000,
		32000, 60000, 60000 };

	(void)state;
	for (unsigned n = 0; n < ARRAY_LEN(want); n++)
		assert_int_equal(instance_delay(&policy, n + 1), want[n]);
	assert_int_equal(instance_delay(&policy, UINT32_MAX), 60000);
}

static void
delays_stay_under_any_ceiling(void **state)
{
	struct instance_policy p = policy;

	(void)state;
	p.restart_max_ms = 50;
	for (unsigned n = 1; n < 80; n++)
		assert_true(instance_delay(&p, n) <= 50);
	p.restart_base_ms = UINT64_MAX / 4;
	p.restart_max_ms = UINT64_MAX / 2;
	for (unsigned n = 1; n < 80; n++)
		assert_true(instance_delay(&p, n) <= UINT64_MAX / 2);
}

static void
it_waits_longer_and_never_gives_up(void **state)
{
	struct owner *o = *state;

	POST(o, WANT);
	for (unsigned n = 1; n <= 200; n++) {
		uint64_t delay = instance_delay(&policy, n);

		POST(o, EXITED);
		assert_state(o, INSTANCE_BACKOFF);
		assert_int_equal(instance_crashes(o->in), n);
		assert_true(armed(o) >= delay - delay / 4);
		assert_true(armed(o) <= delay + delay / 4);
		POST(o, DEADLINE);
		assert_string_equal(o->asked, " spawn");
	}
}

static void
jitter_uses_the_whole_quarter(void **state)
{
	uint64_t low = UINT64_MAX, high = 0;
	struct owner *o = *state;

	POST(o, WANT);
	for (unsigned n = 0; n < 2000; n++) {
		POST(o, EXITED);
		if (instance_crashes(o->in) >= 9) {
			low = armed(o) < low ? armed(o) : low;
			high = armed(o) > high ? armed(o) : high;
		}
		POST(o, DEADLINE);
	}
	assert_in_range(low, 45000, 46000);
	assert_in_range(high, 74000, 75000);
}

static void
a_failed_spawn_is_a_crash(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, UNBORN);
	assert_state(o, INSTANCE_BACKOFF);
	assert_int_equal(instance_crashes(o->in), 1);
	assert_false(instance_has_process(o->in));
}

static void
ready_for_long_forgets_the_crashes(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, EXITED, DEADLINE, EXITED, DEADLINE, PASSED);
	assert_int_equal(instance_crashes(o->in), 2);
	assert_int_equal(armed(o), policy.reset_ms);
	POST(o, DEADLINE);
	assert_int_equal(instance_crashes(o->in), 0);
	assert_int_equal(armed(o), UINT64_MAX);
	POST(o, EXITED);
	assert_int_equal(armed(o), 0);
}

static void
a_wobble_starts_the_forgetting_anew(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, EXITED, DEADLINE, PASSED);
	o->now += 60000;
	POST(o, FAILED);
	assert_int_equal(armed(o), UINT64_MAX);
	POST(o, PASSED);
	assert_int_equal(armed(o), policy.reset_ms);
}

static void
an_operators_restart_skips_the_wait(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, EXITED, DEADLINE, EXITED, DEADLINE, EXITED);
	POST(o, WANT); /* a wish does not */
	assert_state(o, INSTANCE_BACKOFF);
	POST(o, RECYCLE);
	assert_state(o, INSTANCE_STARTING);
	assert_string_equal(o->asked, " spawn");
	assert_int_equal(armed(o), policy.start_ms);
}

static void
wishing_again_while_a_sick_one_stops_skips_no_wait(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, EXITED, DEADLINE, DEADLINE, WANT, EXITED);
	assert_state(o, INSTANCE_BACKOFF);
	assert_in_range(armed(o), 75, 125);
}

static void
an_asked_for_restart_is_no_crash(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, RECYCLE, DRAINED, EXITED);
	assert_state(o, INSTANCE_STARTING);
	assert_string_equal(o->asked, " spawn");
	assert_int_equal(instance_crashes(o->in), 0);
	POST(o, EXITED); /* the next exit is not excused */
	assert_state(o, INSTANCE_BACKOFF);
}

static void
a_restart_asked_for_at_any_stage_happens(void **state)
{
	static const enum instance_event roads[][5] = {
		{ WANT, RECYCLE, END },
		{ WANT, UNWANT, RECYCLE, END },
		{ WANT, PASSED, RECYCLE, END },
		{ WANT, PASSED, UNWANT, RECYCLE, END },
		{ WANT, PASSED, FAILED, RECYCLE, END },
		{ WANT, PASSED, SICK, RECYCLE, END },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(roads); i++) {
		struct owner o;

		owner_init(&o);
		for (size_t j = 0; roads[i][j] != END; j++)
			POST(&o, roads[i][j]);
		POST(&o, DRAINED, EXITED);
		assert_state(&o, INSTANCE_STARTING);
		assert_int_equal(o.spawns, 2);
		owner_done(&o);
	}
}

static void
stop_after_restart_means_stop(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, RECYCLE, UNWANT, DRAINED, EXITED);
	assert_state(o, INSTANCE_STOPPED);
	POST(o, WANT, RECYCLE, UNWANT, EXITED);
	assert_state(o, INSTANCE_STOPPED);
	assert_int_equal(o->spawns, 2);
}

static void
start_after_stop_means_start(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, UNWANT, DRAINED, WANT, EXITED);
	assert_state(o, INSTANCE_STARTING);
	assert_true(instance_wanted(o->in));
}

static void
one_wanted_while_draining_proves_its_health(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, UNWANT, WANT);
	assert_state(o, INSTANCE_UNREADY);
	assert_int_equal(armed(o), UINT64_MAX);
	POST(o, PASSED);
	assert_state(o, INSTANCE_READY);
	assert_int_equal(o->spawns, 1);
}

static void
code_125_stays_down_until_wanted(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, FINAL);
	assert_state(o, INSTANCE_STOPPED);
	assert_false(instance_wanted(o->in));
	assert_int_equal(armed(o), UINT64_MAX);
	POST(o, WANT);
	assert_state(o, INSTANCE_STARTING);
}

static void
code_125_of_a_sick_one_is_heard_too(void **state)
{
	struct owner *o = *state;

	POST(o, WANT, PASSED, SICK, FINAL);
	assert_state(o, INSTANCE_STOPPED);
	assert_false(instance_wanted(o->in));
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
	assert_int_equal(armed(o), policy.reset_ms);
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
	assert_int_equal(armed(o), policy.stop_ms);
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
	struct instance_policy other = policy;
	struct owner *o = *state;

	other.drain_ms = 5;
	POST(o, WANT, PASSED);
	instance_set_policy(o->in, &other);
	POST(o, UNWANT);
	assert_int_equal(armed(o), 5);
	instance_set_policy(o->in, &policy);
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
		o.in = instance_new(&policy, &ops, &o, &o.rng);
		assert_int_equal(o.in == NULL, alloc_failed());
		if (o.in != NULL)
			POST(&o, WANT, PASSED, EXITED, DEADLINE);
		instance_free(o.in);
	});
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_state_meets_every_event),
		T(a_new_one_is_idle_until_wanted),
		T(an_idle_one_can_be_stopped_or_restarted),
		T(each_state_has_its_deadline),
		T(a_repeated_order_keeps_its_deadline),
		T(unready_for_ever_is_never_restarted),
		T(one_that_does_not_get_ready_is_replaced),
		T(delays_are_as_the_design_says),
		T(delays_stay_under_any_ceiling),
		T(it_waits_longer_and_never_gives_up),
		T(jitter_uses_the_whole_quarter),
		T(a_failed_spawn_is_a_crash),
		T(ready_for_long_forgets_the_crashes),
		T(a_wobble_starts_the_forgetting_anew),
		T(an_operators_restart_skips_the_wait),
		T(wishing_again_while_a_sick_one_stops_skips_no_wait),
		T(an_asked_for_restart_is_no_crash),
		T(a_restart_asked_for_at_any_stage_happens),
		T(stop_after_restart_means_stop),
		T(start_after_stop_means_start),
		T(one_wanted_while_draining_proves_its_health),
		T(code_125_stays_down_until_wanted),
		T(code_125_of_a_sick_one_is_heard_too),
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
