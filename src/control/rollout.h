/* SPDX-License-Identifier: ISC */

/*
 * rollout - replace a service's processes without losing a request
 *
 * Replica after replica: a new copy is started beside the old one, and only
 * when it is ready does it take the place, and the old one drains. A replica
 * that serves nobody (starting, backing off, stopped) is recycled where it
 * stands, without a wait. A copy that does not get ready ends the rollout:
 * the old ones stay, with the configuration they were started with.
 */

#ifndef CONTROL_ROLLOUT_H
#define CONTROL_ROLLOUT_H

#include "control/state.h"

/* Replicas first..last of s. -EBUSY: one is under way already. */
int rollout_start(struct service *s, unsigned first, unsigned last,
    const char *cause, struct err *err) MUST_CHECK;

/* The candidate is let go; what was replaced stays replaced. */
void rollout_cancel(struct service *s, const char *cause);

/* From service_changed(): r, of any list, is now in state `to`. */
void rollout_changed(struct replica *r, enum instance_state to);

#endif /* CONTROL_ROLLOUT_H */
