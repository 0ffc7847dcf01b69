/* SPDX-License-Identifier: ISC */

/* http/query, http/problem and http/route, which need no connection. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "http/path.h"
#include "http/problem.h"
#include "http/query.h"
#include "http/route.h"
#include "http/trace.h"

static int
decode(const char *text, bool plus, const char *want)
{
	struct arena a;
	struct span out;
	int r;

	arena_init(&a, 64, 4096);
	r = query_decode(&a, span_of(text), plus, &out);
	if (r == 0) {
		assert_int_equal(out.n, strlen(want));
		assert_memory_equal(out.p, want, out.n);
	}
	arena_done(&a);
	return r;
}

#define TRACE_ID "0af7651916cd43dd8448eb211c80319c"
#define SPAN_ID "b7ad6b7169203331"

static bool
trace_ok(const char *text)
{
	struct trace t;

	return trace_parse(&t, span_of(text));
}

static void
a_trace_is_read_as_it_is_written(void **state)
{
	const char *text = "00-" TRACE_ID "-" SPAN_ID "-01";
	struct trace t;
	char out[TRACE_TEXT];

	(void)state;
	assert_true(trace_parse(&t, span_of(text)));
	assert_int_equal(t.id[0], 0x0a);
	assert_int_equal(t.span[7], 0x31);
	assert_int_equal(t.flags, 1);
	trace_put(&t, out);
	assert_memory_equal(out, text, TRACE_TEXT);
}

static void
what_is_no_trace_is_refused(void **state)
{
	(void)state;
	assert_false(trace_ok(""));
	assert_false(trace_ok("00-" TRACE_ID "-" SPAN_ID "-0"));
	assert_false(trace_ok("00-" TRACE_ID "-" SPAN_ID "-01-"));
	assert_false(trace_ok("00-" TRACE_ID "-" SPAN_ID "-0A"));
	assert_false(trace_ok("ff-" TRACE_ID "-" SPAN_ID "-01"));
	assert_false(trace_ok("0x-" TRACE_ID "-" SPAN_ID "-01"));
	assert_false(
	    trace_ok("00-00000000000000000000000000000000-" SPAN_ID "-01"));
	assert_false(trace_ok("00-" TRACE_ID "-0000000000000000-01"));
	assert_true(trace_ok("01-" TRACE_ID "-" SPAN_ID "-01-more"));
	assert_true(trace_ok("01-" TRACE_ID "-" SPAN_ID "-01"));
	assert_false(trace_ok("01-" TRACE_ID "-" SPAN_ID "-01more"));
}

static void
of_a_later_version_only_known_flags_are_kept(void **state)
{
	struct trace t;

	(void)state;
	assert_true(trace_parse(&t, SPAN("01-" TRACE_ID "-" SPAN_ID "-ff")));
	assert_int_equal(t.flags, TRACE_SAMPLED);
	assert_true(trace_parse(&t, SPAN("00-" TRACE_ID "-" SPAN_ID "-03")));
	assert_int_equal(t.flags, 3);
}

static void
escapes_are_decoded_once(void **state)
{
	(void)state;
	assert_int_equal(decode("abc", false, "abc"), 0);
	assert_int_equal(decode("", false, ""), 0);
	assert_int_equal(decode("a%20b", false, "a b"), 0);
	assert_int_equal(decode("%2F%2f", false, "//"), 0);
	assert_int_equal(decode("%2541", false, "%41"), 0);
	assert_int_equal(decode("a+b", false, "a+b"), 0);
	assert_int_equal(decode("a+b%2B", true, "a b+"), 0);
	assert_int_equal(decode("%ff", false, "\xff"), 0);
	assert_int_equal(decode("%", false, ""), -EINVAL);
	assert_int_equal(decode("%4", false, ""), -EINVAL);
	assert_int_equal(decode("a%4g", false, ""), -EINVAL);
	assert_int_equal(decode("a%00b", false, ""), -EINVAL);
}

static void
a_query_keeps_its_order(void **state)
{
	struct query_param p[QUERY_MAX];
	struct arena a;
	size_t n;

	(void)state;
	arena_init(&a, 64, 4096);
	assert_int_equal(
	    query_parse(&a, SPAN("b=1&&a=%3D=&c&=x&b=2"), p, &n), 0);
	assert_int_equal(n, 5);
	assert_true(span_eq(p[0].name, SPAN("b")));
	assert_true(span_eq(p[0].value, SPAN("1")));
	assert_true(span_eq(p[1].value, SPAN("==")));
	assert_true(span_eq(p[2].name, SPAN("c")));
	assert_int_equal(p[2].value.n, 0);
	assert_int_equal(p[3].name.n, 0);
	assert_true(span_eq(p[4].value, SPAN("2")));
	assert_int_equal(query_parse(&a, (struct span){ NULL, 0 }, p, &n), 0);
	assert_int_equal(n, 0);
	arena_done(&a);
}

static void
a_query_needs_memory_and_says_so(void **state)
{
	struct query_param p[QUERY_MAX];
	struct arena a;
	size_t n;

	(void)state;
	ALLOC_FAIL_EACH({
		int r;

		arena_init(&a, 64, 4096);
		r = query_parse(&a, SPAN("a=%20&b=%20"), p, &n);
		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		arena_done(&a);
	});
}

static void
assert_problem(struct problem p, const char *want)
{
	struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(problem_write(&b, &p), 0);
	assert_string_equal(buf_str(&b), want);
	buf_done(&b);
}

static void
a_problem_is_json(void **state)
{
	static const struct problem_field fields[] = {
		{ .name = "near", .text = "image" },
		{ .name = "max", .number = -5 },
	};

	(void)state;
	assert_problem((struct problem){ .status = 404, .type = "not-found" },
	    "{\"type\":\"/errors/not-found\",\"title\":\"Not Found\","
	    "\"status\":404}\n");
	assert_problem((struct problem){ .status = 422,
			   .type = "x",
			   .title = "T",
			   .detail = "d",
			   .fields = fields,
			   .nfields = 2 },
	    "{\"type\":\"/errors/x\",\"title\":\"T\",\"status\":422,"
	    "\"detail\":\"d\",\"near\":\"image\",\"max\":-5}\n");
}

static void
hostile_text_stays_inside_its_string(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
		{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
		{ "\n\t\x01\x7f", "\"\\u000a\\u0009\\u0001\\u007f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x98",
		    "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x98\"" },
		{ "\xff\xc3", "\"\?\?\"" },
		{ "\xc0\xaf", "\"\?\?\"" },		/* too long a form */
		{ "\xed\xa0\x80", "\"\?\?\?\"" },	/* a surrogate */
		{ "\xe2\x82", "\"\?\?\"" },		/* cut off */
		{ "\xf4\x90\x80\x80", "\"\?\?\?\?\"" }, /* past the end */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b;

		buf_init(&b, 4096);
		assert_int_equal(problem_string(&b, rows[i].text), 0);
		assert_string_equal(buf_str(&b), rows[i].want);
		buf_done(&b);
	}
}

