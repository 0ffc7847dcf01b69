/* SPDX-License-Identifier: ISC */

/* snapshot and pack: what is sent is what arrives. */

#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/array.h"
#include "base/fd.h"
#include "link/pack.h"
#include "link/snapshot.h"

static const struct snapshot_pair pairs[] = { { "cert 1", "key 1" },
	{ "cert 2", "key 2" } };
static const struct snapshot_listener listeners[] = {
	{ .id = 1,
	    .flags = SNAPSHOT_LISTENER_HTTP2_ALWAYS,
	    .address = "0.0.0.0:80",
	    .http2_streams = 7 },
	{ .id = 2,
	    .flags = SNAPSHOT_LISTENER_INTERNAL,
	    .address = "unix:/run/drover/in" },
	{ 3, SNAPSHOT_LISTENER_TLS, "0.0.0.0:443", 77, 1, "C", "S", 10000, 1024,
	    pairs, 2, 0 },
};
static const struct snapshot_network networks[] = { { { 0xfd, 1, 2 }, 20 } };
static const struct snapshot_endpoint endpoints[] = {
	{ "image.0", "unix:/run/image.0", 7, 100, 12345,
	    SNAPSHOT_ENDPOINT_TRIAL },
	{ "image.1", "[::1]:8080", 8, 50, 0, 0 },
};
static const uint32_t calls[] = { 1 };
static const struct snapshot_service services[] = {
	{ .name = "image",
	    .cell = 3,
	    .flags = SNAPSHOT_SERVICE_STARTING,
	    .balance = SNAPSHOT_HASH,
	    .hash = SNAPSHOT_HASH_COOKIE,
	    .hash_name = "room",
	    .concurrency = 8,
	    .queue = 100,
	    .queue_timeout_ms = 5000,
	    .start_wait_ms = 30000,
	    .request_timeout_ms = 60000,
	    .idle_timeout_ms = 70000,
	    .websocket_idle_ms = 80000,
	    .eject_errors = 5,
	    .eject_ms = 30000,
	    .eject_percent = 50,
	    .body = 64U << 20,
	    .token = "secret",
	    .calls = calls,
	    .ncalls = 1,
	    .endpoints = endpoints,
	    .nendpoints = 2 },
	{ .name = "web" },
};
static const struct snapshot_auth auth = {
	.flags = SNAPSHOT_AUTH_BASIC | SNAPSHOT_AUTH_BEARER |
	    SNAPSHOT_AUTH_FORWARD | SNAPSHOT_AUTH_PASS,
	.algorithms = 7,
	.leeway_s = 30,
	.service = 1,
	.timeout_ms = 2000,
	.realm = "den",
	.users = "ann:$6$x$y\n",
	.user_header = "X-User",
	.secret = "secret",
	.jwks = "{}",
	.issuer = "me",
	.audience = "you",
	.cookie = "session",
	.require = "scope=read",
	.claims = "sub=X-Sub",
	.path = "/check",
	.request_headers = "Cookie",
	.response_headers = "X-Role",
};
static const struct snapshot_route routes[] = {
	{ .host = "a.org",
	    .path = "/image/",
	    .rewrite = "/v2/",
	    .upgrade = "websocket other",
	    .methods = SNAPSHOT_GET | SNAPSHOT_HEAD,
	    .flags = SNAPSHOT_ROUTE_REWRITE | SNAPSHOT_ROUTE_CREDENTIALS,
	    .request_set = "X-A: 1\nX-B: 2: 3\n",
	    .request_remove = "x-c x-d",
	    .response_set = "X-E: 4\n",
	    .response_remove = "x-f",
	    .redirect = "https://${host}${path}",
	    .redirect_status = 308,
	    .rate_count = 100,
	    .rate_period_s = 60,
	    .rate_burst = 20,
	    .rate_header = "x-key",
	    .cors_origins = "https://a.org https://b.org",
	    .cors_methods = SNAPSHOT_PUT,
	    .cors_headers = "X-G, X-H",
	    .cors_expose = "X-I",
	    .cors_max_age_s = 600,
	    .auth = &auth },
	{ .path = "/", .flags = SNAPSHOT_ROUTE_INTERNAL, .service = 1 },
};
static const uint32_t silent[] = { 4095, 0 };
static const struct snapshot example = {
	.generation = 42,
	.limits = { .connections = 1000,
	    .memory_kib = 65536,
	    .response_head = 8192,
	    .auth_timeout = 11,
	    .interims = 7 },
	.record_texts = 1,
	.listeners = listeners,
	.nlisteners = 3,
	.tickets = { 1, 2, 3 },
	.ntickets = 2,
	.trusted = networks,
	.ntrusted = 1,
	.services = services,
	.nservices = 2,
	.routes = routes,
	.nroutes = 2,
	.silent = silent,
	.nsilent = 2,
};

