/* SPDX-License-Identifier: ISC */

/* The rules of a route: what is read, what is refused, what a plan tells. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "conf_folder.h"

#define HEADERS                                                            \
	"a mapping of at most 16 header names to strings in quotes, of 1 " \
	"to 512 bytes without control characters and without a space at "  \
	"their ends"
#define NAMES "a list of at most 16 different header names, of at most 64 bytes"
#define TARGET                                                         \
	"https, or a URL of visible ASCII that begins with http or ht" \
	"tps and a host, which may be ${host}, or with one slash, and" \
	" behind that may have ${host}, ${path} and ${query}, at most" \
	" 1024 bytes"
#define RATE "a number from 1 to 1000000 and /s, /m or /h, as 100/s"
#define ORIGINS                                                               \
	"a list of 1 to 32 different origins, as https://example.org or "     \
	"http://example.org:8080 in lower case and without a port that goes " \
	"without saying, or \"*\" alone"

static const char full[] = "service: s\ncommand: [a]\nroute:\n  - path: /a\n"
			   "    headers:\n"
			   "      request:\n"
			   "        set: {X-A: '1', X-B: 'a: b'}\n"
			   "        remove: [Cookie, X_Old]\n"
			   "      response:\n"
			   "        set: {X-C: '2'}\n"
			   "        remove: [Server]\n"
			   "    redirect: {to: '/b${path}', status: 308}\n"
			   "    rate_limit: {rate: 10/m, burst: 3,"
			   " key: 'header:X-Key'}\n"
			   "    cors:\n"
			   "      origins: [https://a.org, 'http://[::1]:81']\n"
			   "      methods: [PUT]\n"
			   "      headers: [X-D]\n"
			   "      expose: [X-E, X-F]\n"
			   "      credentials: true\n"
			   "      max_age: 10m\n"
			   "  - {path: /plain}\n"
			   "  - {path: /tls, redirect: https}\n";

static void
expect_full(const struct conf *c)
{
	const struct conf_route *r = conf_service(c, "s")->routes;

	assert_int_equal(r->request.nset, 2);
	assert_string_equal(r->request.set[1].name, "X-B");
	assert_string_equal(r->request.set[1].value, "a: b");
	assert_string_equal(r->request.remove[1], "X_Old");
	assert_null(r->request.remove[2]);
	assert_int_equal(r->response.nset, 1);
	assert_string_equal(r->response.remove[0], "Server");
	assert_string_equal(r->redirect.to, "/b${path}");
	assert_int_equal(r->redirect.status, 308);
	assert_int_equal(r->rate.count, 10);
	assert_int_equal(r->rate.period_s, 60);
	assert_int_equal(r->rate.burst, 3);
	assert_string_equal(r->rate.header, "X-Key");
	assert_string_equal(r->cors.origins[1], "http://[::1]:81");
	assert_int_equal(r->cors.methods, CONF_PUT);
	assert_string_equal(r->cors.headers[0], "X-D");
	assert_string_equal(r->cors.expose[1], "X-F");
	assert_true(r->cors.credentials);
	assert_int_equal(r->cors.max_age_ms, 600000);
	assert_int_equal(r[1].request.nset, 0);
	assert_null(r[1].request.remove);
	assert_null(r[1].redirect.to);
	assert_int_equal(r[1].rate.count, 0);
	assert_null(r[1].cors.origins);
	assert_string_equal(r[2].redirect.to, "https");
}

static void
every_rule_of_a_route_is_read_and_comes_back_from_json(void **state)
{
	struct folder *f = *state;
	const struct conf *c, *again;
	json_t *json;

	folder_put(f, "s", full);
	c = folder_accept(f);
	expect_full(c);
	json = conf_json(c);
	assert_non_null(json);
	again = conf_from_json(json, &f->errors);
	assert_non_null(again);
	expect_full(again);
	assert_int_equal(
	    conf_service(c, "s")->hash_all, conf_service(again, "s")->hash_all);
	json_decref(json);
	conf_unref(again);
	conf_unref(c);
}

/* --- what is refused ------------------------------------------------------ */

