/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "link/scoreboard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/rand.h"

#define MAGIC 0x62735244u /* "DRsb" on a little-endian machine */
#define PAGE 4096

/* Each part begins on a page, so that giving pages back meets nobody else. */
struct area {
	struct scoreboard_endpoint endpoints[SCOREBOARD_ENDPOINTS];
	struct scoreboard_bars bars[SCOREBOARD_ENDPOINTS]; /* of these */
	struct scoreboard_service services[SCOREBOARD_SERVICES];
};

struct layout {
	uint32_t magic;
	uint32_t version;
	_Atomic uint64_t published; /* control's alone */
	struct hash_key secret;
	unsigned char pad0[32];
	/* Read by everybody at each claim, written only when a worker comes. */
	_Atomic uint32_t top; /* one above the highest index that ever was */
	_Atomic uint32_t pids[SCOREBOARD_WORKERS];
	unsigned char pad1[PAGE - 64 - 4 - 4 * SCOREBOARD_WORKERS];
	struct scoreboard_worker workers[SCOREBOARD_WORKERS];
	struct area areas[SCOREBOARD_WORKERS];
	struct bucket_line buckets[SCOREBOARD_BUCKETS];
};

_Static_assert(sizeof(struct area) % PAGE == 0, "whole pages");
_Static_assert(offsetof(struct layout, areas) % PAGE == 0, "whole pages");
_Static_assert(offsetof(struct layout, secret) == 16, "as written at first");

struct scoreboard {
	struct layout *map;
};

#define LOAD(x) atomic_load_explicit(&(x), memory_order_relaxed)

/* --- owner ---------------------------------------------------------------- */

int
scoreboard_create(int *fd, struct err *err)
{
	struct {
		uint32_t magic, version;
		uint64_t published;
		struct hash_key secret;
	} start = { .magic = MAGIC, .version = SCOREBOARD_VERSION };
	int r;

	rand_bytes(&start.secret, sizeof(start.secret));
	*fd = memfd_create(
	    "drover-scoreboard", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0)
		return err_errno(err, -errno, "cannot make the scoreboard");
	if (ftruncate(*fd, (off_t)sizeof(struct layout)) < 0 ||
	    pwrite(*fd, &start, sizeof(start), 0) != sizeof(start) ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) <
		0) {
		r = err_errno(err, -errno, "cannot size the scoreboard");
		fd_close(fd);
		return r;
	}
	return 0;
}

static int
check_layout(const struct layout *l, struct err *err)
{
	if (l->magic != MAGIC)
		return err_set(err, -EPROTO, "not a scoreboard");
	if (l->version != SCOREBOARD_VERSION)
		return err_set(err, -EPROTO,
		    "scoreboard of version %u, and this process knows %u",
		    l->version, SCOREBOARD_VERSION);
	return 0;
}

int
scoreboard_attach(struct scoreboard **out, int fd, struct err *err)
{
	struct scoreboard *sb = NULL;
	struct stat st;
	void *map;
	int r;

	*out = NULL;
	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "scoreboard");
	if ((size_t)st.st_size != sizeof(struct layout))
		return err_set(err, -EPROTO, "scoreboard of another size");
	map = mmap(NULL, sizeof(struct layout), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return err_errno(err, -errno, "scoreboard");
	r = check_layout(map, err);
	if (r == 0 && (sb = calloc(1, sizeof(*sb))) == NULL)
		r = err_errno(err, -ENOMEM, "scoreboard");
	if (r < 0) {
		munmap(map, sizeof(struct layout));
		return r;
	}
	sb->map = map;
	*out = sb;
	return 0;
}

void
scoreboard_publish(struct scoreboard *sb, uint64_t generation)
{
	atomic_store(&sb->map->published, generation);
}

uint64_t
scoreboard_published(const struct scoreboard *sb)
{
	return atomic_load(&sb->map->published);
}

void
scoreboard_free(struct scoreboard *sb)
{
	if (sb == NULL)
		return;
	munmap(sb->map, sizeof(struct layout));
	free(sb);
}

