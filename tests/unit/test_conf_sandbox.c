/* SPDX-License-Identifier: ISC */

/* What the configuration says of a sandbox. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/array.h"
#include "conf/box.h"
#include "conf/schema.h"
#include "conf_folder.h"

static const struct {
	const char *yaml, *want;
} faults[] = {
	/* clang-format off */
	{ "sandbox: {secomp: default}\n",
	    "s.yaml:3: sandbox.secomp: found an unknown key (seccomp?); "
	    "allowed user, private_tmp, read_only, network, no_new_privs, capabilities, "
	    "seccomp, seccomp_allow, optional\n" },
	{ "sandbox: {seccomp: default, seccomp_allow: [clock, mount]}\n",
	    "s.yaml:3: sandbox.seccomp_allow: found \"mount\"; allowed a list "
	    "of different ones of filesystem, namespaces, kernel, clock, "
	    "debug, keyring, io_uring, sockets, obsolete, newer\n" },
	{ "sandbox: {seccomp: default, seccomp_allow: [clock, clock]}\n",
	    "s.yaml:3: sandbox.seccomp_allow: found \"clock\"; allowed a list "
	    "of different ones of filesystem, namespaces, kernel, clock, "
	    "debug, keyring, io_uring, sockets, obsolete, newer\n" },
	{ "sandbox: {seccomp_allow: [clock]}\n",
	    "s.yaml:3: sandbox.seccomp_allow: found groups without a profile; "
	    "allowed with seccomp: default\n" },
	/* clang-format on */
};

static void
faults_are_named(void **state)
{
	struct folder *f = *state;
	char yaml[256];

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		snprintf(yaml, sizeof(yaml), "service: s\ncommand: [s]\n%s",
		    faults[i].yaml);
		folder_put(f, "s", yaml);
		folder_refuse(f, faults[i].want);
	}
}

static const struct conf *
with(struct folder *f, const char *sandbox)
{
	char yaml[512];

	snprintf(yaml, sizeof(yaml),
	    "service: s\ncommand: [s]\nsandbox: {%s}\n", sandbox);
	folder_put(f, "s", yaml);
	return folder_accept(f);
}

static void
each_key_asks_for_new_processes(void **state)
{
	static const char *const keys[] = { "no_new_privs: true",
		"capabilities: false", "seccomp: default",
		"seccomp: default, seccomp_allow: [clock]", "private_tmp: true",
		"read_only: true", "network: false", "optional: true" };
	const struct conf *before = with(*state, ""), *other = NULL;
	uint64_t seen[ARRAY_LEN(keys) + 1];

	seen[0] = conf_service(before, "s")->hash_spawn;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		other = with(*state, keys[i]);
		seen[i + 1] = conf_service(other, "s")->hash_spawn;
		for (size_t j = 0; j <= i; j++)
			assert_true(seen[j] != seen[i + 1]);
		conf_unref(other);
	}
	conf_unref(before);
}

/* Or the next program, which knows one key more, would replace them all. */
static void
what_stands_at_its_default_says_nothing(void **state)
{
	static const struct {
		const char *key, *json;
		bool preset;
	} rows[] = {
		{ "sandbox.seccomp", "\"none\"", true },
		{ "sandbox.seccomp", "\"default\"", false },
		{ "sandbox.network", "true", true },
		{ "sandbox.network", "false", false },
		{ "sandbox.seccomp_allow", "[]", true },
		{ "sandbox.seccomp_allow", "[\"clock\"]", false },
		{ "sandbox.user", "\"none\"", false },
		{ "resources.files", "0", true },
		{ "resources.files", "64", false },
		{ "resources.memory", "\"0B\"", true },
		{ "resources.memory", "\"1GiB\"", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct schema *row =
		    &schema_service[schema_find(schema_service, rows[i].key)];
		json_t *value = json_loads(rows[i].json, JSON_DECODE_ANY, NULL);

		assert_non_null(value);
		assert_int_equal(
		    conf_json_is_preset(row, value), rows[i].preset);
		assert_true(conf_json_is_preset(row, NULL));
		json_decref(value);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		F(faults_are_named),
		F(each_key_asks_for_new_processes),
		F(what_stands_at_its_default_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
