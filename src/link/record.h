/* SPDX-License-Identifier: ISC */

/*
 * record - what became of each request, in shared memory
 *
 * One memfd, made by control and kept by the keeper, with an area for each
 * worker: a ring of the last RECORD_RING requests, 256 bytes each, which the
 * worker alone writes, at the end of a request, without a system call; the
 * names that its records speak of, each stored once; and the texts that an
 * access log wants beyond what a record holds (RECORD_TEXTS bytes, as a ring).
 * It outlives the worker and control: the next worker at this index goes on
 * where the last one stopped, and so does the next reader.
 *
 * A writer never waits for a reader. Each record carries its position, which
 * is 0 while it is written; a reader copies and looks again, so it gets a
 * record whole or is told that it is gone. All that is read is checked: an id
 * or length that is out of bounds reads as nothing.
 *
 * The file is sparse. An area costs a page until its first request, and
 * 4 MiB (and 4 MiB of texts, with an access log) once the ring was filled.
 */

#ifndef LINK_RECORD_H
#define LINK_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "link/scoreboard.h"

#define RECORD_VERSION 1
#define RECORD_RING 16384 /* of each worker */
#define RECORD_TEXTS (4U << 20)
#define RECORD_TEXT_MAX 4096 /* of one request */
#define RECORD_NAMES 16384
#define RECORD_NAME_MAX 127
#define RECORD_HOPS 8
#define RECORD_TAIL 108
#define RECORD_ID_MAX 64

enum record_flags {
	RECORD_ID_IS_TRACE = 1 << 0, /* the id is the trace id in hex */
	RECORD_RETRIED = 1 << 1,     /* within the budget */
	RECORD_RESENT = 1 << 2,	     /* outside of it */
	RECORD_REUSED = 1 << 3,	     /* a pooled connection, at the end */
	RECORD_UPGRADED = 1 << 4,
	RECORD_CANCELLED = 1 << 5, /* the client went first */
	RECORD_CUT = 1 << 6,	   /* the answer broke off */
	RECORD_INTERNAL = 1 << 7,  /* it came through an internal listener */
	RECORD_QUEUED = 1 << 8,
	RECORD_CONTINUED = 1 << 9, /* the trace is the caller's */
	RECORD_PATH_CUT = 1 << 10, /* `tail` holds only its beginning */
	RECORD_LOCAL = 1 << 11,	   /* the client is on a Unix socket */
	RECORD_UNLOGGED = 1 << 12, /* not for the access log */
	RECORD_TLS = 1 << 13,	   /* the client's connection is one of TLS */
};

/* How an attempt at an endpoint ended. */
enum record_outcome {
	OUTCOME_UNKNOWN,
	OUTCOME_ANSWERED,
	OUTCOME_REFUSED,      /* the connect failed */
	OUTCOME_STALE,	      /* a pooled connection that it had closed */
	OUTCOME_EXITED,	      /* it went away with the request */
	OUTCOME_RESET,	      /* it broke off without an answer */
	OUTCOME_TIMEOUT,      /* no answer in time */
	OUTCOME_BAD_RESPONSE, /* no valid one */
	OUTCOME_CUT,	      /* its answer broke off */
	OUTCOME_ABANDONED,    /* the client or we gave up */
	OUTCOME_SILENT,	      /* nor did it answer its checks */
	OUTCOME_SET_ASIDE,    /* an error of a version on trial */
	OUTCOME_COUNT
};