static void
same_rules(const struct snapshot_route *a, const struct snapshot_route *b)
{
	assert_string_equal(a->request_set, b->request_set);
	assert_string_equal(a->request_remove, b->request_remove);
	assert_string_equal(a->response_set, b->response_set);
	assert_string_equal(a->response_remove, b->response_remove);
	assert_string_equal(a->redirect, b->redirect);
	assert_int_equal(a->redirect_status, b->redirect_status);
	assert_int_equal(a->rate_count, b->rate_count);
	assert_int_equal(a->rate_period_s, b->rate_period_s);
	assert_int_equal(a->rate_burst, b->rate_burst);
	assert_string_equal(a->rate_header, b->rate_header);
	assert_string_equal(a->cors_origins, b->cors_origins);
	assert_int_equal(a->cors_methods, b->cors_methods);
	assert_string_equal(a->cors_headers, b->cors_headers);
	assert_string_equal(a->cors_expose, b->cors_expose);
	assert_int_equal(a->cors_max_age_s, b->cors_max_age_s);
}

static void
encode(const struct snapshot *s, struct buf *b)
{
	buf_init(b, SNAPSHOT_BYTES_MAX);
	assert_int_equal(snapshot_encode(s, b), 0);
}

static void
assert_service(const struct snapshot_service *s)
{
	assert_string_equal(s->name, "image");
	assert_int_equal(s->cell, 3);
	assert_int_equal(s->flags, SNAPSHOT_SERVICE_STARTING);
	assert_int_equal(s->balance, SNAPSHOT_HASH);
	assert_int_equal(s->hash, SNAPSHOT_HASH_COOKIE);
	assert_string_equal(s->hash_name, "room");
	assert_int_equal(s->concurrency, 8);
	assert_int_equal(s->queue, 100);
	assert_int_equal(s->queue_timeout_ms, 5000);
	assert_int_equal(s->start_wait_ms, 30000);
	assert_int_equal(s->request_timeout_ms, 60000);
	assert_int_equal(s->idle_timeout_ms, 70000);
	assert_int_equal(s->websocket_idle_ms, 80000);
	assert_int_equal(s->eject_errors, 5);
	assert_int_equal(s->eject_ms, 30000);
	assert_int_equal(s->eject_percent, 50);
	assert_int_equal(s->body, 64U << 20);
	assert_string_equal(s->token, "secret");
	assert_int_equal(s->ncalls, 1);
	assert_int_equal(s->calls[0], 1);
	assert_int_equal(s->nendpoints, 2);
	assert_string_equal(s->endpoints[0].name, "image.0");
	assert_string_equal(s->endpoints[1].address, "[::1]:8080");
	assert_int_equal(s->endpoints[0].cell, 7);
	assert_int_equal(s->endpoints[1].weight, 50);
	assert_int_equal(s->endpoints[0].ready_since_ms, 12345);
	assert_int_equal(s->endpoints[0].flags, SNAPSHOT_ENDPOINT_TRIAL);
	assert_int_equal(s->endpoints[1].flags, 0);
}

