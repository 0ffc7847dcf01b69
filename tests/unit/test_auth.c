/* SPDX-License-Identifier: ISC */

/* The policies of a worker: shared, and whole or not at all. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "proxy/auth_impl.h"
#include "proxy/worker.h"

static const struct snapshot_auth whole = {
	.flags = SNAPSHOT_AUTH_BASIC | SNAPSHOT_AUTH_BEARER |
	    SNAPSHOT_AUTH_FORWARD,
	.algorithms = JWK_HS256,
	.realm = "a \"den\"",
	.users = "ann:$2b$04$abcdefghijklmnopqrstuu/"
		 "LVz6MZlItEy42I2juLihZ66HnQx/cy",
	.user_header = "X-User",
	.secret = "a secret of thirty-two bytes, ok",
	.jwks = "",
	.issuer = "me",
	.audience = "you",
	.cookie = "session",
	.require = "scope=a group=b",
	.claims = "sub=X-Sub",
	.path = "/check",
	.request_headers = "Cookie",
	.response_headers = "X-Role Authorization",
	.timeout_ms = 100,
};

static int
setup(void **state)
{
	struct worker *w = calloc(1, sizeof(*w));
	struct err err;

	if (w == NULL)
		return -1;
	w->memory.max = SIZE_MAX;
	w->loop = loop_new(&err);
	if (w->loop == NULL)
		return -1;
	deadlines_init(&w->deadlines, w->loop, &w->now_ms, NULL, NULL);
	auths_init(&w->auths, &w->memory);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct worker *w = *state;

	auths_done(&w->auths);
	deadlines_done(&w->deadlines);
	loop_free(w->loop);
	free(w);
	return 0;
}

static void
assert_whole(const struct auth *a)
{
	assert_false(a->broken);
	assert_true(span_eq(a->policy.issuer, SPAN("me")));
	assert_true(span_eq(a->policy.audience, SPAN("you")));
	assert_int_equal(a->policy.nrequire, 2);
	assert_int_equal(a->policy.nclaims, 1);
	assert_int_equal(a->hidden.n, 4);
	assert_true(span_eq(a->refusals[AUTH_TOKEN],
	    SPAN("WWW-Authenticate: Bearer realm=\"a \\\"den\\\"\", "
		 "error=\"invalid_token\"\r\n"
		 "WWW-Authenticate: Basic realm=\"a \\\"den\\\"\", "
		 "charset=\"UTF-8\"\r\n")));
}

static void
one_with_the_same_contents_is_the_same(void **state)
{
	struct snapshot_auth other = whole;
	struct auth *a = auth_get(*state, &whole), *b, *c;

	assert_non_null(a);
	assert_whole(a);
	b = auth_get(*state, &other);
	assert_ptr_equal(a, b);
	other.issuer = "somebody else";
	c = auth_get(*state, &other);
	assert_non_null(c);
	assert_ptr_not_equal(a, c);
	/* What one has judged says nothing to the other. */
	assert_memory_not_equal(a->key, c->key, sizeof(a->key));
	auth_unref(a);
	auth_unref(b);
	auth_unref(c);
	auth_unref(NULL);
	for (unsigned i = 0; i < AUTH_LISTS; i++)
		assert_true(
		    list_empty(&((struct worker *)*state)->auths.all[i]));
	for (unsigned i = 0; i < DEADLINE_LISTS; i++)
		assert_int_equal(
		    ((struct worker *)*state)->deadlines.kinds[i].refs, 0);
}

static void
a_broken_one_is_tried_again(void **state)
{
	struct snapshot_auth none = whole;
	struct auth *a, *b;

	none.users = "";
	a = auth_get(*state, &none);
	b = auth_get(*state, &none);
	assert_non_null(a);
	assert_non_null(b);
	assert_true(a->broken && b->broken);
	assert_ptr_not_equal(a, b);
	auth_unref(a);
	auth_unref(b);
}

static bool
hides(const struct auth *a, const char *name)
{
	struct head_header hh = { .name = span_of(name) };

	return auth_hides(a, &hh);
}

static void
headers_are_hidden_in_every_spelling(void **state)
{
	struct auth *a = auth_get(*state, &whole);

	assert_non_null(a);
	assert_true(hides(a, "X-User"));
	assert_true(hides(a, "x_uSER"));
	assert_true(hides(a, "X-SUB"));
	assert_true(hides(a, "x_role"));
	assert_true(hides(a, "Authorization"));
	assert_false(hides(a, "X-Users"));
	assert_false(hides(a, "X"));
	assert_false(hides(NULL, "X-User"));
	assert_true(auth_strips(a));
	assert_false(auth_strips(NULL));
	auth_unref(a);
}

static void
without_memory_there_is_a_whole_one_or_none(void **state)
{
	ALLOC_FAIL_EACH({
		struct auth *a = auth_get(*state, &whole);

		if (a != NULL)
			assert_whole(a);
		else
			assert_true(alloc_failed());
		auth_unref(a);
	});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_with_the_same_contents_is_the_same),
		cmocka_unit_test(a_broken_one_is_tried_again),
		cmocka_unit_test(headers_are_hidden_in_every_spelling),
		cmocka_unit_test(without_memory_there_is_a_whole_one_or_none),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
