/* SPDX-License-Identifier: ISC */

/*
 * pressure - what is given up for want of memory, and in which order
 *
 * Before the ceiling is reached: first haste, for bodies are read in smaller
 * pieces; then what nobody would miss, connections that are kept without a
 * request, and what is remembered; then what has not begun, new requests; then
 * what has not come, new connections. What is under way is left alone, and has
 * the rest of the way to the ceiling for itself. A step is taken back only
 * when PRESSURE_SLACK percent less is held than it began at, so that it does
 * not flutter.
 */

#ifndef MODEL_PRESSURE_H
#define MODEL_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

enum pressure {
	PRESSURE_NONE,
	PRESSURE_SMALL,	   /* small pieces */
	PRESSURE_IDLE,	   /* and idle connections are closed, none is kept */
	PRESSURE_REQUESTS, /* and new requests refused */
	PRESSURE_ACCEPT,   /* and no connections accepted */
	PRESSURE_COUNT
};

#define PRESSURE_SLACK 5 /* percent of the ceiling */

/* From what is held of `max`, and the step that was in force. */
enum pressure pressure_next(enum pressure now, uint64_t held, uint64_t max);

/* What is held where a step begins; UINT64_MAX behind the last. */
uint64_t pressure_mark(enum pressure step, uint64_t max);

#endif /* MODEL_PRESSURE_H */
