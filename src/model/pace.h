/* SPDX-License-Identifier: ISC */

/*
 * pace - whether somebody who is waited for brings enough
 *
 * An idle deadline is met by one byte within each of its periods, for ever. So
 * the time that was spent waiting is summed up, and after a grace it has to be
 * worth what came: bytes / rate. The time in which nobody waited, because what
 * came before had nowhere to go, does not count.
 */

#ifndef MODEL_PACE_H
#define MODEL_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
	uint64_t waited_us; /* before `since` */
	uint64_t since_us;  /* waiting since; 0: not */
};

static inline void
pace_wait(struct pace *p, uint64_t now_us)
{
	if (p->since_us == 0)
		p->since_us = now_us;
}

static inline void
pace_rest(struct pace *p, uint64_t now_us)
{
	if (p->since_us != 0 && now_us > p->since_us)
		p->waited_us += now_us - p->since_us;
	p->since_us = 0;
}

/* rate: bytes a second; 0: anything will do. */
static inline bool
pace_behind(
    const struct pace *p, uint64_t bytes, uint32_t rate, uint32_t grace_ms)
{
	uint64_t free_us = (uint64_t)grace_ms * 1000;

	if (rate == 0 || p->waited_us <= free_us)
		return false;
	return (p->waited_us - free_us) / 1000000 > bytes / rate;
}

#endif /* MODEL_PACE_H */
