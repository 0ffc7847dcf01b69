/* SPDX-License-Identifier: ISC */

/* The admin API, spoken to over its socket; control is told about. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "admin_peer.h"

static const char *
body_of(const struct api_route *r)
{
	if (r->body == NULL)
		return "";
	return strcmp(r->body->name, "replicas") == 0 ? "{\"replicas\": 3}"
						      : "{}";
}

/* --- the table ------------------------------------------------------------ */

static void
each_route_answers_as_its_row_says(void **state)
{
	char target[128];

	(void)state;
	for (size_t i = 0; i < api_nroutes; i++) {
		const struct api_route *r = &api_routes[i];

		peer_start(ROLE_ADMIN);
		peer_ask(ROLE_ADMIN, r->method,
		    peer_target(r, target, sizeof(target)), "", body_of(r));
		assert_int_equal(reply.status, r->status);
		assert_non_null(strstr(reply.text, r->type));
		assert_int_equal(
		    control.commands > 0 || control.down, r->change);
		peer_stop();
	}
}

static void
each_route_is_refused_without_its_role(void **state)
{
	char target[128];

	(void)state;
	for (enum role role = ROLE_NONE; role <= ROLE_ADMIN; role++) {
		peer_start(role);
		for (size_t i = 0; i < api_nroutes; i++) {
			const struct api_route *r = &api_routes[i];

			control.commands = 0;
			control.down = false;
			peer_ask(role, r->method,
			    peer_target(r, target, sizeof(target)), "",
			    body_of(r));
			if (role >= r->role) {
				assert_int_equal(reply.status, r->status);
				continue;
			}
			assert_problem(403, "forbidden", NULL);
			assert_int_equal(control.commands, 0);
			assert_false(control.down);
		}
		peer_stop();
	}
}

static void
reads_need_read_and_changes_admin(void **state)
{
	(void)state;
	for (size_t i = 0; i < api_nroutes; i++) {
		const struct api_route *r = &api_routes[i];

		assert_int_equal(r->role, r->change ? ROLE_ADMIN : ROLE_READ);
		assert_non_null(r->handler);
		assert_non_null(r->text);
		assert_non_null(r->answer);
		assert_non_null(r->type);
		assert_true(r->status >= 200 && r->status < 300);
	}
}

static void
another_method_is_405_and_says_which(void **state)
{
	char target[128];

	(void)state;
	peer_start(ROLE_ADMIN);
	for (size_t i = 0; i < api_nroutes; i++) {
		const struct api_route *r = &api_routes[i];
		bool reads = strcmp(r->method, "GET") == 0;

		peer_ask(ROLE_ADMIN, reads ? "PUT" : "GET",
		    peer_target(r, target, sizeof(target)), "", "");
		assert_int_equal(reply.status, 405);
		assert_non_null(strstr(reply.text, "Allow:"));
		assert_non_null(
		    strstr(strstr(reply.text, "Allow:"), r->method));
	}
	peer_stop();
}

static void
a_path_that_is_not_there_is_404(void **state)
{
	static const char *const targets[] = { "/", "/v1", "/v1/statu",
		"/v1/services/image/log", "/v1/upgrades", "/metrics/x" };

	(void)state;
	peer_start(ROLE_ADMIN);
	for (size_t i = 0; i < ARRAY_LEN(targets); i++)
		assert_int_equal(peer_get(targets[i]), 404);
	peer_stop();
}

/* --- views ---------------------------------------------------------------- */

static void
a_view_is_controls_own(void **state)
{
	json_t *v;

	(void)state;
	peer_start(ROLE_ADMIN);
	assert_int_equal(peer_get("/v1/services/image"), 200);
	assert_non_null(strstr(reply.text, "ETag: \"7\""));
	v = reply_json();
	assert_string_equal(
	    json_string_value(json_object_get(v, "name")), "image");
	json_decref(v);
	assert_int_equal(peer_get("/v1/instances/video.1"), 200);
	v = reply_json();
	assert_string_equal(
	    json_string_value(json_object_get(v, "state")), "backoff");
	json_decref(v);
	assert_int_equal(peer_get("/metrics"), 200);
	assert_non_null(strstr(reply.body, "drover_up 1\n"));
	assert_non_null(strstr(reply.body, "drover_admin_requests_total 3\n"));
	peer_stop();
}

