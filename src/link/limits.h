/* SPDX-License-Identifier: ISC */

/*
 * limits - the ceilings and deadlines of one worker
 *
 * Numbers with names: control takes them from the group `limits` of
 * drover.yaml, the snapshot carries them in its head, the worker goes by them
 * from its next turn on. A service's own limits (concurrency, queue, body and
 * so on) are in its record of the snapshot.
 *
 * Milliseconds and bytes, unless the name says otherwise. Where 0 does not
 * mean "no limit" it is what an older control did not say, and limits_fill()
 * puts the usual value in its place.
 */

#ifndef LINK_LIMITS_H
#define LINK_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct limits {
	/* Clients. */
	uint32_t connections;		  /* then accepting stops */
	uint32_t connections_per_address; /* then closed; 0: no limit */
	uint32_t requests_per_connection; /* then closed; 0: no limit */
	uint32_t idle_timeout;		  /* between requests */
	uint32_t memory_kib;		  /* of all buffers: model/pressure.h */

	/* A request. */
	uint32_t head_size;    /* 431 */
	uint32_t head_lines;   /* 431 */
	uint32_t target;       /* 414 */
	uint32_t head_timeout; /* first byte -> last; 408 */
	uint32_t body_rate;    /* bytes a second; 408; 0: no limit */
	uint32_t body_grace;   /* waited for, before the rate is looked at */

	/* An answer. */
	uint32_t send_timeout;	     /* the client takes nothing of it */
	uint32_t half_close_timeout; /* for the answer, after a FIN */
	uint32_t linger_timeout;     /* for what a client sends after the end */
	uint32_t linger_size;

	/* Endpoints. */
	uint32_t connect_timeout;
	uint32_t pool; /* idle connections kept, for each endpoint */
	uint32_t pool_timeout;
	uint32_t response_head; /* 502 */

	/* A connection of HTTP/2: http/h2.h. */
	uint32_t http2_resets;
	uint32_t http2_controls;
	uint32_t http2_window;

	/* Authentication. */
	uint32_t auth_verdicts; /* remembered: credentials that were right */
	uint32_t auth_refusals; /* and passwords that were not */
	uint32_t auth_keep;	/* how long */
	uint32_t auth_queue;	/* passwords that are being hashed, or wait */
	uint32_t auth_timeout;	/* for so long; 503 */

	/* Endpoints again. */
	uint32_t interims; /* 1xx before an answer; 502 */
};

/*
 * In the order of the struct. The first LIMITS_FRONT stand before what else the
 * head of a snapshot has, the others behind it.
 */
struct limits_row {
	const char *name;
	size_t offset;
	uint32_t max;
	uint32_t preset; /* of 0; 0: it means no limit */
};

#define LIMITS_FRONT 19
#define LIMITS_N 28
extern const struct limits_row limits_rows[LIMITS_N];

/* What they may not exceed: buffers are made for it. */
#define LIMITS_CONNECTIONS_MAX (1U << 20)
#define LIMITS_HEAD_MAX (32U * 1024)
#define LIMITS_HEAD_LINES_MAX 256
#define LIMITS_TARGET_MAX (16U * 1024)
#define LIMITS_RESPONSE_HEAD_MAX (48U * 1024)
#define LIMITS_HTTP2_BUDGET_MAX 65535
#define LIMITS_HTTP2_WINDOW_MAX (256U * 1024)
#define LIMITS_VERDICTS_MAX 65536U
#define LIMITS_AUTH_QUEUE_MAX 1024U
#define LIMITS_INTERIMS_MAX 1000
#define LIMITS_MS_MAX (24U * 3600 * 1000)

static inline uint32_t *
limits_at(struct limits *l, const struct limits_row *row)
{
	return (uint32_t *)(void *)((char *)l + row->offset);
}

/* The usual value wherever 0 is none. */
void limits_fill(struct limits *l);

/* The name of the first that is over its maximum, or NULL. */
const char *limits_over(const struct limits *l);

#endif /* LINK_LIMITS_H */
