/* SPDX-License-Identifier: ISC */

/*
 * applied - what is in force, for the control process after this one
 *
 * $RUNTIME/applied.json holds the applied configuration, the operator's wishes
 * (stopped, scaled), each service's scoreboard cell and token, its rollout and
 * the version before, and which versions were taken back. It lives as long as
 * the herd: of one of another incarnation only the last is read, so that a
 * keeper that died makes nothing run that had failed.
 */

#ifndef CONTROL_APPLIED_H
#define CONTROL_APPLIED_H

#include "control/state.h"

struct applied {
	const struct conf *conf;
	uint64_t wishes;
	json_t *services; /* by name */
	json_t *held;	  /* held.h; also of an earlier herd; or NULL */
};

/*
 * Written whole or not at all. A failure is logged, and c->unsaved until
 * another try goes through: the next sample makes one.
 */
void applied_save(struct control *c);

/* 0; -ENOENT; or -EBADMSG with the reason: it cannot be used. */
int applied_load(struct control *c, struct applied *a, struct err *err);
void applied_done(struct applied *a);

/* The cell it had, or -1. */
int applied_cell(const struct applied *a, const char *service);

/* Wishes and token, onto a service that was just made. */
void applied_restore(const struct applied *a, struct service *s);

/*
 * The configuration in force with the earlier versions of services whose
 * rollout is under way; NULL: there are none.
 */
const struct conf *applied_earlier(struct control *c);

#endif /* CONTROL_APPLIED_H */
