/* SPDX-License-Identifier: ISC */

/* What the admin API is told: bodies, parameters, If-Match; and who tells. */

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/input.h"
#include "alloc.h"

static const struct api_value values[] = {
	{ "replicas", API_INTEGER, true, 0, 256, "how many" },
	{ "force", API_BOOLEAN, false, 0, 0, "whether" },
	{ "name", API_STRING, false, 0, 0, "which" },
	{ "since", API_SINCE, false, 0, 0, "when" },
	{ 0 },
};

static void
a_good_body_is_taken(void **state)
{
	struct fault fault = { 0 };
	json_t *body = NULL;

	(void)state;
	assert_int_equal(
	    input_body(values,
		SPAN("{\"replicas\": 3, \"force\": false, \"name\": \"x\"}"),
		&body, &fault),
	    0);
	assert_int_equal(
	    json_integer_value(json_object_get(body, "replicas")), 3);
	json_decref(body);
}

static void
no_bytes_are_an_empty_object(void **state)
{
	struct fault fault = { 0 };
	json_t *body = NULL;

	(void)state;
	assert_int_equal(input_body(NULL, SPAN(""), &body, &fault), 0);
	assert_true(json_is_object(body));
	json_decref(body);
	assert_int_equal(input_body(NULL, SPAN(" {} "), &body, &fault), 0);
	json_decref(body);
}

