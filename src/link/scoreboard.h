/* SPDX-License-Identifier: ISC */

/*
 * scoreboard - what the workers are doing now, in shared memory
 *
 * One memfd, made by control, kept by the keeper, mapped by control and by
 * every worker. Each worker writes only its own cells, with plain relaxed
 * stores; readers sum over the workers. (The token buckets of rate limits are
 * everybody's: model/bucket.h.) Control zeroes the cells of a worker
 * that is dead (never of one that might live), and the cell of an endpoint or
 * service before it is given to a new one.
 *
 * The file is sparse: a page that nobody has touched costs nothing, and
 * reading one would make it. So readers only look at workers with a pid, and
 * at service cells (a page each) whose bit in that worker's header is set.
 *
 * Concurrency across workers is never overshot: scoreboard_take() adds one to
 * the own cell, fences, sums, and undoes when the sum is over the limit. Two
 * workers that try at the same moment may both be refused; they try again.
 */

#ifndef LINK_SCOREBOARD_H
#define LINK_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/hash.h"
#include "model/bucket.h"
#include "model/histogram.h"

#define SCOREBOARD_VERSION 3
#define SCOREBOARD_WORKERS 64
#define SCOREBOARD_ENDPOINTS 4096
#define SCOREBOARD_SERVICES 1024
#define SCOREBOARD_BUCKETS 8192 /* lines: 65536 keys of rate limits */

/* What of link/limits.h, or of a service's limits, was met. */
enum scoreboard_limit {
	LIMIT_CONNECTIONS, /* accepting stopped */
	LIMIT_CONNECTIONS_PER_ADDRESS,
	LIMIT_REQUESTS_PER_CONNECTION,
	LIMIT_IDLE_TIMEOUT,
	LIMIT_MEMORY_IDLE,     /* idle connections that were closed */
	LIMIT_MEMORY_REQUESTS, /* refused with 503 */
	LIMIT_MEMORY_ACCEPT,   /* accepting stopped */
	LIMIT_HEAD_SIZE,
	LIMIT_HEAD_LINES,
	LIMIT_TARGET,
	LIMIT_HEAD_TIMEOUT,
	LIMIT_BODY,
	LIMIT_BODY_RATE,
	LIMIT_BODY_IDLE,
	LIMIT_REQUEST_TIMEOUT,
	LIMIT_STREAM_IDLE, /* the endpoint sends nothing of its answer */
	LIMIT_SEND_TIMEOUT,
	LIMIT_HALF_CLOSE_TIMEOUT,
	LIMIT_LINGER,
	LIMIT_CONNECT_TIMEOUT,
	LIMIT_POOL,
	LIMIT_POOL_TIMEOUT,
	LIMIT_RESPONSE_HEAD,
	LIMIT_HTTP2_WINDOW,  /* a client had to wait for one to open */
	LIMIT_AUTH_VERDICTS, /* the oldest made room */
	LIMIT_AUTH_REFUSALS, /* likewise */
	LIMIT_AUTH_QUEUE,
	LIMIT_AUTH_TIMEOUT,
	LIMIT_INTERIMS,
	LIMIT_COUNT
};

/* What became of handshakes; from CLOSED on as enum tls_failure. */
enum scoreboard_handshake {
	HANDSHAKE_DONE,
	HANDSHAKE_RESUMED, /* of these, with a ticket */
	HANDSHAKE_TIMEOUT,
	HANDSHAKE_CROWDED, /* the oldest at the ceiling */
	HANDSHAKE_PLAIN,   /* HTTP without TLS */
	HANDSHAKE_CLOSED,
	HANDSHAKE_GARBAGE,
	HANDSHAKE_VERSION,
	HANDSHAKE_CIPHER,
	HANDSHAKE_ALERT,
	HANDSHAKE_PROTOCOL,
	HANDSHAKE_MEMORY,
	HANDSHAKE_COUNT
};