struct record {		      /* 256 bytes */
	_Atomic uint64_t seq; /* position + 1; 0: being written */
	uint64_t started_us;  /* CLOCK_MONOTONIC, the head was there */
	uint64_t total_us;
	uint64_t bytes_in;  /* of the request's body */
	uint64_t bytes_out; /* of the answer's body, as the endpoint sent it */
	uint64_t text_at;   /* record_read_text() */
	unsigned char trace[16];
	unsigned char span[8];
	unsigned char address[16]; /* v4 mapped */
	uint32_t wait_us;	   /* in the queue */
	uint32_t connect_us;	   /* to the endpoint of the last attempt */
	uint32_t first_us;	   /* from the start to the answer's head */
	uint32_t flags;		   /* enum record_flags */
	uint16_t service;	   /* names: record_read_name() */
	uint16_t route;
	uint16_t status; /* that the client got; 0: none */
	uint16_t text_len;
	uint16_t candidates; /* endpoints of the service, at the last pick */
	uint16_t ejected;    /* of these, not to be chosen */
	uint8_t method;	     /* enum method of http/head.h */
	uint8_t fault;	     /* enum scoreboard_fault, of our own answers */
	uint8_t id_len;	     /* in the tail, first */
	uint8_t path_len;    /* and behind it */
	uint8_t attempts;
	uint8_t nhops;	     /* above RECORD_HOPS: the last stands last */
	uint8_t version;     /* 10, 11, 20 */
	uint8_t over_budget; /* 1: not retried for want of budget */
	uint16_t hops[RECORD_HOPS]; /* names of the endpoints, as tried */
	uint8_t outcomes[RECORD_HOPS];
	char tail[RECORD_TAIL];
};

_Static_assert(sizeof(struct record) == 256, "record");

struct records;

/* --- owner (control) ------------------------------------------------------ */

/* A new memfd, sealed in its size; the caller's. */
int record_create(int *fd, struct err *err) MUST_CHECK;

/* All areas, to read. -EPROTO: another version or size. fd stays yours. */
int record_attach(struct records **records, int fd, struct err *err) MUST_CHECK;

/* --- writer: a worker, on its own area ------------------------------------ */

int record_join(struct records **records, int fd, unsigned worker,
    struct err *err) MUST_CHECK;

/* The number of a name for this area, kept for good. 0: no more room. */
uint16_t record_intern(struct records *r, struct span name);

/*
 * The next record, to be filled and then committed at once. What stood in it
 * is gone for readers from here on.
 */
struct record *record_begin(struct records *r);
void record_commit(struct records *r);

/* Up to RECORD_TEXT_MAX bytes; the value for text_at. */
uint64_t record_put_text(struct records *r, const void *data, size_t n);

/* --- both ----------------------------------------------------------------- */

void record_free(struct records *r); /* unmaps; NULL is fine */

/* --- readers -------------------------------------------------------------- */

/* How many records the worker at this index ever wrote. */
uint64_t record_head(const struct records *r, unsigned worker);

/* The least position that may still be there. */
uint64_t record_tail(const struct records *r, unsigned worker);

/* False: it was overwritten, or is not written yet. */
bool record_read(const struct records *r, unsigned worker, uint64_t at,
    struct record *out) MUST_CHECK;

/* "" for 0, and for what is no name; buf has RECORD_NAME_MAX + 1 bytes. */
const char *record_read_name(
    const struct records *r, unsigned worker, uint16_t name, char *buf);

/* How many bytes were copied to out; 0: there are none any more. */
size_t record_read_text(const struct records *r, unsigned worker,
    const struct record *rec, char out[RECORD_TEXT_MAX]);

/* The request's id; buf has RECORD_ID_MAX bytes. */
struct span record_id(const struct record *rec, char *buf);
struct span record_path(const struct record *rec);

const char *record_outcome_name(uint8_t outcome);

/* --- the texts of one request --------------------------------------------- */

struct record_text {
	struct span host, target, referer, agent;
};

/* Into out (RECORD_TEXT_MAX bytes), each cut to its share. The length. */
size_t record_pack_text(const struct record_text *t, char *out);

/* What is not there is empty. */
void record_unpack_text(const char *data, size_t n, struct record_text *t);

/* --- the reader that writes the access log -------------------------------- */

/*
 * Where it is, for the next one to go on. `wanted` is what one write is about
 * to do; it tells after a death whether it was done.
 */
struct record_cursor {
	_Atomic uint64_t at;   /* the next position to read */
	_Atomic uint64_t lost; /* records that were overwritten before */
	_Atomic uint32_t on;
	uint32_t room;
	_Atomic uint64_t wanted_at;   /* the position after it; 0: none */
	_Atomic uint64_t wanted_size; /* of the file, before */
	_Atomic uint64_t wanted_len;
	_Atomic uint64_t wanted_inode;
};

struct record_cursor *record_cursor(struct records *r, unsigned worker);

#endif /* LINK_RECORD_H */