static void
a_bad_body_is_named(void **state)
{
	static const struct {
		const char *body;
		const char *field;
		const char *text;
	} cases[] = {
		{ "{", "", "the body is not JSON: line 1: " },
		{ "{\"replicas\":1}x", "", "the body is not JSON: line 1: " },
		{ "[1]", "", "the body must be a JSON object, not an array" },
		{ "7", "", "the body is not JSON" },
		{ "{\"replicas\":1,\"replicas\":2}", "",
		    "the body is not JSON: line 1: duplicate" },
		{ "{}", "replicas", "replicas is missing: how many" },
		{ "{\"replicas\":\"3\"}", "replicas",
		    "replicas must be of type integer, not a string" },
		{ "{\"replicas\":1.5}", "replicas",
		    "replicas must be of type integer, not a fraction" },
		{ "{\"replicas\":null}", "replicas",
		    "replicas must be of type integer, not null" },
		{ "{\"replicas\":-1}", "replicas",
		    "replicas must be a whole number from 0 to 256" },
		{ "{\"replicas\":257}", "replicas",
		    "replicas must be a whole number from 0 to 256" },
		{ "{\"replicas\":1,\"force\":1}", "force",
		    "force must be of type boolean, not a whole number" },
		{ "{\"replicas\":1,\"name\":[]}", "name",
		    "name must be of type string, not an array" },
		{ "{\"relpicas\":1}", "relpicas",
		    "relpicas is not known here; did you mean replicas?" },
		{ "{\"zzz\":1}", "zzz",
		    "zzz is not known here; there is replicas and others, "
		    "see /v1/openapi.json" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fault fault = { 0 };
		json_t *body = NULL;

		assert_int_equal(
		    input_body(values, span_of(cases[i].body), &body, &fault),
		    -EINVAL);
		assert_string_equal(fault.field, cases[i].field);
		assert_int_equal(strncmp(fault.err.text, cases[i].text,
				     strlen(cases[i].text)),
		    0);
		assert_null(body);
	}
}

static void
a_route_without_values_takes_none(void **state)
{
	struct fault fault = { 0 };
	json_t *body = NULL;

	(void)state;
	assert_int_equal(
	    input_body(NULL, SPAN("{\"a\":1}"), &body, &fault), -EINVAL);
	assert_string_equal(fault.field, "a");
	assert_int_equal(
	    input_param(NULL, SPAN("a"), SPAN("1"), &fault), -EINVAL);
	assert_string_equal(fault.field, "a");
}

static void
a_name_that_does_not_fit_is_cut(void **state)
{
	static char name[500];
	struct fault fault = { 0 };

	(void)state;
	memset(name, 'x', sizeof(name));
	assert_int_equal(
	    input_param(
		values, (struct span){ name, sizeof(name) }, SPAN(""), &fault),
	    -EINVAL);
	assert_int_equal(strlen(fault.field), sizeof(fault.field) - 1);
}

static void
parameters_are_of_their_type(void **state)
{
	static const struct {
		const char *name, *value;
		int r;
	} cases[] = {
		{ "replicas", "0", 0 },
		{ "replicas", "256", 0 },
		{ "replicas", "257", -EINVAL },
		{ "replicas", "", -EINVAL },
		{ "replicas", "-1", -EINVAL },
		{ "replicas", "1e1", -EINVAL },
		{ "force", "", 0 },
		{ "force", "true", 0 },
		{ "force", "0", 0 },
		{ "force", "yes", -EINVAL },
		{ "name", "x", 0 },
		{ "name", "", -EINVAL },
		{ "since", "10m", 0 },
		{ "since", "1700000000000", 0 },
		{ "since", "10 m", -EINVAL },
		{ "since", "", -EINVAL },
		{ "other", "1", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fault fault = { 0 };

		assert_int_equal(input_param(values, span_of(cases[i].name),
				     span_of(cases[i].value), &fault),
		    cases[i].r);
		assert_string_equal(
		    fault.field, cases[i].r < 0 ? cases[i].name : "");
	}
}

static void
since_is_ago_or_a_time(void **state)
{
	uint64_t ms;

	(void)state;
	assert_int_equal(input_since(SPAN("10s"), 60000, &ms), 0);
	assert_int_equal(ms, 50000);
	assert_int_equal(input_since(SPAN("10h"), 60000, &ms), 0);
	assert_int_equal(ms, 0);
	assert_int_equal(input_since(SPAN("12345"), 60000, &ms), 0);
	assert_int_equal(ms, 12345);
}

static void
if_match_lets_the_current_generation_through(void **state)
{
	static const struct {
		const char *value;
		int r;
		bool match;
	} cases[] = {
		{ "", 0, true },
		{ "*", 0, true },
		{ "\"7\"", 0, true },
		{ "\"8\"", 0, false },
		{ "\"6\", \"7\"", 0, true },
		{ "W/\"7\"", 0, false },
		{ "\"x\"", 0, false },
		{ "7", -EINVAL, false },
		{ "\"", -EINVAL, false },
		{ "\"7\",", 0, true },
		{ ",", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool match = false;

		assert_int_equal(
		    input_if_match(span_of(cases[i].value), 7, &match),
		    cases[i].r);
		if (cases[i].r == 0)
			assert_int_equal(match, cases[i].match);
	}
}

static void
each_failed_allocation_is_an_error(void **state)
{
	(void)state;
	ALLOC_FAIL_EACH({
		struct fault fault = { 0 };
		json_t *body = NULL;
		int r = input_body(
		    values, SPAN("{\"replicas\": 3}"), &body, &fault);

		assert_true(alloc_failed() ? r < 0 : r == 0);
		json_decref(body);
	});
}

/* --- roles ---------------------------------------------------------------- */

static void
roles_come_from_users_and_groups(void **state)
{
	struct group *group = getgrgid(1);
	char name[64], other[64], unknown[] = "no-such-group-here";
	struct role_rules rules = { .uid = 4000 };

	(void)state;
	assert_non_null(group);
	snprintf(name, sizeof(name), "%s", group->gr_name);
	group = getgrgid(2);
	assert_non_null(group);
	snprintf(other, sizeof(other), "%s", group->gr_name);

	assert_int_equal(role_of(&rules, 0, 0), ROLE_ADMIN);
	assert_int_equal(role_of(&rules, 4000, 4000), ROLE_ADMIN);
	assert_int_equal(role_of(&rules, 4001, 1), ROLE_NONE);
	rules.group_read = name;
	assert_int_equal(role_of(&rules, 4001, 1), ROLE_READ);
	assert_int_equal(role_of(&rules, 4001, 2), ROLE_NONE);
	rules.group_admin = other;
	assert_int_equal(role_of(&rules, 4001, 2), ROLE_ADMIN);
	assert_int_equal(role_of(&rules, 4001, 1), ROLE_READ);
	rules.group_read = other;
	assert_int_equal(role_of(&rules, 4001, 2), ROLE_ADMIN);
	rules.group_admin = rules.group_read = unknown;
	assert_int_equal(role_of(&rules, 4001, 2), ROLE_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_body_is_taken),
		cmocka_unit_test(no_bytes_are_an_empty_object),
		cmocka_unit_test(a_bad_body_is_named),
		cmocka_unit_test(a_route_without_values_takes_none),
		cmocka_unit_test(a_name_that_does_not_fit_is_cut),
		cmocka_unit_test(parameters_are_of_their_type),
		cmocka_unit_test(since_is_ago_or_a_time),
		cmocka_unit_test(if_match_lets_the_current_generation_through),
		cmocka_unit_test(each_failed_allocation_is_an_error),
		cmocka_unit_test(roles_come_from_users_and_groups),
	};

	alloc_hook_jansson();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
