/* SPDX-License-Identifier: ISC */

/* Who may use a route: how it is read, and the files that it names. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "conf/secrets.h"
#include "conf_folder.h"
#include "jwt_examples.h"

#define ANN "ann:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy\n"
#define SECRET "a secret of thirty-two bytes, ok"

static const struct conf_auth *
auth_of(const struct conf *c)
{
	return &conf_service(c, "s")->routes[0].auth;
}

static void
put_route(struct folder *f, const char *auth)
{
	char yaml[2048];

	snprintf(yaml, sizeof(yaml),
	    "service: s\ncommand: [/bin/true]\nroute:\n  - path: /\n"
	    "    auth: %s\n",
	    auth);
	folder_put(f, "s", yaml);
	folder_put(f, "t", "service: t\ncommand: [/bin/true]\n");
}

static void
assert_whole(const struct conf_auth *a)
{
	assert_true(a->pass);
	assert_string_equal(a->users, "/u");
	assert_string_equal(a->realm, "den");
	assert_string_equal(a->user_header, "X-User");
	assert_int_equal(a->algorithms, CONF_RS256 | CONF_ES256);
	assert_string_equal(a->jwks, "/j");
	assert_null(a->secret);
	assert_string_equal(a->issuer, "me");
	assert_string_equal(a->audience, "you");
	assert_string_equal(a->cookie, "my_session");
	assert_int_equal(a->leeway_ms, 5000);
	assert_string_equal(a->require[0], "scope=a");
	assert_string_equal(a->claims[0], "sub=X-Sub");
	assert_string_equal(a->service, "t");
	assert_string_equal(a->path, "/check");
	assert_string_equal(a->request_headers[0], "Cookie");
	assert_string_equal(a->response_headers[1], "X-B");
	assert_null(a->response_headers[2]);
	assert_int_equal(a->timeout_ms, 3000);
}

static void
every_key_is_read_and_comes_back_from_json(void **state)
{
	struct folder *f = *state;
	const struct conf *c, *again;
	json_t *json;

	put_route(f,
	    "{credentials: pass, basic: {users: /u, realm: den, "
	    "header: X-User}, bearer: {algorithms: [RS256, ES256], "
	    "jwks: /j, issuer: me, audience: you, leeway: 5s, cookie: "
	    "my_session, require: [scope=a], claims: [sub=X-Sub]}, forward: "
	    "{service: t, path: /check, request_headers: [Cookie], "
	    "response_headers: [X-A, X-B], timeout: 3s}}");
	c = folder_accept(f);
	assert_whole(auth_of(c));
	json = conf_json(c);
	again = conf_from_json(json, &f->errors);
	assert_non_null(again);
	assert_whole(auth_of(again));
	json_decref(json);
	conf_unref(again);
	conf_unref(c);
}

static void
what_is_not_asked_for_is_not_there(void **state)
{
	struct folder *f = *state;
	const struct conf *c, *again;
	json_t *json;

	folder_put(
	    f, "s", "service: s\ncommand: [/bin/true]\nroute: [{path: /}]\n");
	c = folder_accept(f);
	json = conf_json(c);
	again = conf_from_json(json, &f->errors);
	assert_non_null(again);
	assert_false(auth_of(again)->given);
	assert_null(auth_of(again)->users);
	assert_int_equal(auth_of(again)->algorithms, 0);
	assert_null(auth_of(again)->service);
	json_decref(json);
	conf_unref(again);
	conf_unref(c);
}

static void
services_that_ask_each_other_in_a_circle_are_refused(void **state)
{
	struct folder *f = *state;

	folder_put(f, "a",
	    "service: a\ncommand: [a]\nroute: [{path: /a, "
	    "auth: {forward: {service: b}}}]\n");
	folder_put(f, "b",
	    "service: b\ncommand: [b]\nroute: [{path: /b}, {path: /c, "
	    "auth: {forward: {service: c}}}]\n");
	folder_put(f, "c", "service: c\ncommand: [c]\n");
	conf_unref(folder_accept(f));
	folder_put(f, "c",
	    "service: c\ncommand: [c]\nroute: [{path: /d, "
	    "auth: {forward: {service: a}}}]\n");
	folder_refuse(f,
	    "a.yaml:3: route[0].auth.forward.service: found a circle that "
	    "comes back to \"a\"; allowed none\n");
}

/* clang-format off */
static const struct {
	const char *yaml, *want;
} faults[] = {
	{ "route: [{path: /a, auth: {}}]\n",
	    "s.yaml:3: route[0].auth.basic: found none of basic, bearer and "
	    "forward; allowed one or more\n" },
	{ "route: [{path: /a, auth: }]\n",
	    "s.yaml:3: route[0].auth.basic: found none of basic, bearer and "
	    "forward; allowed one or more\n" },
	{ "route: [{path: /a, auth: {basic: }}]\n",
	    "s.yaml:3: route[0].auth.basic: found nothing; allowed a mapping\n" },
	{ "route: [{path: /a, auth: {basic: {}}}]\n",
	    "s.yaml:3: route[0].auth.basic.users: found no such key, which is "
	    "required; allowed an absolute path of at most 4095 bytes\n" },
	{ "route: [{path: /a, auth: {credentials: hide}}]\n",
	    "s.yaml:3: route[0].auth.credentials: found \"hide\"; allowed one "
	    "of strip, pass\n" },
	{ "route: [{path: /a, auth: {basic: {users: /u, header: X_User}}}]\n",
	    "s.yaml:3: route[0].auth.basic.header: found \"X_User\"; allowed "
	    "the name of a header without underscores, at most 63 bytes, and "
	    "none that drover or the message's framing needs\n" },
	{ "route: [{path: /a, auth: {bearer: {algorithms: [none]}}}]\n",
	    "s.yaml:3: route[0].auth.bearer.algorithms: found \"none\"; "
	    "allowed a list of different ones of HS256, RS256, ES256\n" },
	{ "route: [{path: /a, auth: {bearer: {algorithms: [ES256]}}}]\n",
	    "s.yaml:3: route[0].auth.bearer: found neither; allowed one of "
	    "jwks and secret_file\n" },
	{ "route: [{path: /a, auth: {bearer: {algorithms: [HS256], jwks: /j, "
	  "secret_file: /s}}}]\n",
	    "s.yaml:3: route[0].auth.bearer: found both; allowed one of jwks "
	    "and secret_file\n" },
	{ "route: [{path: /a, auth: {bearer: {algorithms: [HS256, RS256], "
	  "secret_file: /s}}}]\n",
	    "s.yaml:3: route[0].auth.bearer.algorithms: found others beside "
	    "secret_file; allowed [HS256]\n" },
	{ "route: [{path: /a, auth: {bearer: {algorithms: [HS256], "
	  "secret_file: /s, leeway: 1h}}}]\n",
	    "s.yaml:3: route[0].auth.bearer.leeway: found \"1h\"; allowed a "
	    "duration from 0ms to 10m, as 250ms, 5s, 2m, 1h\n" },
	{ "route: [{path: /a, auth: {bearer: {algorithms: [HS256], "
	  "secret_file: /s, require: [scope]}}}]\n",
	    "s.yaml:3: route[0].auth.bearer.require: found \"scope\"; allowed "
	    "a list of at most 8 different claim=value\n" },
	{ "route: [{path: /a, auth: {bearer: {algorithms: [HS256], "
	  "secret_file: /s, claims: [sub=Host]}}}]\n",
	    "s.yaml:3: route[0].auth.bearer.claims: found \"sub=Host\"; "
	    "allowed a list of at most 8 different claim=Header, with headers "
	    "as in response_headers\n" },
	{ "route: [{path: /a, auth: {bearer: {algorithms: [HS256], "
	  "secret_file: /s, cookie: a b}}}]\n",
	    "s.yaml:3: route[0].auth.bearer.cookie: found \"a b\"; allowed "
	    "the name of a cookie, at most 255 bytes\n" },
	{ "route: [{path: /a, auth: {forward: {service: s}}}]\n",
	    "s.yaml:3: route[0].auth.forward.service: found the service "
	    "itself; allowed others\n" },
	{ "route: [{path: /a, auth: {forward: {service: x}}}]\n",
	    "s.yaml:3: route[0].auth.forward.service: found \"x\"; allowed "
	    "names of services\n" },
	{ "route: [{path: /a, auth: {forward: {path: /x}}}]\n",
	    "s.yaml:3: route[0].auth.forward.service: found no such key, "
	    "which is required; allowed a lower-case letter, then lower-case "
	    "letters, digits and dashes, at most 63\n" },
	{ "route: [{path: /a, auth: {forward: {service: x, "
	  "response_headers: [Content-Length]}}}]\n",
	    "s.yaml:3: route[0].auth.forward.response_headers: found "
	    "\"Content-Length\"; allowed a list of at most 16 different names "
	    "of headers without underscores, and none that drover or the "
	    "message's framing needs\n" },
	{ "route: [{path: /a, auth: {forward: {service: x, timeout: 0s}}}]\n",
	    "s.yaml:3: route[0].auth.forward.timeout: found \"0s\"; allowed a "
	    "duration from 10ms to 1m, as 250ms, 5s, 2m, 1h\n" },
};
/* clang-format on */

