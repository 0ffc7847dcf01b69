/* SPDX-License-Identifier: ISC */

/*
 * instance_owner - an owner with a clock of its own, for tests of instance
 *
 * It writes down what it is asked, and starts nothing. A DEADLINE that is
 * posted moves its clock to where the deadline stood.
 */

#ifndef TESTS_UNIT_INSTANCE_OWNER_H
#define TESTS_UNIT_INSTANCE_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/rand.h"
#include "model/instance.h"

struct owner {
	struct instance *in;
	struct rng rng;
	uint64_t now;
	uint64_t due;	/* UINT64_MAX: nothing armed */
	char asked[64]; /* since the last post: " term", " spawn", " kill" */
	unsigned spawns;
	unsigned changes;
	bool drains_at_once;
	bool frees_when_stopped;
};

extern const struct instance_policy owner_policy;
extern const struct instance_ops owner_ops;

void owner_init(struct owner *o); /* with an idle instance */
void owner_done(struct owner *o);

/* For cmocka: *state is an owner. */
int owner_setup(void **state);
int owner_teardown(void **state);

int post(struct owner *o, enum instance_event ev);
void post_all(struct owner *o, const enum instance_event *evs, size_t n);
uint64_t armed(const struct owner *o); /* ms from now; or UINT64_MAX */
void assert_state(const struct owner *o, enum instance_state want);

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

#define END INSTANCE_NEVENTS

#define T(f) cmocka_unit_test_setup_teardown(f, owner_setup, owner_teardown)

#endif /* TESTS_UNIT_INSTANCE_OWNER_H */