static void
an_unknown_name_is_404_and_names_the_near(void **state)
{
	(void)state;
	peer_start(ROLE_ADMIN);
	peer_get("/v1/services/imgae");
	assert_problem(404, "not-found", NULL);
	assert_non_null(strstr(reply.body, "did you mean image?"));
	peer_get("/v1/instances/imag.0");
	assert_problem(404, "not-found", NULL);
	assert_non_null(strstr(reply.body, "did you mean image.0?"));
	peer_get("/v1/services/nothing-like-it");
	assert_problem(404, "not-found", NULL);
	assert_null(strstr(reply.body, "did you mean"));
	peer_post("/v1/services/nope/restart", "");
	assert_problem(404, "not-found", NULL);
	peer_post("/v1/instances/image.9/kill", "");
	assert_problem(404, "not-found", NULL);
	peer_get("/v1/services/nope/logs");
	assert_problem(404, "not-found", NULL);
	peer_stop();
}

static void
a_name_longer_than_any_is_404(void **state)
{
	char target[2048] = "/v1/services/";

	(void)state;
	peer_start(ROLE_ADMIN);
	memset(target + strlen(target), 'x', 1000);
	peer_get(target);
	assert_problem(404, "not-found", NULL);
	peer_stop();
}

static void
out_of_memory_refuses_one_request(void **state)
{
	(void)state;
	peer_start(ROLE_ADMIN);
	control.out_of_memory = true;
	peer_get("/v1/status");
	assert_problem(503, "out-of-memory", NULL);
	control.out_of_memory = false;
	assert_int_equal(peer_get("/v1/status"), 200);
	peer_stop();
}

/* --- changes -------------------------------------------------------------- */

static void
a_change_reaches_control(void **state)
{
	(void)state;
	peer_start(ROLE_ADMIN);
	assert_int_equal(
	    peer_post("/v1/services/image/scale", "{\"replicas\": 4}"), 202);
	assert_int_equal(control.services[1].desired, 4);
	assert_int_equal(peer_post("/v1/services/image/stop", "{}"), 202);
	assert_true(control.services[1].stopped);
	assert_int_equal(peer_post("/v1/services/image/start", ""), 202);
	assert_false(control.services[1].stopped);
	assert_int_equal(peer_post("/v1/instances/image.0/stop", ""), 202);
	assert_int_equal(control.services[1].pids[0], 0);
	assert_int_equal(
	    peer_post("/v1/upgrade", "{\"path\": \"/opt/new\"}"), 202);
	assert_string_equal(control.upgrade_to, "/opt/new");
	assert_int_equal(peer_post("/v1/upgrade", ""), 202);
	assert_string_equal(control.upgrade_to, "itself");
	assert_int_equal(peer_post("/v1/shutdown", ""), 202);
	assert_true(control.down);
	peer_stop();
}

static void
an_upgrade_is_answered_once_it_was_tried(void **state)
{
	(void)state;
	peer_start(ROLE_ADMIN);
	control.refused = "it cannot read what this keeper knows";
	assert_int_equal(peer_post("/v1/upgrade", "{}"), 422);
	assert_problem(422, "not-possible", "path");
	assert_non_null(strstr(reply.text, "it cannot read"));
	peer_stop();
}

