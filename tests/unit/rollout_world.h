/* SPDX-License-Identifier: ISC */

/*
 * rollout_world - a service whose copies are replaced, and what must hold of it
 *
 * Every state change of the service is looked at: how few copies were ready to
 * take traffic, and how many processes there were, but for those that had been
 * let go. V1, V2 and V3 are its versions.
 */

#ifndef TESTS_UNIT_ROLLOUT_WORLD_H
#define TESTS_UNIT_ROLLOUT_WORLD_H

#include "control/state.h"
#include "control_world.h"
#include "fake_herd.h"

#define V1 "env: {V: \"1\"}\n"
#define V2 "env: {V: \"2\"}\n"
#define V3 "env: {V: \"3\"}\n"
#define THREE "replicas: 3\nrestart: {first: 0ms, base: 10ms, max: 20ms}\n"
#define WATCH "rollout: {watch: 150ms, errors: 5%, minimum: 5}\n"

extern struct guard {
	struct world *w;
	unsigned least, most; /* copies that take traffic, processes */
	unsigned seen;
} guard;

struct service *api(void);
struct rollout *rollout(void);

/* With `more` as the service's configuration, and another one's if base. */
struct world *world_of(const char *more, const char *base);

/* n copies, ready, and guarded from now on. */
struct world *herd_of(unsigned n, const char *more);
void begin_guard(struct world *w);
void end(struct world *w);

/* Never fewer ready than n, never more processes than n + 1. */
void assert_capacity(unsigned n);

json_t *reload_how(struct world *w, const struct control_reload *how);
void deploy(struct world *w, const char *text, unsigned canary);

/* The version of the process of each current copy, like "122". */
const char *versions(void);

/* Processes that were told to end do so. */
void reap(struct world *w);
void candidate_ready(struct world *w);

/* Each candidate gets ready at once, until none comes any more. */
void roll_on(struct world *w);

struct fake_child *process_of(const struct replica *r);

/* What a worker counts of the answers of one copy. */
void answers(const struct replica *r, uint64_t all, uint64_t errors);

const char *phase(void);
const char *reason(void);
int say(enum control_verb verb);
size_t held_in_plan(struct world *w);

/* Control is killed, and the next one takes over. */
void again(struct world *w);

#endif /* TESTS_UNIT_ROLLOUT_WORLD_H */
