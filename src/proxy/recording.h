/* SPDX-License-Identifier: ISC */

/*
 * recording - what is told of a request: its ids, and its record at the end
 *
 * Each request has an id (ours, or that of a trusted client) and a place in a
 * trace: the caller's if it is trusted and said a valid traceparent, else a new
 * one. Both come from keyed counters. Notes are taken on the way, in the
 * exchange, from the clock as it stands there; the end writes them as one
 * record (link/record.h). Nothing here allocates but the texts that an access
 * log wants, and nothing fails: what cannot be told is left out.
 */

#ifndef PROXY_RECORDING_H
#define PROXY_RECORDING_H

#include "base/str.h"
#include "http/head.h"
#include "http/trace.h"
#include "link/record.h"

struct downstream;
struct endpoint;
struct exchange;
struct worker;

struct notes {
	uint64_t attempt_us; /* when the last one began */
	uint32_t waited_us;
	uint32_t waited_before_us; /* in earlier turns in the queue */
	uint32_t connect_us;
	uint32_t first_us; /* since started_us; 0: no head yet */
	uint32_t flags;	   /* enum record_flags */
	uint16_t route;
	uint16_t candidates, ejected;
	uint8_t over_budget;
	uint8_t nhops;
	uint8_t tail_id; /* bytes of the id in the tail */
	uint8_t path_len;
	uint16_t hops[RECORD_HOPS];
	uint8_t outcomes[RECORD_HOPS];
	char tail[RECORD_TAIL];
};

/*
 * The head is there. Once more with trusted where it shows later that the
 * client is to be believed.
 */
void recording_begin(struct exchange *x, const struct head *h, bool trusted);

/* An attempt at x->ep begins; how it ended; it did not count. */
void recording_attempt(struct exchange *x);
void recording_outcome(struct exchange *x, enum record_outcome outcome);
void recording_forget_attempt(struct exchange *x);

/* It is connected; it left the queue; the answer's head is there. */
void recording_connected(struct exchange *x, bool reused);
void recording_waited(struct exchange *x, uint64_t us);
void recording_answer(struct exchange *x);

/* The end. status: what the client got, 0: nothing. fault: of our own. */
void recording_end(
    struct exchange *x, unsigned status, enum scoreboard_fault fault);

/* A request that was refused before there was an exchange. */
void recording_refused(const struct downstream *d, struct span id,
    unsigned status, enum scoreboard_fault fault);

/* The number of a name for the records of this worker. */
uint16_t recording_name(struct worker *w, const char *name);

#endif /* PROXY_RECORDING_H */