static void
a_bad_body_is_400_and_changes_nothing(void **state)
{
	static const struct {
		const char *target, *body, *field;
	} cases[] = {
		{ "/v1/services/image/scale", "", "replicas" },
		{ "/v1/services/image/scale", "{", NULL },
		{ "/v1/services/image/scale", "[]", NULL },
		{ "/v1/services/image/scale", "\xff\xfe", NULL },
		{ "/v1/services/image/scale", "{\"replicas\":\"3\"}",
		    "replicas" },
		{ "/v1/services/image/scale", "{\"replicas\":-1}", "replicas" },
		{ "/v1/services/image/scale", "{\"replicas\":1e999}", NULL },
		{ "/v1/services/image/scale", "{\"replicas\":1,\"a\":2}", "a" },
		{ "/v1/services/image/stop", "{\"force\":true}", "force" },
		{ "/v1/reload", "nonsense", NULL },
		{ "/v1/reload", "{\"canary\":0}", "canary" },
		{ "/v1/reload", "{\"canary\":257}", "canary" },
		{ "/v1/reload", "{\"retry\":1}", "retry" },
		{ "/v1/shutdown", "{\"now\":true}", "now" },
		{ "/v1/upgrade", "{\"path\":7}", "path" },
	};

	(void)state;
	peer_start(ROLE_ADMIN);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		peer_post(cases[i].target, cases[i].body);
		assert_problem(400, "bad-body", cases[i].field);
	}
	assert_int_equal(control.commands, 0);
	assert_false(control.down);
	peer_stop();
}

static void
a_body_over_the_ceiling_is_413(void **state)
{
	static char body[ADMIN_BODY_MAX + 2];

	(void)state;
	peer_start(ROLE_ADMIN);
	memset(body, ' ', sizeof(body) - 1);
	assert_int_equal(peer_post("/v1/services/image/scale", body), 413);
	body[ADMIN_BODY_MAX] = '\0';
	memcpy(body, "{\"replicas\":3}", 14);
	assert_int_equal(peer_post("/v1/services/image/scale", body), 202);
	assert_int_equal(control.commands, 1);
	peer_stop();
}

static void
a_bad_parameter_is_400_with_its_name(void **state)
{
	static const struct {
		const char *target, *field;
	} cases[] = {
		{ "/v1/services/image/logs?folow=1", "folow" },
		{ "/v1/services/image/logs?follow=maybe", "follow" },
		{ "/v1/services/image/logs?lines=-1", "lines" },
		{ "/v1/services/image/logs?lines=10001", "lines" },
		{ "/v1/services/image/logs?since=yesterday", "since" },
		{ "/v1/services/image/logs?instance=", "instance" },
		{ "/v1/status?verbose=1", "verbose" },
		{ "/v1/events?since=1", "since" },
	};

	(void)state;
	peer_start(ROLE_ADMIN);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		peer_get(cases[i].target);
		assert_problem(400, "bad-parameter", cases[i].field);
	}
	peer_stop();
}

static void
a_refusal_has_its_status(void **state)
{
	static const struct {
		int r;
		unsigned status;
		const char *type;
	} cases[] = {
		{ -ENOENT, 404, "not-found" },
		{ -EINVAL, 400, "bad-value" },
		{ -EBUSY, 409, "busy" },
		{ -ESTALE, 412, "stale" },
		{ -ENOTSUP, 422, "not-possible" },
		{ -ENOBUFS, 503, "unavailable" },
	};

	(void)state;
	peer_start(ROLE_ADMIN);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		control.fail = cases[i].r;
		peer_post("/v1/services/image/restart", "");
		assert_problem(cases[i].status, cases[i].type, NULL);
		assert_non_null(strstr(reply.body, "refused as told"));
	}
	assert_int_equal(control.commands, 0);
	peer_stop();
}

static void
a_rollout_is_told_what_was_said(void **state)
{
	static const struct {
		const char *word;
		enum control_verb verb;
	} cases[] = {
		{ "promote", CONTROL_PROMOTE },
		{ "undo", CONTROL_UNDO },
		{ "pause", CONTROL_PAUSE },
		{ "resume", CONTROL_RESUME },
	};
	char target[80];

	(void)state;
	peer_start(ROLE_ADMIN);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		snprintf(target, sizeof(target),
		    "/v1/services/image/rollout/%s", cases[i].word);
		control.verb = -1;
		assert_int_equal(peer_post(target, ""), 202);
		assert_int_equal(control.verb, (int)cases[i].verb);
		assert_int_equal(
		    peer_ask(ROLE_READ, "POST", target, "", ""), 403);
	}
	assert_int_equal(peer_post("/v1/services/x/rollout/undo", ""), 404);
	assert_int_equal(peer_post("/v1/services/image/rollout/redo", ""), 404);
	assert_int_equal(
	    peer_post("/v1/reload", "{\"canary\":2,\"retry\":true}"), 200);
	assert_int_equal(control.how.canary, 2);
	assert_true(control.how.retry);
	assert_int_equal(peer_post("/v1/reload", ""), 200);
	assert_int_equal(control.how.canary, 0);
	assert_false(control.how.retry);
	peer_stop();
}

