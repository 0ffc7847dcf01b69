/* SPDX-License-Identifier: ISC */

/*
 * instance - the life of one supervised process
 *
 * An instance is one place among a service's replicas (image.0). Processes
 * come and go in it, one at a time. This module decides which state it is in
 * and what must happen next, and nothing else: it never forks, sends, sleeps
 * or reads a clock. Its owner posts events; it answers through instance_ops.
 *
 *	       want            passed           failed, passed
 *	 IDLE -------> STARTING -------> READY <-------------> UNREADY
 *	                |  ^               |                      |
 *	         exited |  | due           | unwant, recycle      |
 *	                v  |               v                      |
 *	              BACKOFF <--------- DRAINING <---------------+
 *	                   \               | drained, deadline
 *	                    \-- exited -- STOPPING -- exited --> STOPPED
 *
 * The law is the table in instance.c; test_instance.c says it a second time.
 * It follows these rules (doc/internals/supervision.md tells them at length):
 *
 *  - Unready leaves rotation and is never a reason to restart. Failed
 *    liveness (SICK) and the start deadline are.
 *  - Any exit that nobody asked for goes to BACKOFF, for 0 ms the first time,
 *    restart_first_ms the second, then base doubling up to max, +-25 %; it
 *    never gives up. Exit code 125 (EXITED_FINAL) means: do not restart me.
 *  - READY for reset_ms forgets the crashes.
 *  - A restart that an operator asked for drains first, then starts anew
 *    without a wait and without a crash counted.
 *
 * Not thread-safe: an instance belongs to one event loop.
 */

#ifndef MODEL_INSTANCE_H
#define MODEL_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rand.h"

enum instance_state {
	INSTANCE_IDLE,	   /* no process; none asked for yet */
	INSTANCE_STARTING, /* process ordered or alive, no check passed yet */
	INSTANCE_READY,	   /* the only state that takes traffic */
	INSTANCE_UNREADY,  /* alive, but out of rotation */
	INSTANCE_DRAINING, /* out of rotation, finishing what it has */
	INSTANCE_STOPPING, /* told to exit */
	INSTANCE_STOPPED,  /* no process, none wanted */
	INSTANCE_BACKOFF,  /* exited, waiting to be started again */
	INSTANCE_NSTATES
};

enum instance_event {
	INSTANCE_EV_WANT,	  /* somebody wants it up */
	INSTANCE_EV_UNWANT,	  /* somebody wants it down */
	INSTANCE_EV_RECYCLE,	  /* drain, stop, and start anew */
	INSTANCE_EV_PASSED,	  /* readiness: rise checks in a row */
	INSTANCE_EV_FAILED,	  /* readiness: fall checks in a row */
	INSTANCE_EV_SICK,	  /* liveness: fall checks in a row */
	INSTANCE_EV_DRAINED,	  /* no exchange in flight any more */
	INSTANCE_EV_DEADLINE,	  /* what arm() asked for has passed */
	INSTANCE_EV_EXITED,	  /* the process is gone */
	INSTANCE_EV_EXITED_FINAL, /* gone, with exit code 125 */
	INSTANCE_EV_SPAWN_FAILED, /* it could not be started at all */
	INSTANCE_NEVENTS
};

struct instance_policy {
	uint64_t start_ms;	   /* STARTING at most; then killed */
	uint64_t drain_ms;	   /* DRAINING at most */
	uint64_t stop_ms;	   /* from the stop signal to SIGKILL */
	uint64_t restart_first_ms; /* delay before restart 1 */
	uint64_t restart_base_ms;  /* before restart 2; 3 is 10 * base, */
	uint64_t restart_max_ms;   /* then doubling up to max */
	uint64_t reset_ms;	   /* READY for so long forgets crashes */
};

struct instance;

/* What an instance asks of its owner. All are required. */
struct instance_ops {
	/*
	 * Start a process. The answer comes later as an event: EXITED or
	 * SPAWN_FAILED. May not post from inside.
	 */
	void (*spawn)(void *owner, struct instance *in);
	void (*term)(void *owner, struct instance *in); /* stop.signal */
	void (*kill)(void *owner, struct instance *in); /* the whole group */

	/*
	 * Post INSTANCE_EV_DEADLINE after ms; UINT64_MAX is never. The
	 * previous deadline must not fire any more.
	 */
	void (*arm)(void *owner, struct instance *in, uint64_t ms);

	/*
	 * The state differs from what it was. The last thing instance_post()
	 * does: it may post again, or free the instance.
	 */
	void (*changed)(
	    void *owner, struct instance *in, enum instance_state from);
};

/*
 * An IDLE instance; policy, ops and owner are borrowed and must outlive it
 * (policy may be changed in place or by instance_set_policy). rng gives the
 * jitter. NULL if out of memory.
 */
struct instance *instance_new(const struct instance_policy *policy,
    const struct instance_ops *ops, void *owner, struct rng *rng);

void instance_free(struct instance *in); /* disarms; NULL is fine */
void instance_set_policy(
    struct instance *in, const struct instance_policy *policy);

/*
 * Tell it what happened. 0: it acted, or the event means nothing here.
 * -EPROTO: it speaks of a process or deadline that does not exist; nothing was
 * changed, and the owner has a bug to log.
 */
int instance_post(struct instance *in, enum instance_event ev);

/*
 * Take over one that was running when control died: state must have a process
 * (STARTING, READY, UNREADY, DRAINING, STOPPING). No op is called but arm().
 */
int instance_adopt(
    struct instance *in, enum instance_state state, unsigned crashes);

enum instance_state instance_state(const struct instance *in);
bool instance_wanted(const struct instance *in);
bool instance_has_process(const struct instance *in);
unsigned instance_crashes(const struct instance *in); /* in a row */

/* The delay before restart n in a row (n >= 1), without the jitter. */
uint64_t instance_delay(const struct instance_policy *policy, unsigned n);

/* A stable lower-case name, for logs and the API; and back, or -EINVAL. */
const char *instance_state_name(enum instance_state state);
int instance_state_parse(const char *name, enum instance_state *state);

#endif /* MODEL_INSTANCE_H */
