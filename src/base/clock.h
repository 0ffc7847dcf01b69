/* SPDX-License-Identifier: ISC */

/*
 * clock - milliseconds: monotonic for intervals, wall for people
 *
 * Floors that must be tested with a fake clock take the time as an argument
 * and do not call these.
 */

#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CLOCK_TEXT 25 /* "2026-01-31T23:59:59.123Z" and a NUL */

uint64_t clock_ms(void); /* CLOCK_MONOTONIC */
uint64_t clock_us(void);
uint64_t clock_wall_ms(void); /* since 1970, UTC */

/* RFC 3339 in UTC; buf has at least CLOCK_TEXT bytes. Returns buf. */
const char *clock_text(char *buf, uint64_t wall_ms);

#endif /* BASE_CLOCK_H */