void
scoreboard_reset_worker(struct scoreboard *sb, unsigned worker)
{
	struct scoreboard_worker *w = &sb->map->workers[worker];

	atomic_store(&sb->map->pids[worker], 0);
	/* Gives the pages back: what is read there next is zero. */
	if (madvise(&sb->map->areas[worker], sizeof(struct area), MADV_REMOVE) <
	    0)
		memset(&sb->map->areas[worker], 0, sizeof(struct area));
	memset(w, 0, sizeof(*w));
}

/* Nobody ever was at this index or above. */
static unsigned
top(const struct scoreboard *sb)
{
	return LOAD(sb->map->top);
}

static bool
alive(const struct scoreboard *sb, unsigned worker)
{
	return LOAD(sb->map->pids[worker]) != 0;
}

static bool
uses(const struct scoreboard *sb, unsigned worker, unsigned cell)
{
	return alive(sb, worker) &&
	    (LOAD(sb->map->workers[worker].used[cell / 64]) >> cell % 64 & 1);
}

/* The bars only where there are any: to write them makes their page. */
static void
reset_cell(struct area *a, unsigned cell)
{
	if (LOAD(a->endpoints[cell].requests) > 0)
		memset(&a->bars[cell], 0, sizeof(a->bars[cell]));
	memset(&a->endpoints[cell], 0, sizeof(a->endpoints[cell]));
}

void
scoreboard_reset_endpoint(struct scoreboard *sb, unsigned cell)
{
	for (unsigned w = 0; w < top(sb); w++)
		if (alive(sb, w))
			reset_cell(&sb->map->areas[w], cell);
}

void
scoreboard_reset_service(struct scoreboard *sb, unsigned cell)
{
	for (unsigned w = 0; w < top(sb); w++)
		if (uses(sb, w, cell))
			memset(&sb->map->areas[w].services[cell], 0,
			    sizeof(struct scoreboard_service));
}

/* --- readers -------------------------------------------------------------- */

bool
scoreboard_worker_view(const struct scoreboard *sb, unsigned worker,
    struct scoreboard_worker_view *v)
{
	const struct scoreboard_worker *w = &sb->map->workers[worker];

	*v = (struct scoreboard_worker_view){
		.pid = (pid_t)LOAD(sb->map->pids[worker]),
		.draining = LOAD(w->draining) != 0,
		.started_ms = LOAD(w->started_ms),
		.heartbeat_ms = LOAD(w->heartbeat_ms),
		.generation = LOAD(w->generation),
		.connections = LOAD(w->connections),
		.accepted = LOAD(w->accepted),
		.rejected = LOAD(w->rejected),
		.requests = LOAD(w->requests),
		.bad_requests = LOAD(w->bad_requests),
		.no_route = LOAD(w->no_route),
		.auth_cached = LOAD(w->auth_cached),
		.auth_checked = LOAD(w->auth_checked),
		.auth_refused = LOAD(w->auth_refused),
		.auth_shed = LOAD(w->auth_shed),
		.auth_unanswered = LOAD(w->auth_unanswered),
		.auth_verdicts = LOAD(w->auth_verdicts),
		.upstreams = LOAD(w->upstreams),
		.memory = LOAD(w->memory),
		.buckets_lost = LOAD(w->buckets_lost),
	};
	for (unsigned i = 0; i < LIMIT_COUNT; i++)
		v->limits[i] = LOAD(w->limits[i]);
	for (unsigned i = 0; i < HANDSHAKE_COUNT; i++)
		v->handshakes[i] = LOAD(w->handshakes[i]);
	v->http2_streams = LOAD(w->http2_streams);
	for (unsigned i = 0; i < HTTP2_N_COUNT; i++)
		v->http2[i] = LOAD(w->http2[i]);
	return v->pid != 0;
}

static void
add_endpoint(
    struct scoreboard_endpoint_view *v, const struct scoreboard_endpoint *e)
{
	v->inflight += LOAD(e->inflight);
	v->connects += LOAD(e->connects);
	v->connect_failures += LOAD(e->connect_failures);
	v->resets += LOAD(e->resets);
	v->timeouts += LOAD(e->timeouts);
	v->bad_responses += LOAD(e->bad_responses);
	v->requests += LOAD(e->requests);
	v->errors += LOAD(e->errors);
	v->bytes_in += LOAD(e->bytes_in);
	v->bytes_out += LOAD(e->bytes_out);
	v->tunnels += LOAD(e->tunnels);
	if (LOAD(e->out_until_s) > v->out_until_s)
		v->out_until_s = LOAD(e->out_until_s);
}

