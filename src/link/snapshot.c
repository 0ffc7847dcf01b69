/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE
#include "link/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/arena.h"
#include "base/fd.h"
#include "link/address.h"
#include "link/pack.h"
#include "link/snapshot_impl.h"

#define MAGIC 0x6e735244u /* "DRsn" on a little-endian machine */

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* --- encoding ------------------------------------------------------------- */

static void
pack_listener(struct packer *p, const struct snapshot_listener *l)
{
	pack_open(p);
	pack_u32(p, l->id);
	pack_u32(p, l->flags);
	pack_str(p, l->address);
	pack_u64(p, l->mark);
	pack_u32(p, l->tls13);
	pack_str(p, l->ciphers);
	pack_str(p, l->ciphersuites);
	pack_u32(p, l->handshake_ms);
	pack_u32(p, l->handshakes);
	pack_u32(p, l->npairs);
	for (uint32_t i = 0; i < l->npairs; i++) {
		pack_str(p, l->pairs[i].cert);
		pack_str(p, l->pairs[i].key);
	}
	pack_u32(p, l->http2_streams);
	pack_close(p);
}

static void
pack_network(struct packer *p, const struct snapshot_network *n)
{
	pack_open(p);
	pack_bytes(p, n->address, sizeof(n->address));
	pack_u32(p, n->prefix);
	pack_close(p);
}

static void
pack_endpoint(struct packer *p, const struct snapshot_endpoint *e)
{
	pack_open(p);
	pack_str(p, e->name);
	pack_str(p, e->address);
	pack_u32(p, e->cell);
	pack_u32(p, e->weight);
	pack_u64(p, e->ready_since_ms);
	pack_u32(p, e->flags);
	pack_close(p);
}

static void
pack_service(struct packer *p, const struct snapshot_service *s)
{
	pack_open(p);
	pack_str(p, s->name);
	pack_u32(p, s->cell);
	pack_u32(p, s->flags);
	pack_u32(p, s->balance);
	pack_u32(p, s->hash);
	pack_str(p, s->hash_name);
	pack_u32(p, s->concurrency);
	pack_u32(p, s->queue);
	pack_u32(p, s->queue_timeout_ms);
	pack_u32(p, s->start_wait_ms);
	pack_u32(p, s->request_timeout_ms);
	pack_u32(p, s->idle_timeout_ms);
	pack_u64(p, s->body);
	pack_str(p, s->token);
	pack_u32(p, s->websocket_idle_ms);
	pack_u32(p, s->eject_errors);
	pack_u32(p, s->eject_ms);
	pack_u32(p, s->eject_percent);
	pack_u32(p, s->wake);
	pack_close(p);
	pack_u32(p, s->ncalls);
	for (uint32_t i = 0; i < s->ncalls; i++)
		pack_u32(p, s->calls[i]);
	pack_u32(p, s->nendpoints);
	for (uint32_t i = 0; i < s->nendpoints; i++)
		pack_endpoint(p, &s->endpoints[i]);
}

int
snapshot_encode(const struct snapshot *s, struct buf *out)
{
	struct limits limits = s->limits;
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, MAGIC);
	pack_u32(&p, SNAPSHOT_VERSION);
	pack_open(&p);
	pack_u64(&p, s->generation);
	for (unsigned i = 0; i < LIMITS_FRONT; i++)
		pack_u32(&p, *limits_at(&limits, &limits_rows[i]));
	pack_u32(&p, s->record_texts);
	pack_u32(&p, s->ntickets);
	pack_bytes(&p, s->tickets, s->ntickets * SNAPSHOT_TICKET);
	for (unsigned i = LIMITS_FRONT; i < LIMITS_N; i++)
		pack_u32(&p, *limits_at(&limits, &limits_rows[i]));
	pack_close(&p);
	pack_u32(&p, s->nlisteners);
	for (uint32_t i = 0; i < s->nlisteners; i++)
		pack_listener(&p, &s->listeners[i]);
	pack_u32(&p, s->ntrusted);
	for (uint32_t i = 0; i < s->ntrusted; i++)
		pack_network(&p, &s->trusted[i]);
	pack_u32(&p, s->nservices);
	for (uint32_t i = 0; i < s->nservices; i++)
		pack_service(&p, &s->services[i]);
	pack_u32(&p, s->nroutes);
	for (uint32_t i = 0; i < s->nroutes; i++)
		snapshot_pack_route(&p, &s->routes[i]);
	pack_u32(&p, s->nsilent);
	for (uint32_t i = 0; i < s->nsilent; i++)
		pack_u32(&p, s->silent[i]);
	return p.error;
}