static void
assert_auth(const struct snapshot_auth *a)
{
	const char *const got[] = { a->realm, a->users, a->user_header,
		a->secret, a->jwks, a->issuer, a->audience, a->cookie,
		a->require, a->claims, a->path, a->request_headers,
		a->response_headers };
	static const char *const want[] = { "den", "ann:$6$x$y\n", "X-User",
		"secret", "{}", "me", "you", "session", "scope=read",
		"sub=X-Sub", "/check", "Cookie", "X-Role" };

	assert_int_equal(a->flags, auth.flags);
	assert_int_equal(a->algorithms, 7);
	assert_int_equal(a->leeway_s, 30);
	assert_int_equal(a->service, 1);
	assert_int_equal(a->timeout_ms, 2000);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_string_equal(got[i], want[i]);
}

static void
assert_tls(const struct snapshot_listener *l)
{
	assert_int_equal(l->flags, SNAPSHOT_LISTENER_TLS);
	assert_int_equal(l->mark, 77);
	assert_int_equal(l->tls13, 1);
	assert_string_equal(l->ciphers, "C");
	assert_string_equal(l->ciphersuites, "S");
	assert_int_equal(l->handshake_ms, 10000);
	assert_int_equal(l->handshakes, 1024);
	assert_int_equal(l->npairs, 2);
	assert_string_equal(l->pairs[0].key, "key 1");
	assert_string_equal(l->pairs[1].cert, "cert 2");
}

static void
assert_example(const struct snapshot *s)
{
	assert_int_equal(s->generation, 42);
	assert_memory_equal(&s->limits, &example.limits, sizeof(s->limits));
	assert_int_equal(s->record_texts, 1);
	assert_int_equal(s->ntickets, 2);
	assert_memory_equal(s->tickets, "\1\2\3", 4);
	assert_int_equal(s->nlisteners, 3);
	assert_int_equal(s->listeners[0].flags, SNAPSHOT_LISTENER_HTTP2_ALWAYS);
	assert_int_equal(s->listeners[0].http2_streams, 7);
	assert_int_equal(s->listeners[1].http2_streams, 0);
	assert_tls(&s->listeners[2]);
	assert_int_equal(s->listeners[1].id, 2);
	assert_int_equal(s->listeners[1].flags, SNAPSHOT_LISTENER_INTERNAL);
	assert_string_equal(s->listeners[1].address, "unix:/run/drover/in");
	assert_int_equal(s->ntrusted, 1);
	assert_int_equal(s->nsilent, 2);
	assert_memory_equal(s->silent, silent, sizeof(silent));
	assert_memory_equal(s->trusted[0].address, networks[0].address, 16);
	assert_int_equal(s->trusted[0].prefix, 20);
	assert_int_equal(s->nservices, 2);
	assert_service(&s->services[0]);
	assert_string_equal(s->services[1].token, "");
	assert_int_equal(s->services[1].nendpoints, 0);
	assert_int_equal(s->nroutes, 2);
	assert_string_equal(s->routes[0].host, "a.org");
	assert_string_equal(s->routes[0].path, "/image/");
	assert_string_equal(s->routes[0].rewrite, "/v2/");
	assert_string_equal(s->routes[0].upgrade, "websocket other");
	same_rules(&s->routes[0], &routes[0]);
	assert_int_equal(s->routes[0].methods, SNAPSHOT_GET | SNAPSHOT_HEAD);
	assert_int_equal(s->routes[0].flags, routes[0].flags);
	assert_int_equal(s->routes[1].service, 1);
	assert_auth(s->routes[0].auth);
	assert_null(s->routes[1].auth);
}

static void
what_was_encoded_is_decoded(void **state)
{
	struct snapshot *s;
	struct buf b;
	struct err err;

	(void)state;
	encode(&example, &b);
	assert_int_equal(snapshot_decode(b.data, b.len, &s, &err), 0);
	buf_done(&b);
	assert_example(s);
	snapshot_free(s);
	snapshot_free(NULL);
}

static void
a_sealed_memfd_carries_it(void **state)
{
	struct snapshot *s;
	struct err err;
	int fd, open_fd;

	(void)state;
	assert_int_equal(snapshot_memfd(&example, &fd, &err), 0);
	assert_int_equal(snapshot_read(fd, &s, &err), 0);
	assert_example(s);
	snapshot_free(s);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	fd_close(&fd);
	/* One that could still change is refused. */
	open_fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(snapshot_read(open_fd, &s, &err), -EBADMSG);
	assert_null(s);
	fd_close(&open_fd);
}

