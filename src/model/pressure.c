/* SPDX-License-Identifier: ISC */

#include "model/pressure.h"

static const unsigned char begins[PRESSURE_COUNT] = {
	[PRESSURE_SMALL] = 25,
	[PRESSURE_IDLE] = 60,
	[PRESSURE_REQUESTS] = 75,
	[PRESSURE_ACCEPT] = 85,
};

static uint64_t
part(uint64_t max, unsigned percent)
{
	return max / 100 * percent + max % 100 * percent / 100;
}

uint64_t
pressure_mark(enum pressure step, uint64_t max)
{
	return step >= PRESSURE_COUNT ? UINT64_MAX : part(max, begins[step]);
}

enum pressure
pressure_next(enum pressure now, uint64_t held, uint64_t max)
{
	enum pressure p = now;

	while (p + 1 < PRESSURE_COUNT && held >= pressure_mark(p + 1, max))
		p++;
	while (
	    p > PRESSURE_NONE && held < part(max, begins[p] - PRESSURE_SLACK))
		p--;
	return p;
}
