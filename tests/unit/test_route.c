/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/array.h"
#include "model/route.h"

#define TO(n) ((void *)(uintptr_t)(n))
#define ANY           \
	{             \
		"", 0 \
	}

/* clang-format off */
static const struct route_rule rules[] = {
	{ ANY, { "/", 1 }, 0, false, false, TO(1) },
	{ ANY, { "/a", 2 }, 0, false, false, TO(2) },
	{ ANY, { "/a/", 3 }, 0, false, false, TO(3) },
	{ ANY, { "/a/b", 4 }, 0, false, false, TO(4) },
	{ ANY, { "/a/b", 4 }, 0, true, false, TO(5) },
	{ ANY, { "/a/b", 4 }, 0, false, false, TO(99) }, /* says the same */
	{ ANY, { "/m", 2 }, ROUTE_GET, false, false, TO(6) },
	{ ANY, { "/m", 2 }, 0, false, false, TO(7) },
	{ ANY, { "/in", 3 }, 0, false, true, TO(8) },
	{ { "a.org", 5 }, { "/a", 2 }, 0, false, false, TO(9) },
	{ { "*.a.org", 7 }, { "/", 1 }, 0, false, false, TO(10) },
	{ { "*.b.a.org", 9 }, { "/w", 2 }, 0, false, false, TO(11) },
	{ { "[::1]", 5 }, { "/", 1 }, 0, false, false, TO(12) },
};

static const struct row {
	const char *host, *path;
	unsigned method;
	bool internal;
	uintptr_t to;
} rows[] = {
	{ "x", "/", ROUTE_GET, false, 1 },
	{ "", "/", ROUTE_GET, false, 1 },
	{ "x", "/b", ROUTE_GET, false, 1 },
	{ "x", "*", ROUTE_OPTIONS, false, 0 },
	{ "x", "/a", ROUTE_GET, false, 2 },
	{ "x", "/ab", ROUTE_GET, false, 1 },
	{ "x", "/a/", ROUTE_GET, false, 3 },
	{ "x", "/a//", ROUTE_GET, false, 3 },
	{ "x", "/a/c/d/e/f/g", ROUTE_GET, false, 3 },
	{ "x", "/a/b", ROUTE_GET, false, 5 },
	{ "x", "/a/b/", ROUTE_GET, false, 4 },
	{ "x", "/a/bc", ROUTE_GET, false, 3 },
	{ "x", "/m", ROUTE_GET, false, 6 },
	{ "x", "/m/x", ROUTE_POST, false, 7 },
	{ "x", "/m", ROUTE_OTHER, false, 7 },
	{ "x", "/in", ROUTE_GET, false, 1 },
	{ "x", "/in", ROUTE_GET, true, 8 },
	{ "a.org", "/a/x", ROUTE_GET, false, 9 },
	{ "A.Org", "/a", ROUTE_GET, false, 9 },
	{ "a.org", "/b", ROUTE_GET, false, 1 },
	{ "c.a.org", "/a", ROUTE_GET, false, 10 },
	{ "d.c.a.org", "/w", ROUTE_GET, false, 10 },
	{ "d.b.a.org", "/w/1", ROUTE_GET, false, 11 },
	{ "d.b.a.org", "/v", ROUTE_GET, false, 10 },
	{ "xa.org", "/a", ROUTE_GET, false, 2 },
	{ ".a.org", "/a", ROUTE_GET, false, 2 },
	{ "[::1]", "/q", ROUTE_GET, false, 12 },
};
/* clang-format on */

static uintptr_t
ask(const struct route_table *t, const struct row *r, unsigned *allowed)
{
	struct route_query q = {
		.host = span_of(r->host),
		.path = span_of(r->path),
		.method = r->method,
		.internal = r->internal,
	};
	struct route_answer a;

	route_find(t, &q, &a);
	*allowed = a.allowed;
	return a.rule == NULL ? 0 : (uintptr_t)a.rule->to;
}

static void
the_most_special_rule_wins(void **state)
{
	struct route_table *t = route_table_new(rules, ARRAY_LEN(rules));
	unsigned allowed;

	(void)state;
	assert_non_null(t);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uintptr_t to = ask(t, &rows[i], &allowed);

		if (to != rows[i].to)
			print_error(
			    "row %zu: %s%s\n", i, rows[i].host, rows[i].path);
		assert_int_equal(to, rows[i].to);
	}
	route_table_free(t);
}

static void
another_method_is_told_what_is_allowed(void **state)
{
	static const struct route_rule some[] = {
		{ ANY, { "/m", 2 }, ROUTE_GET | ROUTE_HEAD, false, false,
		    TO(1) },
		{ ANY, { "/m", 2 }, ROUTE_PUT, false, false, TO(2) },
		{ ANY, { "/hidden", 7 }, ROUTE_GET, false, true, TO(3) },
	};
	const struct row post = { "x", "/m/1", ROUTE_POST, false, 0 };
	const struct row put = { "x", "/m/1", ROUTE_PUT, false, 0 };
	const struct row none = { "x", "/n", ROUTE_POST, false, 0 };
	const struct row hidden = { "x", "/hidden", ROUTE_POST, false, 0 };
	struct route_table *t = route_table_new(some, ARRAY_LEN(some));
	unsigned allowed;

	(void)state;
	assert_int_equal(ask(t, &post, &allowed), 0);
	assert_int_equal(allowed, ROUTE_GET | ROUTE_HEAD | ROUTE_PUT);
	assert_int_equal(ask(t, &put, &allowed), 2);
	assert_int_equal(ask(t, &none, &allowed), 0);
	assert_int_equal(allowed, 0);
	assert_int_equal(ask(t, &hidden, &allowed), 0);
	assert_int_equal(allowed, 0);
	route_table_free(t);
}

static void
an_empty_table_answers_nothing(void **state)
{
	struct route_table *t = route_table_new(NULL, 0);
	unsigned allowed;

	(void)state;
	assert_int_equal(ask(t, &rows[0], &allowed), 0);
	route_table_free(t);
	route_table_free(NULL);
}

static void
every_allocation_may_fail(void **state)
{
	struct route_table *t;

	(void)state;
	ALLOC_FAIL_EACH({
		t = route_table_new(rules, ARRAY_LEN(rules));
		assert_true(t != NULL || alloc_failed());
		route_table_free(t);
	});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_most_special_rule_wins),
		cmocka_unit_test(another_method_is_told_what_is_allowed),
		cmocka_unit_test(an_empty_table_answers_nothing),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