static int
sealed_memfd(const struct buf *b)
{
	int fd = memfd_create(
	    "drover-snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, b->data, b->len);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, ALL_SEALS) < 0)
		r = -errno;
	if (r < 0)
		fd_close(&fd);
	return r < 0 ? r : fd;
}

int
snapshot_memfd(const struct snapshot *s, int *fd, struct err *err)
{
	struct buf b;
	int r;

	buf_init(&b, SNAPSHOT_BYTES_MAX);
	r = snapshot_encode(s, &b);
	if (r == 0)
		r = *fd = sealed_memfd(&b);
	buf_done(&b);
	return r < 0 ? err_errno(err, r, "cannot write a snapshot") : 0;
}

/* --- decoding ------------------------------------------------------------- */

/* The decoded snapshot stands first, so that freeing finds the arena. */
struct owned {
	struct snapshot s;
	struct arena arena;
};

static void
bad(struct snapshot_reader *r, const char *what)
{
	if (r->u.error != 0)
		return;
	r->u.error = err_set(r->err, -EBADMSG, "snapshot: bad %s", what);
}

void
snapshot_must(struct snapshot_reader *r, bool ok, const char *what)
{
	if (!ok)
		bad(r, what);
}

void *
snapshot_room(struct snapshot_reader *r, uint32_t n, size_t size)
{
	void *p;

	if (n == 0 || r->u.error != 0)
		return NULL;
	p = arena_alloc(r->arena, n * size);
	if (p == NULL)
		r->u.error = -ENOMEM;
	return p;
}

static void
read_pairs(struct snapshot_reader *r, struct snapshot_listener *l)
{
	struct snapshot_pair *pairs;

	l->npairs = unpack_u32(&r->u);
	snapshot_must(
	    r, l->npairs <= SNAPSHOT_PAIRS_MAX, "number of certificates");
	l->pairs = pairs = snapshot_room(r, l->npairs, sizeof(*pairs));
	for (uint32_t i = 0; i < l->npairs && r->u.error == 0; i++) {
		pairs[i].cert = unpack_str(&r->u, r->arena, SNAPSHOT_PEM_MAX);
		pairs[i].key = unpack_str(&r->u, r->arena, SNAPSHOT_PEM_MAX);
		snapshot_must(r,
		    pairs[i].cert[0] != '\0' && pairs[i].key[0] != '\0',
		    "certificate");
	}
}

static void
read_listener(struct snapshot_reader *r, struct snapshot_listener *l)
{
	unpack_open(&r->u);
	l->id = unpack_u32(&r->u);
	l->flags = unpack_u32(&r->u);
	l->address = unpack_str(&r->u, r->arena, SNAPSHOT_ADDRESS_MAX);
	l->mark = unpack_u64(&r->u);
	l->tls13 = unpack_u32(&r->u);
	l->ciphers = unpack_str(&r->u, r->arena, SNAPSHOT_CIPHERS_MAX);
	l->ciphersuites = unpack_str(&r->u, r->arena, SNAPSHOT_CIPHERS_MAX);
	l->handshake_ms = unpack_u32(&r->u);
	l->handshakes = unpack_u32(&r->u);
	read_pairs(r, l);
	l->http2_streams = unpack_u32(&r->u);
	unpack_close(&r->u);
	snapshot_must(r, (l->flags & ~(uint32_t)SNAPSHOT_LISTENER_FLAGS) == 0,
	    "listener flags");
	snapshot_must(
	    r, l->http2_streams <= SNAPSHOT_STREAMS_MAX, "listener streams");
	if (l->flags & SNAPSHOT_LISTENER_TLS)
		snapshot_must(r, l->handshake_ms > 0 && l->handshakes > 0,
		    "limits of handshakes");
}

static void
read_network(struct snapshot_reader *r, struct snapshot_network *n)
{
	unpack_open(&r->u);
	unpack_bytes(&r->u, n->address, sizeof(n->address));
	n->prefix = unpack_u32(&r->u);
	unpack_close(&r->u);
	snapshot_must(r, n->prefix <= 128, "network prefix");
}

static void
read_endpoint(struct snapshot_reader *r, struct snapshot_endpoint *e)
{
	struct address parsed;

	unpack_open(&r->u);
	e->name = unpack_str(&r->u, r->arena, SNAPSHOT_NAME_MAX);
	e->address = unpack_str(&r->u, r->arena, SNAPSHOT_ADDRESS_MAX);
	e->cell = unpack_u32(&r->u);
	e->weight = unpack_u32(&r->u);
	e->ready_since_ms = unpack_u64(&r->u);
	e->flags = unpack_u32(&r->u);
	unpack_close(&r->u);
	if (r->u.error != 0)
		return;
	snapshot_must(r, e->name[0] != '\0', "endpoint name");
	snapshot_must(
	    r, address_parse(&parsed, e->address) == 0, "endpoint address");
	snapshot_must(r, e->cell < SNAPSHOT_ENDPOINTS_MAX, "endpoint cell");
	snapshot_must(r, e->weight >= 1 && e->weight <= SNAPSHOT_WEIGHT_MAX,
	    "endpoint weight");
	snapshot_must(r, e->flags <= SNAPSHOT_ENDPOINT_TRIAL, "endpoint flags");
}

static void
read_calls(struct snapshot_reader *r, struct snapshot_service *s)
{
	uint32_t *calls;

	s->ncalls = unpack_count(&r->u, SNAPSHOT_CALLS_MAX);
	s->calls = calls = snapshot_room(r, s->ncalls, sizeof(*calls));
	for (uint32_t i = 0; i < s->ncalls && r->u.error == 0; i++)
		calls[i] = unpack_u32(&r->u);
}

static void
read_endpoints(struct snapshot_reader *r, struct snapshot_service *s)
{
	struct snapshot_endpoint *list;

	s->nendpoints = unpack_count(&r->u, SNAPSHOT_ENDPOINTS_MAX);
	r->endpoints += s->nendpoints;
	snapshot_must(
	    r, r->endpoints <= SNAPSHOT_ENDPOINTS_MAX, "number of endpoints");
	s->endpoints = list = snapshot_room(r, s->nendpoints, sizeof(*list));
	for (uint32_t i = 0; i < s->nendpoints && r->u.error == 0; i++)
		read_endpoint(r, &list[i]);
}

static void
read_service(struct snapshot_reader *r, struct snapshot_service *s)
{
	unpack_open(&r->u);
	s->name = unpack_str(&r->u, r->arena, SNAPSHOT_NAME_MAX);
	s->cell = unpack_u32(&r->u);
	s->flags = unpack_u32(&r->u);
	s->balance = unpack_u32(&r->u);
	s->hash = unpack_u32(&r->u);
	s->hash_name = unpack_str(&r->u, r->arena, SNAPSHOT_NAME_MAX);
	s->concurrency = unpack_u32(&r->u);
	s->queue = unpack_u32(&r->u);
	s->queue_timeout_ms = unpack_u32(&r->u);
	s->start_wait_ms = unpack_u32(&r->u);
	s->request_timeout_ms = unpack_u32(&r->u);
	s->idle_timeout_ms = unpack_u32(&r->u);
	s->body = unpack_u64(&r->u);
	s->token = unpack_str(&r->u, r->arena, SNAPSHOT_TOKEN_MAX);
	s->websocket_idle_ms = unpack_u32(&r->u);
	s->eject_errors = unpack_u32(&r->u);
	s->eject_ms = unpack_u32(&r->u);
	s->eject_percent = unpack_u32(&r->u);
	s->wake = unpack_u32(&r->u);
	unpack_close(&r->u);
	if (r->u.error != 0)
		return;
	snapshot_must(r, s->name[0] != '\0', "service name");
	snapshot_must(r, s->cell < SNAPSHOT_SERVICES_MAX, "service cell");
	snapshot_must(
	    r, s->flags < 2 * SNAPSHOT_SERVICE_UNLOGGED, "service flags");
	snapshot_must(r, s->balance <= SNAPSHOT_HASH, "balance");
	snapshot_must(r, s->hash <= SNAPSHOT_HASH_SOURCE, "hash");
	snapshot_must(r, s->eject_percent <= 100, "share of ejected endpoints");
	snapshot_must(r, s->wake <= 1, "wake of a service");
	read_calls(r, s);
	read_endpoints(r, s);
}

static void
check_calls(struct snapshot_reader *r, const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->nservices && r->u.error == 0; i++)
		for (uint32_t k = 0; k < s->services[i].ncalls; k++)
			snapshot_must(r, s->services[i].calls[k] < s->nservices,
			    "index of a called service");
}

