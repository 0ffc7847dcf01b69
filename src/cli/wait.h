/* SPDX-License-Identifier: ISC */

/*
 * wait - look again and again until a change is done (--wait)
 *
 * A goal is judged on one view of the admin API. wait_judge() is pure.
 */

#ifndef CLI_WAIT_H
#define CLI_WAIT_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/command.h"

enum wait_kind {
	WAIT_UP,       /* ready, and nothing of `before` runs any more */
	WAIT_DOWN,     /* stopped, without a process */
	WAIT_SCALED,   /* ready, with that many processes */
	WAIT_SETTLED,  /* as many ready as are wanted, or idle */
	WAIT_RELOADED, /* each service that `changes` names is up */
	WAIT_UPGRADED, /* the upgrade after `epoch` has ended, or failed */
};

struct wait_goal {
	enum wait_kind kind;
	const char *target;    /* the view: a service, an instance, status */
	const json_t *before;  /* array of pids that must be gone; or NULL */
	const json_t *changes; /* RELOADED */
	json_int_t replicas;   /* SCALED */
	json_int_t epoch;      /* UPGRADED */
	bool canary;	       /* RELOADED: a deploy that is held is enough */
};

/* Done; or not, with why. */
bool wait_judge(
    const struct wait_goal *goal, const json_t *view, char *why, size_t size);

/* It will not be: a rollout of it has gone back or was given up, with why. */
bool wait_is_lost(
    const struct wait_goal *goal, const json_t *view, char *why, size_t size);

/*
 * Until it is done. CLI_OK with *view, the caller's; else the reason is on
 * stderr: CLI_UNHEALTHY (it does not get ready), CLI_ERROR (it does not stop),
 * CLI_UNREACHABLE.
 */
int wait_for(
    const struct invocation *in, const struct wait_goal *goal, json_t **view);

/* Until no daemon answers and the process (0: none) is gone. */
int wait_gone(const struct invocation *in, pid_t keeper);

/* Append the pids in a service's, an instance's or the status's view. */
int wait_pids(const json_t *view, json_t *pids);

#endif /* CLI_WAIT_H */