void
scoreboard_endpoint_view(const struct scoreboard *sb, unsigned cell,
    struct scoreboard_endpoint_view *v)
{
	*v = (struct scoreboard_endpoint_view){ 0 };
	for (unsigned w = 0; w < top(sb); w++)
		if (alive(sb, w))
			add_endpoint(v, &sb->map->areas[w].endpoints[cell]);
}

static void
add_bars(struct scoreboard_bars_view *v, const struct scoreboard_bars *b)
{
	v->sum_us += LOAD(b->sum_us);
	for (unsigned i = 0; i < HISTOGRAM_BARS; i++)
		v->count[i] += LOAD(b->count[i]);
}

void
scoreboard_endpoint_bars(
    const struct scoreboard *sb, unsigned cell, struct scoreboard_bars_view *v)
{
	*v = (struct scoreboard_bars_view){ 0 };
	for (unsigned w = 0; w < top(sb); w++)
		if (alive(sb, w) &&
		    LOAD(sb->map->areas[w].endpoints[cell].requests) > 0)
			add_bars(v, &sb->map->areas[w].bars[cell]);
}

static void
add_service(
    struct scoreboard_service_view *v, const struct scoreboard_service *s)
{
	v->queued += LOAD(s->queued);
	v->inflight += LOAD(s->inflight);
	v->requests += LOAD(s->requests);
	for (unsigned i = 0; i < ARRAY_LEN(s->responses); i++)
		v->responses[i] += LOAD(s->responses[i]);
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		v->faults[i] += LOAD(s->faults[i]);
	v->retries += LOAD(s->retries);
	v->resends += LOAD(s->resends);
	v->over_budget += LOAD(s->over_budget);
	v->cancelled += LOAD(s->cancelled);
	v->bytes_in += LOAD(s->bytes_in);
	v->bytes_out += LOAD(s->bytes_out);
	v->upgrades += LOAD(s->upgrades);
	v->ejections += LOAD(s->ejections);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		v->latency.count[i] += LOAD(s->latency[i]);
		v->waited.count[i] += LOAD(s->waited[i]);
	}
	add_bars(&v->latency_bars, &s->latency_bars);
	add_bars(&v->waited_bars, &s->waited_bars);
}

void
scoreboard_service_view(const struct scoreboard *sb, unsigned cell,
    struct scoreboard_service_view *v)
{
	memset(v, 0, sizeof(*v));
	for (unsigned w = 0; w < top(sb); w++)
		if (uses(sb, w, cell))
			add_service(v, &sb->map->areas[w].services[cell]);
}

struct scoreboard_load
scoreboard_load(const struct scoreboard *sb, unsigned cell)
{
	struct scoreboard_load sum = { 0, 0 };
	unsigned n = top(sb);

	for (unsigned w = 0; w < n; w++) {
		const struct scoreboard_endpoint *e =
		    &sb->map->areas[w].endpoints[cell];

		if (!alive(sb, w))
			continue;
		sum.inflight += LOAD(e->inflight);
		sum.tunnels += LOAD(e->tunnels);
	}
	return sum;
}

unsigned
scoreboard_inflight(const struct scoreboard *sb, unsigned cell)
{
	return scoreboard_load(sb, cell).inflight;
}

unsigned
scoreboard_tunnels(const struct scoreboard *sb, unsigned cell)
{
	return scoreboard_load(sb, cell).tunnels;
}

struct scoreboard_demand
scoreboard_demand(const struct scoreboard *sb, unsigned cell)
{
	struct scoreboard_demand d = { 0, 0, 0 };

	for (unsigned w = 0; w < top(sb); w++) {
		const struct scoreboard_service *s =
		    &sb->map->areas[w].services[cell];
		uint64_t since;

		if (!uses(sb, w, cell))
			continue;
		since = LOAD(s->waiting_since_us);
		d.load += LOAD(s->queued) + LOAD(s->inflight);
		d.requests += LOAD(s->requests);
		if (since != 0 && (d.since_us == 0 || since < d.since_us))
			d.since_us = since;
	}
	return d;
}

