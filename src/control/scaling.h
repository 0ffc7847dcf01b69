/* SPDX-License-Identifier: ISC */

/*
 * scaling - a service whose number of copies follows its load
 *
 * model/autoscale.h decides; this room looks at the scoreboard for it, at the
 * pace that it asks for and only while there is a copy, asks how much memory
 * is left before it adds one, and puts in force what comes of it.
 *
 * At zero nothing looks. The routing snapshot tells the workers that requests
 * may wait, and to say so (WORKER_WAKE): the first one starts one copy. Should
 * that word be lost (a worker of an older program has none), the sample of
 * each second sees the queue.
 *
 * A number that an operator set (`drover scale api=3`) stands until it is
 * given back (`drover scale api=auto`), or until the file says another.
 *
 * The count and the last decision stand in applied.json, so that the next
 * control goes on with them; and it goes on with every copy that it finds,
 * even when that file is older.
 */

#ifndef CONTROL_SCALING_H
#define CONTROL_SCALING_H

#include <jansson.h>

#include "control/state.h"
#include "link/snapshot.h"

/*
 * The configuration or an operator's wish is another: begin, go on, or leave
 * off. May change s->desired; the caller settles the service.
 */
void scaling_apply(struct service *s);
void scaling_free(struct service *s);

/* Somebody waits for it, or an operator started it: from zero to one. */
void scaling_wake(struct service *s, const char *cause);
void scaling_wake_cell(struct control *c, unsigned cell); /* WORKER_WAKE */

/* What the sample of each second sees. */
void scaling_seen(struct service *s, uint64_t queued);

/* It is at zero by itself, and would wake. */
bool scaling_sleeps(const struct service *s);

/* What the workers must know: whether and how long requests wait for a copy. */
void scaling_publish(const struct service *s, struct snapshot_service *out);

/* What applied.json holds of it, or NULL; and back, before any replica. */
json_t *scaling_save(const struct service *s);
void scaling_restore(struct service *s, json_t *saved);
void scaling_take_over(struct service *s); /* replicas were adopted */

/* For `status`: an object, or null for a fixed number. */
json_t *scaling_json(const struct service *s);

/* Why it has fewer than it wishes, or none; "" where nothing is to be said. */
void scaling_reason(const struct service *s, char *why, size_t size);

int scaling_metrics(struct control *c, struct buf *out);

/* --- between scaling.c and scaling_view.c ----------------------------------
 */

struct scaling {
	struct service *service;
	struct autoscale model;
	struct autoscale_policy policy;
	struct loop_timer tick;
	uint64_t requests; /* when it was last looked at */
	uint64_t wakes, ups, downs, held;
	struct {
		uint64_t at_wall; /* 0: none yet */
		unsigned from, to;
		char why[AUTOSCALE_TEXT];
	} last;
};

void scaling_policy(
    const struct conf_service *spec, struct autoscale_policy *policy);

#endif /* CONTROL_SCALING_H */