/* clang-format off */
static const struct {
	const char *rule, *want;
} faults[] = {
	{ "headers: {request: {set: {X-A: 1}}}",
	    ".headers.request.set: found 1; allowed " HEADERS },
	{ "headers: {request: {set: {X A: 'b'}}}",
	    ".headers.request.set: found \"b\"; allowed " HEADERS },
	{ "headers: {request: {set: {X-A: \"a\\r\\nX: 1\"}}}",
	    ".headers.request.set: found \"a??X: 1\"; allowed " HEADERS },
	{ "headers: {request: {set: {X-A: ' a'}}}",
	    ".headers.request.set: found \" a\"; allowed " HEADERS },
	{ "headers: {request: {set: {X-A: '1', x_a: '2'}}}",
	    ".headers.request.set: found \"2\"; allowed " HEADERS },
	{ "headers: {response: {remove: [X-A, X-A]}}",
	    ".headers.response.remove: found \"X-A\"; allowed " NAMES },
	{ "headers: {response: {remove: ['a b']}}",
	    ".headers.response.remove: found \"a b\"; allowed " NAMES },
	{ "headers: {request: {set: {Content_Length: '1'}}}",
	    ".headers.request.set: found the header \"Content_Length\"; allowed others: it frames the message" },
	{ "redirect: {status: 301}",
	    ": found redirect.status without redirect.to; allowed with it" },
	{ "redirect: {to: /b, status: 304}",
	    ".redirect.status: found 304; allowed 301, 302, 303, 307 or 308" },
	{ "rate_limit: {rate: 0/s}",
	    ".rate_limit.rate: found \"0/s\"; allowed " RATE },
	{ "rate_limit: {rate: 5/d}",
	    ".rate_limit.rate: found \"5/d\"; allowed " RATE },
	{ "rate_limit: {rate: 1000001/s}",
	    ".rate_limit.rate: found \"1000001/s\"; allowed " RATE },
	{ "rate_limit: {rate: 5}",
	    ".rate_limit.rate: found 5; allowed " RATE },
	{ "rate_limit: {rate: 5/s, burst: 0}",
	    ".rate_limit.burst: found 0; allowed an integer from 1 to 1000000" },
	{ "rate_limit: {rate: 5/s, key: cookie}",
	    ".rate_limit.key: found \"cookie\"; allowed address or header:NAME" },
	{ "rate_limit: {burst: 5}",
	    ": found rate_limit without rate; allowed with it" },
	{ "cors: {origins: []}",
	    ".cors.origins: found a list; allowed " ORIGINS },
	{ "cors: {origins: ['*', https://a.org]}",
	    ".cors.origins: found \"*\"; allowed " ORIGINS },
	{ "cors: {origins: [https://a.org/]}",
	    ".cors.origins: found \"https://a.org/\"; allowed " ORIGINS },
	{ "cors: {origins: [https://A.org]}",
	    ".cors.origins: found \"https://A.org\"; allowed " ORIGINS },
	{ "cors: {origins: ['https://a.org:443']}",
	    ".cors.origins: found \"https://a.org:443\"; allowed " ORIGINS },
	{ "cors: {origins: ['null']}",
	    ".cors.origins: found \"null\"; allowed " ORIGINS },
	{ "cors: {origins: ['*'], credentials: true}",
	    ": found cors.credentials with origins: [\"*\"]; allowed with a list of origins, for browsers refuse that (Fetch standard)" },
	{ "cors: {methods: [GET]}",
	    ": found cors without origins; allowed with them" },
	{ "cors: {origins: ['*'], max_age: 0s}",
	    ".cors.max_age: found \"0s\"; allowed a duration from 1s to 24h, as 250ms, 5s, 2m, 1h" },
	{ "cors: {origins: ['*'], headers: ['a,b']}",
	    ".cors.headers: found \"a,b\"; allowed " NAMES },
	{ "headers: {response: {set: {access-control-max-age: '1'}}}, cors: {origins: ['*']}",
	    ": found a header Access-Control-* beside cors, which writes them; allowed one of them" },
};
/* clang-format on */

static void
refuse(struct folder *f, const char *rule, const char *want)
{
	char yaml[1024], line[1200];

	snprintf(yaml, sizeof(yaml),
	    "service: s\ncommand: [a]\n\nroute: [{path: /a, %s}]\n", rule);
	snprintf(line, sizeof(line), "s.yaml:4: route[0]%s\n", want);
	folder_put(f, "s", yaml);
	folder_refuse(f, line);
}

static void
each_fault_of_a_rule_is_named_with_its_line(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(faults); i++)
		refuse(*state, faults[i].rule, faults[i].want);
}