const char *
scoreboard_fault_name(enum scoreboard_fault fault)
{
	static const char *const names[FAULT_COUNT] = {
		[FAULT_NONE] = "",
		[FAULT_BAD_REQUEST] = "bad-request",
		[FAULT_HEAD_TOO_LARGE] = "head-too-large",
		[FAULT_URI_TOO_LONG] = "uri-too-long",
		[FAULT_BODY_TOO_LARGE] = "body-too-large",
		[FAULT_NO_ROUTE] = "no-route",
		[FAULT_NO_ENDPOINT] = "no-endpoint",
		[FAULT_QUEUE_FULL] = "queue-full",
		[FAULT_QUEUE_TIMEOUT] = "queue-timeout",
		[FAULT_CONNECT] = "connect",
		[FAULT_RESET] = "reset",
		[FAULT_TIMEOUT] = "timeout",
		[FAULT_BAD_RESPONSE] = "bad-response",
		[FAULT_RATE_LIMITED] = "rate-limited",
		[FAULT_UNAUTHORIZED] = "unauthorized",
	};

	return names[fault];
}

const char *
scoreboard_limit_name(enum scoreboard_limit limit)
{
	static const char *const names[LIMIT_COUNT] = {
		[LIMIT_CONNECTIONS] = "connections",
		[LIMIT_CONNECTIONS_PER_ADDRESS] = "connections_per_address",
		[LIMIT_REQUESTS_PER_CONNECTION] = "requests_per_connection",
		[LIMIT_IDLE_TIMEOUT] = "idle_timeout",
		[LIMIT_MEMORY_IDLE] = "memory_idle",
		[LIMIT_MEMORY_REQUESTS] = "memory_requests",
		[LIMIT_MEMORY_ACCEPT] = "memory_accept",
		[LIMIT_HEAD_SIZE] = "head_size",
		[LIMIT_HEAD_LINES] = "head_lines",
		[LIMIT_TARGET] = "target",
		[LIMIT_HEAD_TIMEOUT] = "head_timeout",
		[LIMIT_BODY] = "body",
		[LIMIT_BODY_RATE] = "body_rate",
		[LIMIT_BODY_IDLE] = "body_idle",
		[LIMIT_REQUEST_TIMEOUT] = "request_timeout",
		[LIMIT_STREAM_IDLE] = "stream_idle",
		[LIMIT_SEND_TIMEOUT] = "send_timeout",
		[LIMIT_HALF_CLOSE_TIMEOUT] = "half_close_timeout",
		[LIMIT_LINGER] = "linger",
		[LIMIT_CONNECT_TIMEOUT] = "connect_timeout",
		[LIMIT_POOL] = "pool",
		[LIMIT_POOL_TIMEOUT] = "pool_timeout",
		[LIMIT_RESPONSE_HEAD] = "response_head",
		[LIMIT_HTTP2_WINDOW] = "http2_window",
		[LIMIT_AUTH_VERDICTS] = "auth_verdicts",
		[LIMIT_AUTH_REFUSALS] = "auth_refusals",
		[LIMIT_AUTH_QUEUE] = "auth_queue",
		[LIMIT_AUTH_TIMEOUT] = "auth_timeout",
		[LIMIT_INTERIMS] = "interims",
	};

	return names[limit];
}

const char *
scoreboard_handshake_name(enum scoreboard_handshake what)
{
	static const char *const names[HANDSHAKE_COUNT] = {
		[HANDSHAKE_DONE] = "done",
		[HANDSHAKE_RESUMED] = "resumed",
		[HANDSHAKE_TIMEOUT] = "timeout",
		[HANDSHAKE_CROWDED] = "crowded",
		[HANDSHAKE_PLAIN] = "plain-http",
		[HANDSHAKE_CLOSED] = "closed",
		[HANDSHAKE_GARBAGE] = "garbage",
		[HANDSHAKE_VERSION] = "version",
		[HANDSHAKE_CIPHER] = "cipher",
		[HANDSHAKE_ALERT] = "alert",
		[HANDSHAKE_PROTOCOL] = "protocol",
		[HANDSHAKE_MEMORY] = "memory",
	};

	return names[what];
}