static void
each_fault_is_named(void **state)
{
	struct folder *f = *state;
	char yaml[1024];

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		snprintf(yaml, sizeof(yaml), "service: s\ncommand: [s]\n%s",
		    faults[i].yaml);
		folder_put(f, "s", yaml);
		folder_refuse(f, faults[i].want);
	}
}

static void
each_ceiling_of_a_worker_has_its_range(void **state)
{
	struct folder *f = *state;

	folder_put(f, "drover.yaml",
	    "limits: {auth_verdicts: 0, auth_refusals: 65537, auth_keep: 25h,\n"
	    " auth_queue: 1025, auth_timeout: 0s}\n");
	folder_refuse(f,
	    "drover.yaml:1: limits.auth_verdicts: found 0; allowed an integer "
	    "from 1 to 65536\n"
	    "drover.yaml:1: limits.auth_refusals: found 65537; allowed an "
	    "integer from 1 to 65536\n"
	    "drover.yaml:1: limits.auth_keep: found \"25h\"; allowed a "
	    "duration from 1ms to 24h, as 250ms, 5s, 2m, 1h\n"
	    "drover.yaml:2: limits.auth_queue: found 1025; allowed an integer "
	    "from 1 to 1024\n"
	    "drover.yaml:2: limits.auth_timeout: found \"0s\"; allowed a "
	    "duration from 1ms to 1h, as 250ms, 5s, 2m, 1h\n");
}