static void
read_parts(struct snapshot_reader *r, struct snapshot *s)
{
	struct snapshot_listener *listeners;
	struct snapshot_network *trusted;
	struct snapshot_service *services;
	struct snapshot_route *routes;

	s->nlisteners = unpack_count(&r->u, SNAPSHOT_LISTENERS_MAX);
	s->listeners = listeners = snapshot_room(
	    r, s->nlisteners, sizeof(*listeners));
	for (uint32_t i = 0; i < s->nlisteners && r->u.error == 0; i++)
		read_listener(r, &listeners[i]);
	s->ntrusted = unpack_count(&r->u, SNAPSHOT_NETWORKS_MAX);
	s->trusted = trusted = snapshot_room(r, s->ntrusted, sizeof(*trusted));
	for (uint32_t i = 0; i < s->ntrusted && r->u.error == 0; i++)
		read_network(r, &trusted[i]);
	s->nservices = unpack_count(&r->u, SNAPSHOT_SERVICES_MAX);
	s->services = services = snapshot_room(
	    r, s->nservices, sizeof(*services));
	for (uint32_t i = 0; i < s->nservices && r->u.error == 0; i++)
		read_service(r, &services[i]);
	check_calls(r, s);
	s->nroutes = unpack_count(&r->u, SNAPSHOT_ROUTES_MAX);
	s->routes = routes = snapshot_room(r, s->nroutes, sizeof(*routes));
	for (uint32_t i = 0; i < s->nroutes && r->u.error == 0; i++)
		snapshot_read_route(r, &routes[i], s->nservices);
}

