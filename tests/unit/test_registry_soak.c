/* SPDX-License-Identifier: ISC */

/*
 * 200 instances whose states change all the time, and a Redis that is killed
 * again and again at any moment, at times with the loss of its files: each
 * time it is up again Redis alone tells the whole truth within 10 s.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/rand.h"
#include "registry_owner.h"

#define INSTANCES 200
#define KILLS 20
#define WITHIN_MS 10000

struct soak {
	struct owner *o;
	struct rng rng;
	struct loop_timer churn;
	bool stop;
};

static void
on_churn(void *arg)
{
	struct soak *s = arg;
	unsigned i = rng_below(&s->rng, INSTANCES);

	if (s->stop)
		return;
	if (rng_below(&s->rng, 4) == 0) {
		char id[16];

		snprintf(id, sizeof(id), "s%u.0", i);
		registry_remove(s->o->reg, id);
	} else
		owner_wish(s->o->reg, i, "unready");
	owner_wish(s->o->reg, i, "ready");
	loop_timer_arm(&s->churn, rng_below(&s->rng, 5));
}

static void
one_kill(struct soak *s, const char *const *args, uint64_t *worst)
{
	struct owner *o = s->o;
	uint64_t began, ms;

	loop_for(o->loop, rng_below(&s->rng, 400));
	server_kill(&o->server);
	loop_for(o->loop, rng_below(&s->rng, 600));
	server_start(&o->server, args);
	began = clock_ms();
	assert_true(loop_until(o->loop, is_complete, o, WITHIN_MS));
	ms = clock_ms() - began;
	if (ms > *worst)
		*worst = ms;
}

static void
redis_killed_at_any_moment_is_complete_again(void **state)
{
	const char *const no_aof[] = { "--appendonly", "no", NULL };
	struct soak s = { .o = *state };
	uint64_t worst = 0;

	rng_seed(&s.rng, clock_ms());
	owner_start_with(s.o, INSTANCES);
	loop_timer_init(&s.churn, s.o->loop, on_churn, &s);
	loop_timer_arm(&s.churn, 0);
	for (int i = 0; i < KILLS; i++)
		one_kill(&s, rng_below(&s.rng, 3) == 0 ? no_aof : NULL, &worst);
	s.stop = true;
	loop_timer_done(&s.churn);
	assert_true(loop_until(s.o->loop, is_clear, s.o, WITHIN_MS));
	/* The last wish may still be on its way. */
	assert_true(loop_until(s.o->loop, is_complete, s.o, WITHIN_MS));
	print_message("%d kills: complete within %llu ms at the worst\n", KILLS,
	    (unsigned long long)worst);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    redis_killed_at_any_moment_is_complete_again, owner_setup,
		    owner_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
