/* SPDX-License-Identifier: ISC */

/*
 * autoscale_plant - a service for the tests of model/autoscale
 *
 * It has a clock of its own; copies take PLANT_START_MS to get ready, and go
 * at once. Each look also asserts that the count stays within min and max.
 */

#ifndef TESTS_UNIT_AUTOSCALE_PLANT_H
#define TESTS_UNIT_AUTOSCALE_PLANT_H

#include "model/autoscale.h"

#define SECOND 1000U
#define PLANT_START_MS 1000U

/* 0 to 8 copies of 10 requests; 60 s, 6 s, 30 s, 500 ms; surge 4. */
extern const struct autoscale_policy usual;

struct plant {
	struct autoscale a;
	struct autoscale_policy p;
	uint64_t now;
	unsigned ready, starting;
	uint64_t started[256]; /* of those that are not ready */
	unsigned room;
	bool broken; /* none gets ready */
	bool hold;
	bool lame;		 /* one is there and not ready */
	unsigned changes, turns; /* of the count; of its direction */
	int way;
};

void plant_begin(
    struct plant *t, const struct autoscale_policy *p, unsigned desired);
void plant_wake(struct plant *t); /* asserts that it was at zero */

/* Copies that have had their time are ready; and as many as are wanted. */
void plant_run(struct plant *t);
void plant_follow(struct plant *t);

/* One look, now. */
void plant_look(struct plant *t, uint64_t load, uint64_t wait_ms);

/* So many seconds of this load, seen each second. */
void plant_pass(struct plant *t, unsigned seconds, uint64_t load);

#endif /* TESTS_UNIT_AUTOSCALE_PLANT_H */