/* HTTP/2: what came, and what of its limits was met. */
enum scoreboard_http2 {
	HTTP2_N_CONNECTIONS,
	HTTP2_N_PROTOCOL,  /* ended: it broke the rules of framing */
	HTTP2_N_RESETS,	   /* ended: too many streams that were reset */
	HTTP2_N_HEADS,	   /* ended: a flood or a bomb of header fields */
	HTTP2_N_CONTROLS,  /* ended: too many frames that carry nothing */
	HTTP2_N_STALLS,	   /* a window, or the connection, that stayed shut */
	HTTP2_N_MALFORMED, /* streams that were no request, or not to the end */
	HTTP2_N_COUNT
};

struct scoreboard_worker { /* 1024 bytes */
	_Atomic uint32_t draining;
	uint32_t room32;
	_Atomic uint64_t started_ms;   /* clock_ms() */
	_Atomic uint64_t heartbeat_ms; /* clock_ms(), every 500 ms */
	_Atomic uint64_t generation;   /* applied */
	_Atomic uint64_t connections;  /* clients now */
	_Atomic uint64_t accepted;     /* clients ever */
	_Atomic uint64_t rejected;     /* closed at the ceiling */
	_Atomic uint64_t requests;     /* heads read */
	_Atomic uint64_t
	    bad_requests; /* 400, 408, 413, 414, 431, 5xx of ours */
	_Atomic uint64_t no_route;
	_Atomic uint64_t upstreams; /* connections to endpoints now */
	_Atomic uint64_t memory;    /* bytes that its buffers hold now */
	_Atomic uint32_t limits[LIMIT_COUNT]; /* how often each was met */
	_Atomic uint64_t buckets_lost; /* of rate limits, for want of room */
	/* Credentials that were judged before, that were judged, that were
	 * refused, for which there was no time, and about which a service that
	 * was asked said nothing in time. */
	_Atomic uint64_t auth_cached, auth_checked, auth_refused, auth_shed,
	    auth_unanswered;
	_Atomic uint64_t auth_verdicts; /* remembered now */
	_Atomic uint64_t handshakes[HANDSHAKE_COUNT];
	_Atomic uint64_t http2_streams;
	_Atomic uint32_t http2[HTTP2_N_COUNT + 1];
	uint64_t room[61];
	_Atomic uint64_t used[SCOREBOARD_SERVICES / 64]; /* service cells */
};

/* Of durations, for graphs: exact counts and an exact sum. 128 bytes. */
struct scoreboard_bars {
	_Atomic uint64_t sum_us;
	_Atomic uint32_t count[HISTOGRAM_BARS];
	uint32_t room[15];
};

struct scoreboard_endpoint { /* 64 bytes: a line of its own */
	_Atomic uint32_t inflight;
	_Atomic uint32_t connects; /* connections opened */
	_Atomic uint32_t connect_failures;
	_Atomic uint32_t resets; /* broken before the response was complete */
	_Atomic uint32_t timeouts;
	_Atomic uint32_t bad_responses;
	_Atomic uint64_t requests;
	_Atomic uint64_t errors;   /* 5xx that it answered */
	_Atomic uint64_t bytes_in; /* of request bodies and heads, to it */
	_Atomic uint64_t bytes_out;
	_Atomic uint32_t tunnels;     /* WebSockets now; not in inflight */
	_Atomic uint32_t out_until_s; /* ejected until then, of clock_ms() */
};

/* Responses of ours, by what went wrong: the words of Drover-Error. */
enum scoreboard_fault {
	FAULT_NONE,
	FAULT_BAD_REQUEST,
	FAULT_HEAD_TOO_LARGE,
	FAULT_URI_TOO_LONG,
	FAULT_BODY_TOO_LARGE,
	FAULT_NO_ROUTE,
	FAULT_NO_ENDPOINT,
	FAULT_QUEUE_FULL,
	FAULT_QUEUE_TIMEOUT,
	FAULT_CONNECT,
	FAULT_RESET,
	FAULT_TIMEOUT,
	FAULT_BAD_RESPONSE,
	FAULT_RATE_LIMITED,
	FAULT_UNAUTHORIZED,
	FAULT_COUNT
};

