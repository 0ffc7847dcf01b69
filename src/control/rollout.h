/* SPDX-License-Identifier: ISC */

/*
 * rollout - replace a service's processes without losing a request
 *
 * Replica after replica: a new copy, the candidate, is started beside the old
 * one, and only when it is ready does it take the place, and the old one
 * drains. So there is one process more than wanted at most (surge 1), and never
 * one ready less. A replica that serves nobody (starting, backing off,
 * stopped) is recycled where it stands, without a wait.
 *
 * There are three kinds:
 *
 *  RESTART  the same version anew. A copy that does not get ready ends it, and
 *	     the old ones stay.
 *  DEPLOY   another version, after a reload. The first new copy runs beside
 *	     all the old ones for `rollout.watch` before one of them goes; with
 *	     a canary the last of so many stays beside its old one until
 *	     rollout_promote(). A new copy that does not get ready, exits,
 *	     stays unready for `watch`, or an error rate over the bound
 *	     (rollout_watch.c) makes it a REVERT by itself. A service of which
 *	     no copy serves has nothing to go back to: all are recycled at once.
 *  REVERT   back to the version before, which is not watched and not given up:
 *	     a copy that does not get ready is tried again.
 *
 * A version is all that stands in the service's configuration. What a reload
 * changes in place (routes, limits) holds from the reload on, and is taken
 * back with the rest. The version that failed, or was undone, is remembered
 * (control/held.h). What is under way stands in applied.json, and goes on under
 * the next control process; whatever else it needs to know is in the replicas:
 * which version each one is of, and since when it is ready.
 */

#ifndef CONTROL_ROLLOUT_H
#define CONTROL_ROLLOUT_H

#include "control/control.h"
#include "control/state.h"

void rollout_init(struct service *s);
void rollout_done(struct service *s);

/* Replicas first..last of s anew. -EBUSY: one is under way already. */
int rollout_restart(struct service *s, unsigned first, unsigned last,
    const char *cause, struct err *err) MUST_CHECK;

/*
 * s has another version since now, which is to be rolled out; before is the one
 * that was in force (taken; NULL: not known). canary 0: none.
 */
void rollout_deploy(struct service *s, json_t *before, unsigned canary);

/* What an operator may say; -ENOTSUP or -EBUSY with why not. */
int rollout_do(
    struct service *s, enum control_verb verb, struct err *err) MUST_CHECK;

/*
 * s is stopped, or down to no replica: whatever is under way ends. A version
 * that is not proven yet is taken back.
 */
void rollout_stopped(struct service *s);
void rollout_removed(struct service *s);

/* As many replicas are wanted now; r is a new one among them. */
void rollout_settled(struct service *s);
void rollout_place(struct replica *r);

/* Processes of another version than the one in force are replaced. */
void rollout_align(struct service *s);

/* r is of a version that is not proven, or has failed: rollout_watch.c. */
bool rollout_on_trial(const struct replica *r);

/* From service_changed(): r, of any list, is now in state `to`. */
void rollout_changed(
    struct replica *r, enum instance_state from, enum instance_state to);

/* --- over control's death ------------------------------------------------- */

json_t *rollout_save(const struct service *s); /* NULL: nothing to say */
void rollout_restore(struct service *s, const json_t *saved);

/* r was adopted, and is not the current one: is it the candidate? */
bool rollout_adopt(struct replica *r);
void rollout_resume(struct service *s); /* all are adopted */

/* --- for people ----------------------------------------------------------- */

bool rollout_is_new(const struct replica *r); /* of one under way */
json_t *rollout_json(const struct service *s);
void rollout_reason(const struct service *s, char *why, size_t size);

#endif /* CONTROL_ROLLOUT_H */
