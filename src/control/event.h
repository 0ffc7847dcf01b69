/* SPDX-License-Identifier: ISC */

/*
 * event - what happened, for people who watch
 *
 * One JSON object per event; the last CONTROL_EVENTS are kept, and each is
 * handed to the watchers (control.h) as it happens. Each state change is also
 * one line of the log: old -> new, cause, how long.
 */

#ifndef CONTROL_EVENT_H
#define CONTROL_EVENT_H

#include "control/state.h"

struct event_note {
	const char *type;      /* "instance", "service", "worker", ... */
	const char *service;   /* or NULL */
	const char *instance;  /* or NULL */
	const char *from, *to; /* or NULL */
	const char *cause;     /* or NULL */
	uint64_t ms;	       /* how long it was in `from` */
	bool logged;	       /* its line stands in the log already */
};

void event_init(struct control *c);
void event_done(struct control *c);
void event_post(struct control *c, const struct event_note *note);

#endif /* CONTROL_EVENT_H */
