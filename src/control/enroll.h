/* SPDX-License-Identifier: ISC */

/*
 * enroll - our instances in the registry, and the managed Redis behind it
 *
 * With `registry: managed` Redis is an ordinary service of ours, named "redis",
 * whose readiness is that the registry's own connection answers. Whatever
 * happens to Redis, nothing here waits for it.
 */

#ifndef CONTROL_ENROLL_H
#define CONTROL_ENROLL_H

#include "control/state.h"

#define ENROLL_REDIS "redis" /* its name in depends_on and in the keeper */

/* Before the services are made; needs the herd's incarnation. */
int enroll_open(struct control *c, struct err *err) MUST_CHECK;
void enroll_close(struct control *c);

/* The managed Redis as a service, for the first start and for adoption. */
int enroll_add_redis(struct control *c, struct err *err) MUST_CHECK;

/* All that runs is known: speak to Redis from now on. */
void enroll_begin(struct control *c);

/* Leave cleanly, then done(arg) within a second. */
void enroll_leave(struct control *c, void (*done)(void *arg), void *arg);

void enroll_replica(struct replica *r); /* its state or address changed */
void enroll_forget(struct replica *r);	/* its place is gone */
void enroll_redis_spawned(struct control *c);

bool enroll_up(struct control *c);
const char *enroll_reason(struct control *c); /* never NULL */

#endif /* CONTROL_ENROLL_H */