struct scoreboard_service { /* 4096 bytes: a page */
	_Atomic uint32_t queued;
	_Atomic uint32_t inflight;	   /* with an endpoint */
	_Atomic uint64_t waiting_since_us; /* head of the queue; 0: empty */
	_Atomic uint64_t requests;
	_Atomic uint64_t responses[6]; /* [0] cut off, [1] 1xx .. [5] 5xx */
	_Atomic uint64_t faults[FAULT_COUNT]; /* of these, ours */
	_Atomic uint64_t retries;	      /* within the budget */
	_Atomic uint64_t resends; /* outside it: never reached, exited, stale */
	_Atomic uint64_t over_budget; /* not retried for want of budget */
	_Atomic uint64_t cancelled;   /* the client went first */
	_Atomic uint64_t bytes_in;    /* request bodies */
	_Atomic uint64_t bytes_out;   /* response bodies */
	_Atomic uint64_t upgrades;    /* answered with 101 */
	_Atomic uint64_t ejections;   /* of endpoints */
	struct scoreboard_bars latency_bars;
	struct scoreboard_bars waited_bars;
	uint64_t room[64];
	_Atomic uint32_t latency[HISTOGRAM_BUCKETS]; /* us, whole exchange */
	_Atomic uint32_t waited[HISTOGRAM_BUCKETS];  /* us, in the queue */
};

_Static_assert(sizeof(struct scoreboard_worker) == 1024, "header");
_Static_assert(sizeof(struct scoreboard_endpoint) == 64, "endpoint cell");
_Static_assert(sizeof(struct scoreboard_bars) == 128, "bars");
_Static_assert(sizeof(struct scoreboard_service) == 4096, "service cell");

struct scoreboard;

/* --- owner (control) ------------------------------------------------------ */

/* A new memfd, sealed in its size; the caller's. */
int scoreboard_create(int *fd, struct err *err) MUST_CHECK;

/* Map it; fd may be closed afterwards. -EPROTO: another version or size. */
int scoreboard_attach(
    struct scoreboard **sb, int fd, struct err *err) MUST_CHECK;
void scoreboard_free(struct scoreboard *sb); /* unmaps; NULL is fine */

/*
 * The highest generation that was published, whether or not a worker applied
 * it: the next control goes on above it. 0: none.
 */
void scoreboard_publish(struct scoreboard *sb, uint64_t generation);
uint64_t scoreboard_published(const struct scoreboard *sb);

/* The worker at this index is dead: forget all that it counted. */
void scoreboard_reset_worker(struct scoreboard *sb, unsigned worker);

/*
 * The cell has a new owner: zero it for every worker. Only for an endpoint
 * whose removal every worker has acknowledged, with nothing in flight.
 */
void scoreboard_reset_endpoint(struct scoreboard *sb, unsigned cell);
void scoreboard_reset_service(struct scoreboard *sb, unsigned cell);

/* --- readers -------------------------------------------------------------- */

struct scoreboard_worker_view {
	pid_t pid; /* 0: nobody */
	bool draining;
	uint64_t started_ms, heartbeat_ms, generation;
	uint64_t connections, accepted, rejected;
	uint64_t requests, bad_requests, no_route, upstreams, memory;
	uint64_t limits[LIMIT_COUNT];
	uint64_t buckets_lost;
	uint64_t auth_cached, auth_checked, auth_refused, auth_shed,
	    auth_unanswered, auth_verdicts;
	uint64_t handshakes[HANDSHAKE_COUNT];
	uint64_t http2_streams, http2[HTTP2_N_COUNT];
};

struct scoreboard_bars_view {
	uint64_t sum_us;
	uint64_t count[HISTOGRAM_BARS];
};

struct scoreboard_endpoint_view { /* sums over the workers */
	uint64_t inflight, connects, connect_failures, resets, timeouts;
	uint64_t bad_responses, requests, errors, bytes_in, bytes_out;
	uint64_t tunnels;
	uint64_t out_until_s; /* the latest */
};

struct scoreboard_service_view {
	uint64_t queued, inflight, requests;
	uint64_t responses[6];
	uint64_t faults[FAULT_COUNT];
	uint64_t retries, resends, over_budget, cancelled;
	uint64_t bytes_in, bytes_out, upgrades, ejections;
	struct histogram latency; /* us: histogram_quantile() */
	struct histogram waited;
	struct scoreboard_bars_view latency_bars, waited_bars;
};