static void
a_problem_needs_memory_and_says_so(void **state)
{
	struct problem p = { .status = 404, .type = "x", .detail = "y" };

	(void)state;
	ALLOC_FAIL_EACH({
		struct buf b;
		int r;

		buf_init(&b, 4096);
		r = problem_write(&b, &p);
		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		buf_done(&b);
	});
	for (size_t max = 0; max < 60; max += 7) {
		struct buf b;

		buf_init(&b, max);
		assert_int_equal(problem_write(&b, &p), -ENOBUFS);
		assert_true(b.len <= max);
		buf_done(&b);
	}
}

static void
on_any(struct request *req, void *arg)
{
	(void)arg;
	request_drop(req);
}

static const struct server_route routes[] = {
	{ "GET", "/", on_any, 0, 0, NULL },
	{ "GET", "/a", on_any, 0, 0, NULL },
	{ "GET", "/a/{x}", on_any, 0, 0, NULL },
	{ "POST", "/a/{x}", on_any, 0, 0, NULL },
	{ "GET", "/a/b", on_any, 0, 0, NULL },
	{ "GET", "/{x}/b", on_any, 0, 0, NULL },
	{ "GET", "/{x}/{y}/c", on_any, 0, 0, NULL },
	{ "GET", "/f/{rest...}", on_any, 0, 0, NULL },
	{ "PUT", "/{all...}", on_any, 0, 0, NULL },
};