static void
if_match_guards_a_change(void **state)
{
	static const char target[] = "/v1/services/image/restart";

	(void)state;
	peer_start(ROLE_ADMIN);
	peer_ask(ROLE_ADMIN, "POST", target, "If-Match: \"6\"\r\n", "");
	assert_problem(412, "stale", NULL);
	assert_non_null(strstr(reply.text, "ETag: \"7\""));
	peer_ask(ROLE_ADMIN, "POST", target, "If-Match: 7\r\n", "");
	assert_problem(400, "bad-value", "If-Match");
	assert_int_equal(control.commands, 0);
	peer_ask(ROLE_ADMIN, "POST", target, "If-Match: \"7\"\r\n", "");
	assert_int_equal(reply.status, 202);
	assert_non_null(strstr(reply.text, "ETag: \"8\""));
	peer_ask(ROLE_ADMIN, "POST", target, "If-Match: \"7\"\r\n", "");
	assert_int_equal(reply.status, 412);
	peer_stop();
}

static void
a_broken_configuration_is_422_with_its_errors(void **state)
{
	(void)state;
	peer_start(ROLE_ADMIN);
	control.broken_file = true;
	peer_post("/v1/plan", "");
	assert_problem(422, "bad-configuration", NULL);
	assert_non_null(strstr(reply.body, "drover.yaml:3: workers"));
	peer_post("/v1/reload", "");
	assert_problem(422, "bad-configuration", NULL);
	control.broken_file = false;
	assert_int_equal(peer_post("/v1/reload", ""), 200);
	assert_non_null(strstr(reply.body, "\"generation\":8"));
	peer_stop();
}

/* --- audit ---------------------------------------------------------------- */

static char audit_text[8192];

/* The log lines of what stands between the two calls. */
static int
audit_begin(FILE **file)
{
	int saved = dup(STDERR_FILENO);

	*file = tmpfile();
	assert_non_null(*file);
	dup2(fileno(*file), STDERR_FILENO);
	return saved;
}

static void
audit_end(FILE *file, int saved)
{
	size_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	n = fread(audit_text, 1, sizeof(audit_text) - 1, file);
	audit_text[n] = '\0';
	fclose(file);
}

static void
changes_are_audited_and_reads_are_not(void **state)
{
	FILE *file;
	char who[64];
	int saved;

	(void)state;
	peer_start(ROLE_ADMIN);
	saved = audit_begin(&file);
	peer_get("/v1/status");
	peer_post("/v1/services/image/scale", "{\"replicas\": 3}");
	peer_post("/v1/services/nope/stop", "");
	audit_end(file, saved);
	snprintf(who, sizeof(who), "info audit uid=%u pid=%d: ",
	    getuid() == 0 ? STRANGER : (unsigned)getuid(), (int)getpid());
	assert_non_null(strstr(audit_text, who));
	assert_non_null(strstr(audit_text,
	    "POST /v1/services/image/scale "
	    "body={\"replicas\": 3} status=202"));
	assert_non_null(strstr(audit_text,
	    "POST /v1/services/nope/stop body= "
	    "status=404 why=no service nope"));
	assert_null(strstr(audit_text, "/v1/status"));
	peer_stop();
}

static void
a_refused_role_is_audited(void **state)
{
	FILE *file;
	int saved;

	(void)state;
	peer_start(ROLE_READ);
	saved = audit_begin(&file);
	peer_ask(ROLE_READ, "POST", "/v1/shutdown", "", "");
	audit_end(file, saved);
	assert_int_equal(reply.status, 403);
	assert_non_null(
	    strstr(audit_text, "POST /v1/shutdown status=403 role=read"));
	peer_stop();
}

