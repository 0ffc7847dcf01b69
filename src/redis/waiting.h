/* SPDX-License-Identifier: ISC */

/*
 * waiting - commands that were sent and are not answered yet, oldest first
 *
 * A ring that grows up to a ceiling. Not for other rooms.
 */

#ifndef REDIS_WAITING_H
#define REDIS_WAITING_H

#include "redis/redis.h"

struct waiting {
	redis_fn *fn;
	void *arg;
	uint64_t deadline;
};

struct waiting_ring {
	struct waiting *slots;
	size_t cap, head, count;
};

/* Room for one more: 0, -ENOBUFS at max, -ENOMEM. */
int waiting_room(struct waiting_ring *ring, size_t max) MUST_CHECK;
void waiting_push(struct waiting_ring *ring, struct waiting w);

/* There must be one. */
struct waiting waiting_shift(struct waiting_ring *ring);
uint64_t waiting_deadline(const struct waiting_ring *ring);

void waiting_done(struct waiting_ring *ring);

#endif /* REDIS_WAITING_H */