/* --- files ---------------------------------------------------------------- */

static const char *
put_file(struct folder *f, const char *name, const char *text)
{
	static char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	return path;
}

static const struct conf *
with_file(struct folder *f, const char *form, const char *text)
{
	char auth[512];

	snprintf(auth, sizeof(auth), "%s%s}}", form, put_file(f, "file", text));
	put_route(f, auth);
	return folder_accept(f);
}

#define USERS "{basic: {users: "
#define BEARER_SECRET "{bearer: {algorithms: [HS256], secret_file: "
#define BEARER_JWKS "{bearer: {algorithms: [ES256], jwks: "

static void
files_are_read_once_and_checked(void **state)
{
	static const struct {
		const char *form, *text, *kept;
	} rows[] = {
		{ USERS, ANN, ANN },
		{ BEARER_SECRET, SECRET "\n", SECRET },
		{ BEARER_JWKS, "{\"keys\":[" EXAMPLE_EC "]}",
		    "{\"keys\":[" EXAMPLE_EC "]}" },
	};
	struct folder *f = *state;
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct conf *c = with_file(f, rows[i].form, rows[i].text);
		struct faults found = { .out = &f->errors };
		struct secrets *s = secrets_load(c, &found);

		snprintf(path, sizeof(path), "%s/file", f->path);
		assert_int_equal(found.n, 0);
		assert_string_equal(secrets_text(s, path), rows[i].kept);
		assert_string_equal(secrets_text(s, "/other"), "");
		assert_string_equal(secrets_text(s, NULL), "");
		secrets_free(s);
		assert_true(conf_check_host(c, &f->errors));
		conf_unref(c);
	}
	secrets_free(NULL);
}

static void
files_that_cannot_be_used_are_faults_and_have_no_text(void **state)
{
	static const struct {
		const char *form, *text, *why;
	} rows[] = {
		{ USERS, "ann:secret\n", "line 1: no hash that is good" },
		{ BEARER_SECRET, "short\n", "a secret of 5 bytes" },
		{ BEARER_JWKS, "{}", "no list" },
		{ BEARER_JWKS, "{\"keys\":[" EXAMPLE_RSA "]}",
		    "no key for bearer.algorithms" },
	};
	struct folder *f = *state;
	char path[128];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct conf *c = with_file(f, rows[i].form, rows[i].text);
		struct faults found = { .out = &f->errors };
		struct secrets *s;

		buf_clear(&f->errors);
		s = secrets_load(c, &found);
		snprintf(path, sizeof(path), "%s/file", f->path);
		assert_int_equal(found.n, 1);
		assert_non_null(strstr(buf_str(&f->errors), rows[i].why));
		assert_non_null(strstr(buf_str(&f->errors), "route[0].auth."));
		assert_string_equal(secrets_text(s, path), "");
		secrets_free(s);
		assert_false(conf_check_host(c, &f->errors));
		conf_unref(c);
	}
}

static void
a_file_that_is_not_there_is_a_fault(void **state)
{
	struct folder *f = *state;
	struct faults found = { .out = &f->errors };
	const struct conf *c;

	put_route(f, "{basic: {users: /no/such/file}}");
	c = folder_accept(f);
	secrets_free(secrets_load(c, &found));
	assert_int_equal(found.n, 1);
	assert_non_null(
	    strstr(buf_str(&f->errors), "No such file or directory"));
	conf_unref(c);
}

static void
without_memory_there_is_a_fault(void **state)
{
	struct folder *f = *state;
	const struct conf *c = with_file(f, USERS, ANN);

	ALLOC_FAIL_EACH({
		struct faults found = { .out = &f->errors };
		struct secrets *s = secrets_load(c, &found);

		if (alloc_failed())
			assert_true(found.n > 0);
		secrets_free(s);
		buf_clear(&f->errors);
	});
	conf_unref(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		F(every_key_is_read_and_comes_back_from_json),
		F(what_is_not_asked_for_is_not_there),
		F(each_fault_is_named),
		F(each_ceiling_of_a_worker_has_its_range),
		F(services_that_ask_each_other_in_a_circle_are_refused),
		F(files_are_read_once_and_checked),
		F(files_that_cannot_be_used_are_faults_and_have_no_text),
		F(a_file_that_is_not_there_is_a_fault),
		F(without_memory_there_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
