/* SPDX-License-Identifier: ISC */

/* From a sandbox in the configuration to the order for the keeper. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "control_world.h"
#include "fake_herd.h"

static void
each_setting_of_a_sandbox_is_ordered(void **state)
{
	static const struct {
		const char *sandbox;
		bool no_new_privs, drop_capabilities, filter;
	} rows[] = {
		{ "", false, false, false },
		{ "sandbox: {no_new_privs: true}", true, false, false },
		{ "sandbox: {private_tmp: true}", true, false, false },
		{ "sandbox: {read_only: true}", true, false, false },
		{ "sandbox: {network: false}", true, false, false },
		{ "sandbox: {capabilities: false}", true, true, false },
		{ "sandbox: {user: root}", true, true, false },
		{ "sandbox: {seccomp: default}", true, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world *w = world_new(rows[i].sandbox, NULL);
		const struct fake_child *child;

		attach(w);
		child = fake_running("api.0");
		assert_non_null(child);
		assert_int_equal(child->no_new_privs, rows[i].no_new_privs);
		assert_int_equal(
		    child->drop_capabilities, rows[i].drop_capabilities);
		assert_int_equal(child->filter_len > 0, rows[i].filter);
		world_free(w);
	}
}

static bool
is_unenforced(struct world *w, const char *key)
{
	json_t *service = control_service(w->c, "api");
	const json_t *list = json_object_get(service, "unenforced");
	bool found = false;

	for (size_t i = 0; i < json_array_size(list); i++)
		found |= strcmp(json_string_value(json_array_get(list, i)),
			     key) == 0;
	json_decref(service);
	return found;
}

static void
a_keeper_that_knows_no_filters_is_a_start_error(void **state)
{
	struct world *w = world_new(
	    "sandbox: {seccomp: default}\n" RESTART_QUICK, NULL);
	json_t *service;

	(void)state;
	fake.too_old = true;
	attach(w);
	assert_int_equal(fake_count("api.0"), 0);
	service = control_service(w->c, "api");
	assert_non_null(strstr(
	    json_string_value(json_object_get(service, "reason")), "keeper"));
	json_decref(service);
	world_free(w);

	w = world_new("sandbox: {seccomp: default, optional: true}", NULL);
	fake.too_old = true;
	attach(w);
	assert_int_equal(fake_count("api.0"), 1);
	assert_int_equal(fake_running("api.0")->filter_len, 0);
	assert_true(is_unenforced(w, "sandbox.seccomp"));
	assert_false(is_unenforced(w, "sandbox.network"));
	fake.too_old = false;
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_setting_of_a_sandbox_is_ordered),
		cmocka_unit_test(
		    a_keeper_that_knows_no_filters_is_a_start_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