/* --- openapi -------------------------------------------------------------- */

static void
check_operation(const json_t *o, const char *route_path)
{
	const json_t *responses = json_object_get(o, "responses");
	size_t i, braces = 0, in_path = 0;
	json_t *p;

	assert_true(json_is_string(json_object_get(o, "operationId")));
	assert_true(json_is_string(json_object_get(o, "summary")));
	assert_true(json_is_string(json_object_get(o, "x-role")));
	assert_true(json_object_size(responses) >= 2);
	for (const char *c = route_path; *c != '\0'; c++)
		braces += *c == '{';
	json_array_foreach(json_object_get(o, "parameters"), i, p)
	{
		const char *in = json_string_value(json_object_get(p, "in"));

		assert_true(json_is_string(json_object_get(p, "name")));
		assert_true(json_is_object(json_object_get(p, "schema")));
		if (strcmp(in, "path") != 0)
			continue;
		assert_true(json_is_true(json_object_get(p, "required")));
		in_path++;
	}
	assert_int_equal(braces, in_path);
}

static void
openapi_describes_every_route(void **state)
{
	json_t *doc, *paths, *ids = json_object();

	(void)state;
	peer_start(ROLE_ADMIN);
	assert_int_equal(peer_get("/v1/openapi.json"), 200);
	doc = reply_json();
	assert_string_equal(
	    json_string_value(json_object_get(doc, "openapi")), "3.1.0");
	paths = json_object_get(doc, "paths");
	for (size_t i = 0; i < api_nroutes; i++) {
		const struct api_route *r = &api_routes[i];
		json_t *o = json_object_get(json_object_get(paths, r->path),
		    strcmp(r->method, "GET") == 0 ? "get" : "post");

		assert_non_null(o);
		check_operation(o, r->path);
		assert_string_equal(
		    json_string_value(json_object_get(o, "x-role")),
		    role_name(r->role));
		assert_int_equal(
		    json_object_get(o, "requestBody") != NULL, r->body != NULL);
		json_object_set(ids,
		    json_string_value(json_object_get(o, "operationId")), o);
	}
	assert_int_equal(json_object_size(ids), api_nroutes);
	assert_non_null(json_object_get(
	    json_object_get(json_object_get(doc, "components"), "schemas"),
	    "problem"));
	json_decref(ids);
	json_decref(doc);
	peer_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_route_answers_as_its_row_says),
		cmocka_unit_test(each_route_is_refused_without_its_role),
		cmocka_unit_test(reads_need_read_and_changes_admin),
		cmocka_unit_test(another_method_is_405_and_says_which),
		cmocka_unit_test(a_path_that_is_not_there_is_404),
		cmocka_unit_test(a_view_is_controls_own),
		cmocka_unit_test(an_unknown_name_is_404_and_names_the_near),
		cmocka_unit_test(a_name_longer_than_any_is_404),
		cmocka_unit_test(out_of_memory_refuses_one_request),
		cmocka_unit_test(a_change_reaches_control),
		cmocka_unit_test(an_upgrade_is_answered_once_it_was_tried),
		cmocka_unit_test(a_bad_body_is_400_and_changes_nothing),
		cmocka_unit_test(a_body_over_the_ceiling_is_413),
		cmocka_unit_test(a_bad_parameter_is_400_with_its_name),
		cmocka_unit_test(a_refusal_has_its_status),
		cmocka_unit_test(a_rollout_is_told_what_was_said),
		cmocka_unit_test(if_match_guards_a_change),
		cmocka_unit_test(a_broken_configuration_is_422_with_its_errors),
		cmocka_unit_test(changes_are_audited_and_reads_are_not),
		cmocka_unit_test(a_refused_role_is_audited),
		cmocka_unit_test(openapi_describes_every_route),
	};

	return cmocka_run_group_tests(tests, peer_set_up, peer_tear_down);
}