static void
headers_that_are_drovers_own_cannot_be_changed(void **state)
{
	static const struct {
		const char *name, *why;
	} cases[] = {
		{ "Transfer-Encoding", "it frames the message" },
		{ "content-length", "it frames the message" },
		{ "Trailer", "it frames the message" },
		{ "Connection", "it ends at this hop" },
		{ "Keep_Alive", "it ends at this hop" },
		{ "TE", "it ends at this hop" },
		{ "Upgrade", "it ends at this hop" },
		{ "Host", "drover writes it" },
		{ "X-Forwarded-For", "drover writes it" },
		{ "X_FORWARDED_FOR", "drover writes it" },
		{ "X-Request-Id", "drover writes it" },
		{ "Drover-Caller", "drover writes it" },
		{ "drover_anything", "drover writes it" },
		{ "RateLimit", "drover writes it" },
	};
	char rule[128], want[256];

	for (size_t i = 0; i < 4 * ARRAY_LEN(cases); i++) {
		const char *name = cases[i / 4].name;
		const char *side = i & 1 ? "request" : "response";
		const char *what = i & 2 ? "set" : "remove";

		snprintf(rule, sizeof(rule),
		    i & 2 ? "headers: {%s: {%s: {%s: 'x'}}}"
			  : "headers: {%s: {%s: [%s]}}",
		    side, what, name);
		snprintf(want, sizeof(want),
		    ".headers.%s.%s: found the header \"%s\"; allowed others: "
		    "%s",
		    side, what, name, cases[i / 4].why);
		refuse(*state, rule, want);
	}
}

static void
a_redirect_never_leads_where_the_request_says(void **state)
{
	static const char *const bad[] = { "a", "${path}", "//evil.org",
		"/${path}", "/${host}", "/${query}x", "/${query}${path}",
		"https://", "https://${path}", "https://${query}",
		"https://a.org.${path}x y", "ftp://a.org", "https:///a",
		"https://u@a.org", "/a${user}", "/a$", "/a\\b", "http://a$",
		"https://${host}${host}", "https://a${host}/" };
	static const char *const good[] = { "/", "/a", "/a${path}${query}",
		"/${query}", "https://a.org", "https://${host}${path}${query}",
		"http://${host}:8080/x${path}", "https://a.org${query}",
		"https://[::1]:80/", "https://${host}.", "https" };
	struct folder *f = *state;
	char rule[128], want[1024];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(rule, sizeof(rule), "redirect: '%s'", bad[i]);
		snprintf(want, sizeof(want),
		    ".redirect: found \"%s\"; allowed " TARGET, bad[i]);
		refuse(f, rule, want);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(want, sizeof(want),
		    "service: s\ncommand: [a]\nroute: [{path: /a, redirect: "
		    "'%s'}]\n",
		    good[i]);
		folder_put(f, "s", want);
		conf_unref(folder_accept(f));
	}
}

/* --- a plan --------------------------------------------------------------- */

static void
each_changed_rule_is_a_change_of_the_route(void **state)
{
	static const char *const rules[] = {
		"headers: {request: {set: {X-A: '1'}}}",
		"headers: {request: {set: {X-A: '2'}}}",
		"headers: {request: {remove: [X-A]}}",
		"headers: {response: {set: {X-A: '1'}}}",
		"headers: {response: {remove: [X-A]}}",
		"redirect: /b",
		"redirect: {to: /b, status: 301}",
		"rate_limit: {rate: 1/s}",
		"rate_limit: {rate: 1/m}",
		"rate_limit: {rate: 1/m, burst: 2}",
		"rate_limit: {rate: 1/m, burst: 2, key: 'header:a'}",
		"cors: {origins: ['*']}",
		"cors: {origins: [https://a.org]}",
		"cors: {origins: [https://a.org], credentials: true}",
		"cors: {origins: [https://a.org], methods: [PUT]}",
		"cors: {origins: [https://a.org], headers: [A]}",
		"cors: {origins: [https://a.org], expose: [A]}",
		"cors: {origins: [https://a.org], max_age: 1m}",
	};
	struct folder *f = *state;
	const struct conf *a, *b;

	folder_put(f, "s", "service: s\ncommand: [a]\nroute: [{path: /a}]\n");
	a = folder_accept(f);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct conf_change *changes;
		char yaml[256];
		size_t n;

		snprintf(yaml, sizeof(yaml),
		    "service: s\ncommand: [a]\nroute: [{path: /a, %s}]\n",
		    rules[i]);
		folder_put(f, "s", yaml);
		b = folder_accept(f);
		assert_int_equal(conf_diff(a, b, &changes, &n), 0);
		assert_int_equal(n, 1);
		assert_int_equal(changes[0].kind, CONF_CHANGED);
		assert_string_equal(changes[0].key, "route");
		free(changes);
		conf_unref(a);
		a = b;
	}
	conf_unref(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		F(every_rule_of_a_route_is_read_and_comes_back_from_json),
		F(each_fault_of_a_rule_is_named_with_its_line),
		F(headers_that_are_drovers_own_cannot_be_changed),
		F(a_redirect_never_leads_where_the_request_says),
		F(each_changed_rule_is_a_change_of_the_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
