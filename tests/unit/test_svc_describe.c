/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "alloc.h"
#include "lib/describe.h"

struct wish {
	int width, kind;
};

static const struct svc_choice kinds[] = { { "a<b", 0 }, { "c", 1 },
	{ NULL, 0 } };
static const struct svc_param rows[] = {
	{ .name = "width",
	    .type = SVC_INT,
	    .min = 1,
	    .max = 9,
	    .value = 3,
	    .unit = "px",
	    .text = "How wide.",
	    .offset = offsetof(struct wish, width) },
	{ .name = "kind",
	    .type = SVC_CHOICE,
	    .choices = kinds,
	    .absent = "as it \"is\"",
	    .text = "Which & what.",
	    .offset = offsetof(struct wish, kind) },
};
static const struct svc_params params = { rows, ARRAY_LEN(rows) };
static const struct svc_problem odd = { "odd", 422, "It is odd", 0 };
static const struct svc_problem *const problems[] = { &odd, NULL };

static void
work(struct svc_call *call)
{
	(void)call;
}

static const struct svc_route routes[] = {
	{ .method = "POST",
	    .path = "/do",
	    .summary = "Does it",
	    .params = &params,
	    .takes = "a thing",
	    .answers = "image/*",
	    .example = "'%sdo?width=3'",
	    .problems = problems,
	    .work = work },
	{ .method = "POST",
	    .path = "/ask",
	    .summary = "Asks it",
	    .answers = "application/json",
	    .problems = problems,
	    .work = work },
};
static const struct svc_service service = { .name = "thing",
	.title = "Things",
	.text = "Does things.",
	.routes = routes,
	.nroutes = ARRAY_LEN(routes) };

static const char *
base_of(const char *proto, const char *host, const char *prefix)
{
	static char out[SVC_BASE_MAX];

	svc_describe_base(out, span_of(proto), span_of(host), span_of(prefix));
	return out;
}

static void
openapi_says_what_the_table_says(void **state)
{
	struct buf out;
	json_t *o, *post, *p;
	const char *text;

	(void)state;
	buf_init(&out, 1 << 16);
	assert_int_equal(svc_describe_openapi(&out, &service), 0);
	o = json_loadb(out.data, out.len, 0, NULL);
	assert_non_null(o);
	post = json_object_get(
	    json_object_get(json_object_get(o, "paths"), "/do"), "post");
	p = json_array_get(json_object_get(post, "parameters"), 0);
	assert_string_equal(
	    json_string_value(json_object_get(p, "name")), "width");
	p = json_object_get(p, "schema");
	assert_int_equal(json_integer_value(json_object_get(p, "maximum")), 9);
	assert_int_equal(json_integer_value(json_object_get(p, "default")), 3);
	p = json_array_get(json_object_get(post, "parameters"), 1);
	p = json_object_get(p, "schema");
	assert_int_equal(json_array_size(json_object_get(p, "enum")), 2);
	assert_null(json_object_get(p, "default"));
	p = json_object_get(json_object_get(post, "responses"), "422");
	text = json_string_value(json_object_get(p, "description"));
	assert_non_null(strstr(text, "/errors/odd"));
	p = json_object_get(json_object_get(post, "responses"), "503");
	text = json_string_value(json_object_get(p, "description"));
	assert_non_null(strstr(text, "/errors/queue-full"));
	assert_non_null(strstr(text, "/errors/queue-timeout"));
	json_decref(o);
	buf_done(&out);
}

static void
the_page_escapes_and_lists_each_refusal_once(void **state)
{
	struct buf out;
	const char *at;

	(void)state;
	buf_init(&out, 1 << 16);
	assert_int_equal(svc_describe_page(&out, &service, "http://h/x/"), 0);
	assert_non_null(strstr(out.data, "<code>POST do</code>"));
	assert_non_null(strstr(out.data, "curl 'http://h/x/do?width=3'"));
	assert_non_null(strstr(out.data, "1 to 9 px"));
	assert_non_null(strstr(out.data, "a&lt;b, c"));
	assert_non_null(strstr(out.data, "as it &quot;is&quot;"));
	assert_non_null(strstr(out.data, "Which &amp; what."));
	at = strstr(out.data, "/errors/odd");
	assert_non_null(at);
	assert_null(strstr(at + 1, "/errors/odd"));
	buf_done(&out);
}

static void
out_of_memory_is_an_error_and_leaks_nothing(void **state)
{
	struct buf out;
	int r;

	(void)state;
	ALLOC_FAIL_EACH({
		buf_init(&out, 1 << 16);
		r = svc_describe_openapi(&out, &service);
		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		buf_done(&out);
	});
	ALLOC_FAIL_EACH({
		buf_init(&out, 1 << 16);
		r = svc_describe_page(&out, &service, "http://h/");
		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		buf_done(&out);
	});
}

static void
the_base_is_where_the_gateway_says_we_are(void **state)
{
	(void)state;
	assert_string_equal(base_of("https", "a.example:8080", "/image"),
	    "https://a.example:8080/image/");
	assert_string_equal(
	    base_of("", "[::1]:80", "/a/b/"), "http://[::1]:80/a/b/");
	assert_string_equal(base_of(NULL, "h", NULL), "http://h/");
}

static void
a_hostile_base_is_not_repeated(void **state)
{
	(void)state;
	assert_string_equal(base_of("javascript", "h", "/p"), "http://h/p/");
	assert_string_equal(
	    base_of("http", "h\"><script>", "/p"), "http://HOST/");
	assert_string_equal(base_of("http", "h", "/p';rm"), "http://HOST/");
	assert_string_equal(base_of("http", "h", "evil"), "http://h/");
}

static int
setup(void **state)
{
	(void)state;
	alloc_hook_jansson();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openapi_says_what_the_table_says),
		cmocka_unit_test(the_page_escapes_and_lists_each_refusal_once),
		cmocka_unit_test(out_of_memory_is_an_error_and_leaks_nothing),
		cmocka_unit_test(the_base_is_where_the_gateway_says_we_are),
		cmocka_unit_test(a_hostile_base_is_not_repeated),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
