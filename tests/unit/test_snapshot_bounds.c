/* SPDX-License-Identifier: ISC */

/* A snapshot whose values are out of bounds is refused, with the reason. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "link/snapshot.h"

/* Each of these is one step over a bound. */
static void
refused(const struct snapshot *s, const char *word)
{
	struct snapshot *out;
	struct buf b;
	struct err err;

	buf_init(&b, SNAPSHOT_BYTES_MAX);
	assert_int_equal(snapshot_encode(s, &b), 0);
	assert_int_equal(snapshot_decode(b.data, b.len, &out, &err), -EBADMSG);
	if (strstr(err.text, word) == NULL)
		print_error("%s: %s\n", word, err.text);
	assert_non_null(strstr(err.text, word));
	buf_done(&b);
}

static void
refused_service(const struct snapshot_service *v, const char *word)
{
	struct snapshot s = { .services = v, .nservices = 1 };

	refused(&s, word);
}

static void
refused_endpoint(struct snapshot_endpoint e, const char *word)
{
	struct snapshot_service v = {
		.name = "a", .endpoints = &e, .nendpoints = 1
	};

	refused_service(&v, word);
}

static void
refused_route(struct snapshot_route r, const char *word)
{
	struct snapshot_service v = { .name = "a" };
	struct snapshot s = {
		.services = &v, .nservices = 1, .routes = &r, .nroutes = 1
	};

	refused(&s, word);
}

static void
refused_auth(struct snapshot_auth a, const char *word)
{
	refused_route((struct snapshot_route){ .path = "/", .auth = &a }, word);
}

static void
an_auth_out_of_bounds_is_refused(void **state)
{
	(void)state;
	refused_auth((struct snapshot_auth){ .flags = 16 }, "auth flags");
	refused_auth((struct snapshot_auth){ .flags = 1, .algorithms = 8 },
	    "algorithms");
	refused_auth(
	    (struct snapshot_auth){
		.flags = SNAPSHOT_AUTH_FORWARD, .service = 1, .path = "/" },
	    "service that is asked");
	refused_auth((struct snapshot_auth){ .flags = SNAPSHOT_AUTH_FORWARD,
			 .path = "x" },
	    "path that is asked");
}

static void
a_limit_out_of_bounds_is_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < LIMITS_N; i++) {
		struct snapshot over = { .generation = 1 };

		if (limits_rows[i].max == UINT32_MAX)
			continue;
		*limits_at(&over.limits, &limits_rows[i]) = limits_rows[i].max +
		    1;
		refused(&over, "limit");
	}
}

static void
refuse_endpoints(void)
{
	refused_endpoint(
	    (struct snapshot_endpoint){ "", "unix:/a", 0, 1, 0, 0 }, "name");
	refused_endpoint(
	    (struct snapshot_endpoint){ "a", "/a", 0, 1, 0, 0 }, "address");
	refused_endpoint(
	    (struct snapshot_endpoint){ "a", "unix:/a", 4096, 1, 0, 0 },
	    "cell");
	refused_endpoint(
	    (struct snapshot_endpoint){ "a", "unix:/a", 0, 0, 0, 0 }, "weight");
	refused_endpoint(
	    (struct snapshot_endpoint){ "a", "unix:/a", 0, 1001, 0, 0 },
	    "weight");
	refused_endpoint(
	    (struct snapshot_endpoint){ "a", "unix:/a", 0, 1, 0, 2 }, "flags");
}