/* --- a worker ------------------------------------------------------------- */

void
scoreboard_join(struct scoreboard *sb, unsigned worker, pid_t pid)
{
	_Atomic uint32_t *end = &sb->map->top;
	uint32_t seen = atomic_load(end);

	atomic_store(&sb->map->pids[worker], (uint32_t)pid);
	while (seen <= worker &&
	    !atomic_compare_exchange_weak(end, &seen, worker + 1))
		;
}

struct scoreboard_worker *
scoreboard_worker(struct scoreboard *sb, unsigned worker)
{
	return &sb->map->workers[worker];
}

struct scoreboard_endpoint *
scoreboard_endpoint(struct scoreboard *sb, unsigned worker, unsigned cell)
{
	return &sb->map->areas[worker].endpoints[cell];
}

struct scoreboard_bars *
scoreboard_bars(struct scoreboard *sb, unsigned worker, unsigned cell)
{
	return &sb->map->areas[worker].bars[cell];
}

struct scoreboard_service *
scoreboard_service(struct scoreboard *sb, unsigned worker, unsigned cell)
{
	_Atomic uint64_t *used = &sb->map->workers[worker].used[cell / 64];

	atomic_store(used, LOAD(*used) | UINT64_C(1) << cell % 64);
	return &sb->map->areas[worker].services[cell];
}

struct bucket_line *
scoreboard_buckets(struct scoreboard *sb)
{
	return sb->map->buckets;
}

struct hash_key
scoreboard_secret(const struct scoreboard *sb)
{
	return sb->map->secret;
}

/*
 * The own count stands before the others are read (the fence), so of two that
 * come at once at least one sees the other.
 */
bool
scoreboard_take(
    struct scoreboard *sb, unsigned worker, unsigned cell, unsigned limit)
{
	struct scoreboard_endpoint *own =
	    &sb->map->areas[worker].endpoints[cell];

	count32(&own->inflight, 1);
	if (limit == 0)
		return true;
	atomic_thread_fence(memory_order_seq_cst);
	if (scoreboard_inflight(sb, cell) <= limit)
		return true;
	scoreboard_give(sb, worker, cell);
	return false;
}

void
scoreboard_give(struct scoreboard *sb, unsigned worker, unsigned cell)
{
	struct scoreboard_endpoint *own =
	    &sb->map->areas[worker].endpoints[cell];

	/* Released after all that the exchange did with the endpoint. */
	atomic_store_explicit(
	    &own->inflight, LOAD(own->inflight) - 1, memory_order_release);
}

static unsigned
queued(const struct scoreboard *sb, unsigned cell)
{
	unsigned sum = 0;

	for (unsigned w = 0; w < top(sb); w++)
		if (uses(sb, w, cell))
			sum += LOAD(sb->map->areas[w].services[cell].queued);
	return sum;
}

bool
scoreboard_enqueue(
    struct scoreboard *sb, unsigned worker, unsigned cell, unsigned limit)
{
	struct scoreboard_service *own = scoreboard_service(sb, worker, cell);

	count32(&own->queued, 1);
	atomic_thread_fence(memory_order_seq_cst);
	if (queued(sb, cell) <= limit)
		return true;
	scoreboard_dequeue(sb, worker, cell);
	return false;
}

void
scoreboard_dequeue(struct scoreboard *sb, unsigned worker, unsigned cell)
{
	struct scoreboard_service *own = &sb->map->areas[worker].services[cell];

	atomic_store_explicit(
	    &own->queued, LOAD(own->queued) - 1, memory_order_release);
}

pid_t
scoreboard_waiter(const struct scoreboard *sb, unsigned worker, unsigned cell,
    uint64_t since_us)
{
	uint64_t oldest = since_us == 0 ? UINT64_MAX : since_us;
	pid_t pid = 0;

	for (unsigned w = 0; w < top(sb); w++) {
		uint64_t since;

		if (w == worker || !uses(sb, w, cell))
			continue;
		since = LOAD(sb->map->areas[w].services[cell].waiting_since_us);
		if (since == 0 || since >= oldest)
			continue;
		oldest = since;
		pid = (pid_t)LOAD(sb->map->pids[w]);
	}
	return pid;
}