static void
read_head(struct snapshot_reader *r, struct snapshot *s)
{
	unpack_open(&r->u);
	s->generation = unpack_u64(&r->u);
	for (unsigned i = 0; i < LIMITS_FRONT; i++)
		*limits_at(&s->limits, &limits_rows[i]) = unpack_u32(&r->u);
	s->record_texts = unpack_u32(&r->u);
	s->ntickets = unpack_u32(&r->u);
	snapshot_must(
	    r, s->ntickets <= SNAPSHOT_TICKETS_MAX, "number of ticket keys");
	if (r->u.error == 0)
		unpack_bytes(&r->u, s->tickets, s->ntickets * SNAPSHOT_TICKET);
	for (unsigned i = LIMITS_FRONT; i < LIMITS_N; i++)
		*limits_at(&s->limits, &limits_rows[i]) = unpack_u32(&r->u);
	unpack_close(&r->u);
	snapshot_must(r, limits_over(&s->limits) == NULL, "limit");
}

static void
read_silent(struct snapshot_reader *r, struct snapshot *s)
{
	uint32_t *cells;

	s->nsilent = unpack_count(&r->u, SNAPSHOT_ENDPOINTS_MAX);
	s->silent = cells = snapshot_room(r, s->nsilent, sizeof(*cells));
	for (uint32_t i = 0; i < s->nsilent && r->u.error == 0; i++) {
		cells[i] = unpack_u32(&r->u);
		snapshot_must(
		    r, cells[i] < SNAPSHOT_ENDPOINTS_MAX, "silent cell");
	}
}

static void
read_all(struct snapshot_reader *r, struct snapshot *s)
{
	uint32_t magic = unpack_u32(&r->u), version = unpack_u32(&r->u);

	snapshot_must(r, magic == MAGIC, "magic: not a snapshot");
	if (r->u.error == 0 &&
	    (version > SNAPSHOT_VERSION || version + 1 < SNAPSHOT_VERSION ||
		version == 0))
		r->u.error = err_set(r->err, -EPROTO,
		    "snapshot of version %u, and this worker reads %u", version,
		    SNAPSHOT_VERSION);
	read_head(r, s);
	read_parts(r, s);
	if (version >= 2)
		read_silent(r, s);
	snapshot_must(r, r->u.at == r->u.end, "length: bytes behind the end");
}

int
snapshot_decode(
    const void *data, size_t n, struct snapshot **out, struct err *err)
{
	struct snapshot_reader r = { .err = err };
	struct owned *o = calloc(1, sizeof(*o));

	*out = NULL;
	if (o == NULL)
		return err_errno(err, -ENOMEM, "snapshot");
	arena_init(&o->arena, 4096, 4UL * SNAPSHOT_BYTES_MAX);
	err_set(err, 0, "snapshot: cut short or out of bounds");
	r.arena = &o->arena;
	unpack_begin(&r.u, data, n);
	read_all(&r, &o->s);
	if (r.u.error == -ENOMEM)
		err_errno(err, -ENOMEM, "snapshot");
	if (r.u.error != 0) {
		snapshot_free(&o->s);
		return r.u.error;
	}
	*out = &o->s;
	return 0;
}

int
snapshot_read(int fd, struct snapshot **s, struct err *err)
{
	struct stat st;
	void *map;
	int r, seals = fcntl(fd, F_GET_SEALS);

	*s = NULL;
	/* Unsealed, it could shrink or change under the decoder. */
	if (seals < 0 || (seals & ALL_SEALS) != ALL_SEALS)
		return err_set(err, -EBADMSG, "snapshot: not a sealed memfd");
	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "snapshot");
	if (st.st_size <= 0 || st.st_size > SNAPSHOT_BYTES_MAX)
		return err_set(err, -EBADMSG, "snapshot: bad size");
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return err_errno(err, -errno, "snapshot");
	r = snapshot_decode(map, (size_t)st.st_size, s, err);
	munmap(map, (size_t)st.st_size);
	return r;
}

void
snapshot_free(struct snapshot *s)
{
	struct owned *o = (struct owned *)s;

	if (o == NULL)
		return;
	arena_done(&o->arena);
	free(o);
}