static void
what_is_out_of_bounds_is_refused(void **state)
{
	static const uint32_t beyond[] = { 1 }, cell[] = { 4096 };
	struct snapshot_network net = { { 0 }, 129 };
	struct snapshot_listener lis = { .flags = 1U << 31, .address = "a" };
	struct snapshot_listener tls = { .flags = SNAPSHOT_LISTENER_TLS };
	struct snapshot_pair half = { "a", "" };
	struct snapshot_listener pair = { .pairs = &half, .npairs = 1 };

	(void)state;
	refused(
	    &(struct snapshot){ .silent = cell, .nsilent = 1 }, "silent cell");
	refused(&(struct snapshot){ .trusted = &net, .ntrusted = 1 },
	    "network prefix");
	refused(&(struct snapshot){ .listeners = &lis, .nlisteners = 1 },
	    "listener flags");
	lis = (struct snapshot_listener){ .address = "a",
		.http2_streams = 1025 };
	refused(&(struct snapshot){ .listeners = &lis, .nlisteners = 1 },
	    "listener streams");
	refused(&(struct snapshot){ .listeners = &tls, .nlisteners = 1 },
	    "limits of handshakes");
	refused(&(struct snapshot){ .listeners = &pair, .nlisteners = 1 },
	    "certificate");
	refused_service(&(struct snapshot_service){ .name = "" }, "name");
	refused_service(
	    &(struct snapshot_service){ .name = "a", .cell = 1024 }, "cell");
	refused_service(
	    &(struct snapshot_service){ .name = "a", .flags = 4 }, "flags");
	refused_service(
	    &(struct snapshot_service){ .name = "a", .balance = 3 }, "balance");
	refused_service(
	    &(struct snapshot_service){ .name = "a", .hash = 5 }, "hash");
	refused_service(
	    &(struct snapshot_service){
		.name = "a", .calls = beyond, .ncalls = 1 },
	    "called service");
	refuse_endpoints();
	refused_route((struct snapshot_route){ .path = "a" }, "route path");
	refused_route(
	    (struct snapshot_route){
		.path = "/", .rewrite = "x", .flags = SNAPSHOT_ROUTE_REWRITE },
	    "rewrite");
	refused_route(
	    (struct snapshot_route){ .path = "/", .methods = 128 }, "methods");
	refused_route(
	    (struct snapshot_route){ .path = "/", .flags = 1U << 31 }, "flags");
	refused_route(
	    (struct snapshot_route){ .path = "/", .service = 1 }, "service");
}

/* A worker writes these into heads as they are. */
static void
what_would_break_a_head_is_refused(void **state)
{
	static const char *const lines[] = { "X: 1", "X:1\n", ": 1\n", "X\n",
		"X: 1\r\n", "X: a\tb\n", "\n", "X: 1\n\n", "X:\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		refused_route((struct snapshot_route){ .path = "/",
				  .request_set = lines[i] },
		    "header lines");
		refused_route((struct snapshot_route){ .path = "/",
				  .response_set = lines[i] },
		    "header lines");
	}
	refused_route(
	    (struct snapshot_route){ .path = "/", .request_remove = "a\nb" },
	    "header names");
	refused_route(
	    (struct snapshot_route){
		.path = "/", .redirect = "/a\r\nX: 1", .redirect_status = 302 },
	    "redirect");
	refused_route(
	    (struct snapshot_route){
		.path = "/", .redirect = "/a", .redirect_status = 304 },
	    "redirect");
	refused_route(
	    (struct snapshot_route){ .path = "/", .cors_origins = "a\n" },
	    "cors");
	refused_route(
	    (struct snapshot_route){ .path = "/", .cors_methods = 128 },
	    "cors");
	refused_route(
	    (struct snapshot_route){
		.path = "/", .rate_count = 1, .rate_period_s = 1 },
	    "rate limit");
	refused_route((struct snapshot_route){ .path = "/",
			  .rate_count = 1,
			  .rate_burst = 1000001,
			  .rate_period_s = 1 },
	    "rate limit");
	refused_route(
	    (struct snapshot_route){
		.path = "/", .rate_count = 1, .rate_burst = 1 },
	    "rate limit");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_auth_out_of_bounds_is_refused),
		cmocka_unit_test(a_limit_out_of_bounds_is_refused),
		cmocka_unit_test(what_is_out_of_bounds_is_refused),
		cmocka_unit_test(what_would_break_a_head_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