static void
the_most_literal_route_wins(void **state)
{
	static const struct {
		const char *method;
		const char *path;
		const char *route; /* NULL: none */
		bool exists;
	} rows[] = {
		{ "GET", "/", "/", true },
		{ "GET", "/a", "/a", true },
		{ "GET", "/a/", NULL, true }, /* PUT /{all...} has it */
		{ "GET", "/a/b", "/a/b", true },
		{ "GET", "/a/z", "/a/{x}", true },
		{ "HEAD", "/a/z", "/a/{x}", true },
		{ "POST", "/a/b", "/a/{x}", true },
		{ "GET", "/z/b", "/{x}/b", true },
		{ "GET", "/a/b/c", "/{x}/{y}/c", true },
		{ "GET", "/f/b/c", "/f/{rest...}", true },
		{ "GET", "/f", "/f/{rest...}", true },
		{ "GET", "/f/", "/f/{rest...}", true },
		{ "PUT", "/x/y/z", "/{all...}", true },
		{ "GET", "/x/y/z", NULL, true },
		{ "get", "/a", NULL, true },
		{ "GET", "*", NULL, false },
		{ "GET", "", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct route_match m;

		route_match_path(routes, ARRAY_LEN(routes),
		    span_of(rows[i].method), span_of(rows[i].path), &m);
		assert_int_equal(m.path_exists, rows[i].exists);
		if (rows[i].route == NULL)
			assert_null(m.route);
		else
			assert_string_equal(m.route->path, rows[i].route);
	}
}

static void
allow_names_each_method_once(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(
	    route_allow(routes, ARRAY_LEN(routes), SPAN("/a/b"), &b), 0);
	assert_string_equal(buf_str(&b), "GET, HEAD, POST, PUT");
	buf_done(&b);
}

static void
a_path_has_one_plain_spelling(void **state)
{
	static const struct {
		const char *path, *plain;
	} rows[] = {
		{ "/admin/x", "/admin/x" },
		{ "/%61dmin/", "/admin/" },
		{ "/%61%64%6D%69%6e", "/admin" },
		{ "/a%2Fb", "/a%2Fb" }, /* no border */
		{ "/%2561", "/%2561" }, /* one decoding is meant */
		{ "/%7E%2D%5F%30%5A", "/~-_0Z" },
		{ "/%20%c3%a4", "/%20%c3%a4" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span path = span_of(rows[i].path);
		size_t n = path_plain(path, out);

		out[n] = '\0';
		assert_string_equal(out, rows[i].plain);
		assert_int_equal(path_spelled(path, n), path.n);
		assert_int_equal(path_spelled(path, 0), 0);
	}
	assert_int_equal(path_spelled(SPAN("/%61dmin/x"), 7), 9);
	assert_false(path_is_spelled(SPAN("/admin")));
	assert_true(path_is_spelled(SPAN("/%41")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_has_one_plain_spelling),
		cmocka_unit_test(a_trace_is_read_as_it_is_written),
		cmocka_unit_test(what_is_no_trace_is_refused),
		cmocka_unit_test(of_a_later_version_only_known_flags_are_kept),
		cmocka_unit_test(escapes_are_decoded_once),
		cmocka_unit_test(a_query_keeps_its_order),
		cmocka_unit_test(a_query_needs_memory_and_says_so),
		cmocka_unit_test(a_problem_is_json),
		cmocka_unit_test(hostile_text_stays_inside_its_string),
		cmocka_unit_test(a_problem_needs_memory_and_says_so),
		cmocka_unit_test(the_most_literal_route_wins),
		cmocka_unit_test(allow_names_each_method_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