static void
every_cut_and_every_byte_too_many_is_refused(void **state)
{
	struct snapshot *s;
	struct buf b;
	struct err err;

	(void)state;
	encode(&example, &b);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(
		    snapshot_decode(b.data, n, &s, &err), -EBADMSG);
	assert_int_equal(buf_append(&b, "", 1), 0);
	assert_int_equal(snapshot_decode(b.data, b.len, &s, &err), -EBADMSG);
	buf_done(&b);
}

static void
another_version_is_refused_with_the_reason(void **state)
{
	uint32_t version = SNAPSHOT_VERSION + 1;
	struct snapshot *s;
	struct buf b;
	struct err err;

	(void)state;
	encode(&example, &b);
	memcpy(b.data + 4, &version, sizeof(version));
	assert_int_equal(snapshot_decode(b.data, b.len, &s, &err), -EPROTO);
	assert_non_null(strstr(err.text, "version 3"));
	version = 0;
	memcpy(b.data + 4, &version, sizeof(version));
	assert_int_equal(snapshot_decode(b.data, b.len, &s, &err), -EPROTO);
	buf_done(&b);
}

/* The one before had no silent endpoints. */
static void
the_version_before_is_read(void **state)
{
	uint32_t version = SNAPSHOT_VERSION - 1;
	size_t behind = sizeof(uint32_t) * (1 + example.nsilent);
	struct snapshot *s;
	struct buf b;
	struct err err;

	(void)state;
	encode(&example, &b);
	memcpy(b.data + 4, &version, sizeof(version));
	assert_int_equal(snapshot_decode(b.data, b.len, &s, &err), -EBADMSG);
	assert_int_equal(snapshot_decode(b.data, b.len - behind, &s, &err), 0);
	assert_int_equal(s->nroutes, 2);
	assert_int_equal(s->nsilent, 0);
	snapshot_free(s);
	buf_done(&b);
}

/* What version N-1 would send: records that end before our newest fields. */
static void
a_shorter_record_leaves_the_rest_zero(void **state)
{
	struct packer p;
	struct unpacker u;
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	pack_begin(&p, &b);
	pack_open(&p);
	pack_u32(&p, 7);
	pack_close(&p);
	pack_u32(&p, 8);
	assert_int_equal(p.error, 0);
	unpack_begin(&u, b.data, b.len);
	unpack_open(&u);
	assert_int_equal(unpack_u32(&u), 7);
	assert_int_equal(unpack_u64(&u), 0);
	assert_int_equal(unpack_span(&u, 10).n, 0);
	unpack_close(&u);
	assert_int_equal(unpack_u32(&u), 8);
	assert_int_equal(u.error, 0);
	/* And a longer one is skipped. */
	unpack_begin(&u, b.data, b.len);
	unpack_open(&u);
	unpack_close(&u);
	assert_int_equal(unpack_u32(&u), 8);
	assert_int_equal(u.error, 0);
	buf_done(&b);
}

static void
every_allocation_of_a_snapshot_may_fail(void **state)
{
	struct snapshot *s;
	struct buf b;
	struct err err;
	int r;

	(void)state;
	ALLOC_FAIL_EACH({
		buf_init(&b, SNAPSHOT_BYTES_MAX);
		r = snapshot_encode(&example, &b);
		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		if (r == 0)
			r = snapshot_decode(b.data, b.len, &s, &err);
		if (r == 0) {
			assert_example(s);
			snapshot_free(s);
		} else {
			assert_int_equal(r, -ENOMEM);
		}
		buf_done(&b);
	});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_encoded_is_decoded),
		cmocka_unit_test(a_sealed_memfd_carries_it),
		cmocka_unit_test(every_cut_and_every_byte_too_many_is_refused),
		cmocka_unit_test(another_version_is_refused_with_the_reason),
		cmocka_unit_test(the_version_before_is_read),
		cmocka_unit_test(a_shorter_record_leaves_the_rest_zero),
		cmocka_unit_test(every_allocation_of_a_snapshot_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