bool scoreboard_worker_view(const struct scoreboard *sb, unsigned worker,
    struct scoreboard_worker_view *v); /* false: nobody */
void scoreboard_endpoint_view(const struct scoreboard *sb, unsigned cell,
    struct scoreboard_endpoint_view *v);
void scoreboard_service_view(const struct scoreboard *sb, unsigned cell,
    struct scoreboard_service_view *v);

/* How long an endpoint took, from its being chosen to the answer's end. */
void scoreboard_endpoint_bars(
    const struct scoreboard *sb, unsigned cell, struct scoreboard_bars_view *v);

/* In flight on an endpoint over all workers: what a drain waits for. */
unsigned scoreboard_inflight(const struct scoreboard *sb, unsigned cell);

/* The same for WebSockets, which have a drain of their own. */
unsigned scoreboard_tunnels(const struct scoreboard *sb, unsigned cell);

/* Both with one look at each worker, for who chooses among many. */
struct scoreboard_load {
	unsigned inflight, tunnels;
};
struct scoreboard_load scoreboard_load(
    const struct scoreboard *sb, unsigned cell);

/* What is asked of a service now: cheap, for who looks often. */
struct scoreboard_demand {
	uint64_t load;	   /* requests in flight and waiting */
	uint64_t requests; /* ever */
	uint64_t since_us; /* the oldest waits since, of clock_us(); 0: none */
};
struct scoreboard_demand scoreboard_demand(
    const struct scoreboard *sb, unsigned cell);

/* The stable word for a fault, as in Drover-Error; "" for FAULT_NONE. */
const char *scoreboard_fault_name(enum scoreboard_fault fault);
const char *scoreboard_limit_name(enum scoreboard_limit limit);

/* Of what became of a handshake: "timeout", "crowded". */
const char *scoreboard_handshake_name(enum scoreboard_handshake what);

/* --- a worker, on its own cells ------------------------------------------- */

/* From now on it counts; 0 is nobody. Reset by control when it is dead. */
void scoreboard_join(struct scoreboard *sb, unsigned worker, pid_t pid);

struct scoreboard_worker *scoreboard_worker(
    struct scoreboard *sb, unsigned worker);
struct scoreboard_endpoint *scoreboard_endpoint(
    struct scoreboard *sb, unsigned worker, unsigned cell);

struct scoreboard_bars *scoreboard_bars(
    struct scoreboard *sb, unsigned worker, unsigned cell);

/* Marks the page as used. */
struct scoreboard_service *scoreboard_service(
    struct scoreboard *sb, unsigned worker, unsigned cell);

/*
 * The token buckets of all rate limits, SCOREBOARD_BUCKETS lines that all
 * workers take from alike, and the secret that keys are hashed under.
 */
struct bucket_line *scoreboard_buckets(struct scoreboard *sb);
struct hash_key scoreboard_secret(const struct scoreboard *sb);

/* Claim one of `limit` (over all workers) on an endpoint. 0: no limit. */
bool scoreboard_take(
    struct scoreboard *sb, unsigned worker, unsigned cell, unsigned limit);
void scoreboard_give(struct scoreboard *sb, unsigned worker, unsigned cell);

/* The same for the places in a service's queue. */
bool scoreboard_enqueue(
    struct scoreboard *sb, unsigned worker, unsigned cell, unsigned limit);
void scoreboard_dequeue(struct scoreboard *sb, unsigned worker, unsigned cell);

/*
 * Which other worker has waited longest on this service, longer than since_us
 * (0: whatever): its pid, or 0.
 */
pid_t scoreboard_waiter(const struct scoreboard *sb, unsigned worker,
    unsigned cell, uint64_t since_us);

/* Add to an own cell: no other process writes it. */
static inline void
count32(_Atomic uint32_t *c, uint32_t n)
{
	atomic_store_explicit(c,
	    atomic_load_explicit(c, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

static inline void
count64(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c,
	    atomic_load_explicit(c, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

static inline void
count_bar(struct scoreboard_bars *b, uint64_t us)
{
	count64(&b->sum_us, us);
	count32(&b->count[histogram_bar(us)], 1);
}

#endif /* LINK_SCOREBOARD_H */
