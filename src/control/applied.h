/* SPDX-License-Identifier: ISC */

/*
 * applied - what is in force, for the control process after this one
 *
 * $RUNTIME/applied.json holds the applied configuration, the operator's wishes
 * (stopped, scaled), and each service's scoreboard cell and token. It lives as
 * long as the herd: one of another incarnation is not read.
 */

#ifndef CONTROL_APPLIED_H
#define CONTROL_APPLIED_H

#include "control/state.h"

struct applied {
	const struct conf *conf;
	uint64_t wishes;
	json_t *services; /* by name */
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

#endif /* CONTROL_APPLIED_H */
