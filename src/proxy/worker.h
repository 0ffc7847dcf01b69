/* SPDX-License-Identifier: ISC */

/*
 * worker - what all parts of one worker process share
 *
 * One thread, one loop. `scratch` is where every socket is read into: what is
 * not used up before the callback returns must be copied. `heads` is where a
 * head is written before it is sent. The clock is read by worker_tick() at the
 * start of a callback, which is twice a request.
 */

#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/map.h"
#include "base/rand.h"
#include "http/head.h"
#include "link/limits.h"
#include "link/record.h"
#include "link/scoreboard.h"
#include "loop/loop.h"
#include "proxy/auth.h"
#include "proxy/deadline.h"
#include "proxy/gate.h"
#include "proxy/handshake.h"
#include "proxy/orders.h"
#include "proxy/pipe.h"
#include "proxy/relief.h"

#define WORKER_PIECE (64U * 1024)	  /* read at once */
#define WORKER_SCRATCH (4 * WORKER_PIECE) /* where the other side keeps up */
#define WORKER_HEADS (64U * 1024)
#define WORKER_ID 32 /* hex digits of a request id */

struct exchange;
struct table;

struct worker {
	struct loop *loop;
	struct event_base *base;
	unsigned index;

	struct scoreboard *sb; /* NULL until the first WELCOME */
	struct scoreboard_worker *cells;
	struct records *records; /* NULL: control has none for us */

	struct table *table;	   /* NULL until the first snapshot */
	unsigned ndown;		   /* endpoints that refused a connect */
	uint64_t ejected_until_ms; /* the last of those that are out */
	struct map services;	   /* struct service by name, all that live */
	struct list left;	   /* endpoints that are gone, and still held */
	struct list waiting;	   /* services with a queue */
	struct loop_timer waiting_tick;

	struct auths auths;
	struct gate gate;
	struct handshakes handshakes;
	bool told_kernel_tls;
	struct orders orders;
	struct deadlines deadlines;
	struct limits limits; /* of the snapshot in force; none is unset */
	struct deadline_kind *head_kind, *idle_kind, *gone_kind, *linger_kind;
	struct deadline_kind *send_kind; /* twice in each limits.send_timeout */
	struct deadline_kind *connect_kind, *pool_kind, *auth_kind;
	struct rng rng;

	struct pipe_pool pipes;
	struct buf_meter memory; /* of connections, exchanges and buffers */
	struct relief relief;

	struct list spare; /* exchanges, for reuse */
	unsigned nspare;
	struct list spare_streams; /* of HTTP/2, for reuse */
	unsigned nspare_streams;

	uint64_t now_us, now_ms;
	struct hash_key id_key;
	uint64_t id_count;
	uint64_t endpoint_count; /* ever */

	struct loop_timer heartbeat;
	struct loop_signal on_term, on_int, on_poke;
	bool draining;
	uint64_t drain_started_ms;
	uint64_t drain_until_ms; /* 0: as long as it takes */

	struct head_header headers[LIMITS_HEAD_LINES_MAX];
	char scratch[WORKER_SCRATCH];
	char heads[WORKER_HEADS];
};

/* Zeroed, with control's socket at path. After an error, too: worker_done(). */
int worker_init(struct worker *w, const char *path, unsigned index,
    struct err *err) MUST_CHECK;
void worker_done(struct worker *w);

void worker_tick(struct worker *w); /* reads the clock */

/* Different each time, not to be guessed. */
uint64_t worker_number(struct worker *w);

/* WORKER_ID hex digits, different each time, not to be guessed. No NUL. */
void worker_id(struct worker *w, char *out);

/* The scoreboard came (once): cells can be used from here on. 0 or -errno. */
int worker_join(struct worker *w, unsigned index, int scoreboard_fd,
    struct err *err) MUST_CHECK;

/* A snapshot's limits are in force from here on. */
void worker_limit(struct worker *w, const struct limits *limits);

static inline void
worker_hit(struct worker *w, enum scoreboard_limit limit)
{
	count32(&w->cells->limits[limit], 1);
}

void worker_drain(struct worker *w, uint64_t timeout_ms); /* 0: no end */

/* Something ended; while draining it may have been the last. */
void worker_idle(struct worker *w);

#endif /* PROXY_WORKER_H */
