/* SPDX-License-Identifier: ISC */

/* A number of copies, or bounds for one that follows the load. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "conf_folder.h"

static const struct {
	const char *yaml, *want;
} faults[] = {
	{ "replicas: two\n",
	    "s.yaml:3: replicas: found \"two\"; allowed an integer "
	    "from 0 to 256, or {min: 0, max: 8} with max from 1 to that\n" },
	{ "replicas: {min: 0}\n",
	    "s.yaml:3: replicas: found a mapping; allowed an integer "
	    "from 0 to 256, or {min: 0, max: 8} with max from 1 to that\n" },
	{ "replicas: {min: 0, max: 8, most: 9}\n",
	    "s.yaml:3: replicas: found a mapping; allowed an integer "
	    "from 0 to 256, or {min: 0, max: 8} with max from 1 to that\n" },
	{ "replicas: {max: 8, least: 0}\n",
	    "s.yaml:3: replicas: found a mapping; allowed an integer "
	    "from 0 to 256, or {min: 0, max: 8} with max from 1 to that\n" },
	{ "replicas: [0, 8]\n",
	    "s.yaml:3: replicas: found a list; allowed an integer from "
	    "0 to 256, or {min: 0, max: 8} with max from 1 to that\n" },
	{ "replicas:\n  min: 5\n  max: 2\n",
	    "s.yaml:5: replicas.max: found 2; allowed an integer from "
	    "5 to 256\n" },
	{ "replicas:\n  min: few\n  max: 2\n",
	    "s.yaml:4: replicas.min: found \"few\"; allowed an integer "
	    "from 0 to 256\n" },
	{ "replicas: {min: 0, max: 0}\n",
	    "s.yaml:3: replicas.max: found 0; allowed an integer from "
	    "1 to 256\n" },
	{ "replicas: {min: 0, max: 257}\n",
	    "s.yaml:3: replicas.max: found 257; allowed an integer "
	    "from 1 to 256\n" },
	{ "replicas: {min: -1, max: 7}\n",
	    "s.yaml:3: replicas.min: found -1; allowed an integer from "
	    "0 to 256\n" },
	{ "replicas: {min: 0, max: 8}\nlimits: {queue: 0}\n",
	    "s.yaml:4: limits.queue: found 0 with replicas: {min: 0}, where "
	    "the first request has to wait; allowed at least 1\n" },
	{ "autoscale: {window: 5s, panic_window: 6s}\n",
	    "s.yaml:3: autoscale.panic_window: found more than "
	    "autoscale.window; allowed at most that\n" },
	{ "autoscale: {target: 0}\n",
	    "s.yaml:3: autoscale.target: found 0; allowed an integer "
	    "from 1 to 100000\n" },
	{ "autoscale: {surge: 0}\n",
	    "s.yaml:3: autoscale.surge: found 0; allowed an integer "
	    "from 1 to 256\n" },
	{ "replicas: -1\n",
	    "s.yaml:3: replicas: found -1; allowed an integer from 0 "
	    "to 256, or {min: 0, max: 8} with max from 1 to that\n" },
	{ "replicas: 257\n",
	    "s.yaml:3: replicas: found 257; allowed an integer from 0 "
	    "to 256, or {min: 0, max: 8} with max from 1 to that\n" },
	{ "replicas: 99999999999999999999\n",
	    "s.yaml:3: replicas: found 99999999999999999999; allowed "
	    "an integer from 0 to 256, or {min: 0, max: 8} with max "
	    "from 1 to that\n" },
	{ "replicas:\n",
	    "s.yaml:3: replicas: found nothing; allowed an integer "
	    "from 0 to 256, or {min: 0, max: 8} with max from 1 to that\n" },
};

static void
put(struct folder *f, const char *more)
{
	char yaml[1024];

	snprintf(yaml, sizeof(yaml), "service: s\ncommand: [s]\n%s", more);
	folder_put(f, "s", yaml);
}

static void
each_fault_names_line_and_key(void **state)
{
	struct folder *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		put(f, faults[i].yaml);
		folder_refuse(f, faults[i].want);
	}
}

static void
assert_bounds(const struct conf *c, unsigned min, unsigned max)
{
	assert_non_null(c);
	assert_int_equal(c->services[0].replicas_min, min);
	assert_int_equal(c->services[0].replicas_max, max);
	conf_unref(c);
}

static void
a_number_and_a_mapping_are_bounds(void **state)
{
	struct folder *f = *state;

	put(f, "");
	assert_bounds(folder_accept(f), 1, 1);
	put(f, "replicas: 0\n");
	assert_bounds(folder_accept(f), 0, 0);
	put(f, "replicas: {min: 0, max: 8}\n");
	assert_bounds(folder_accept(f), 0, 8);
	put(f, "replicas: {min: 1, max: 8}\nlimits: {queue: 0}\n");
	assert_bounds(folder_accept(f), 1, 8);
	put(f, "replicas: {max: 256, min: 256}\n");
	assert_bounds(folder_accept(f), 256, 256);
}

static void
what_is_not_said_is_derived_or_the_default(void **state)
{
	struct folder *f = *state;
	const struct conf_autoscale *a;
	const struct conf *c;

	put(f, "replicas: {min: 0, max: 8}\n");
	c = folder_accept(f);
	a = &c->services[0].autoscale;
	assert_int_equal(a->target, 0);
	assert_int_equal(a->window_ms, 60000);
	assert_int_equal(a->panic_window_ms, 0);
	assert_int_equal(a->grace_ms, 30000);
	assert_int_equal(a->queue_wait_ms, 500);
	assert_int_equal(a->surge, 4);
	assert_int_equal(a->wake_timeout_ms, 30000);
	conf_unref(c);
}

/* As it comes back from applied.json. */
static void
it_is_the_same_after_json(void **state)
{
	static const char *const forms[] = { "replicas: 3\n",
		"replicas: {min: 0, max: 8}\n"
		"autoscale: {target: 7, window: 5s, panic_window: 1s, "
		"grace: 0s, queue_wait: 1s, surge: 2, wake_timeout: 3s}\n" };
	struct folder *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		const struct conf *c, *back;
		struct buf errors;
		json_t *o;

		put(f, forms[i]);
		c = folder_accept(f);
		o = conf_json(c);
		buf_init(&errors, 1024);
		back = conf_from_json(o, &errors);
		assert_string_equal(buf_str(&errors), "");
		assert_non_null(back);
		assert_int_equal(
		    back->services[0].hash_all, c->services[0].hash_all);
		assert_int_equal(back->services[0].autoscale.surge,
		    c->services[0].autoscale.surge);
		buf_done(&errors);
		json_decref(o);
		conf_unref(back);
		conf_unref(c);
	}
}

static void
another_bound_costs_no_process(void **state)
{
	struct folder *f = *state;
	const struct conf *a, *b;
	struct conf_change *changes;
	size_t n;

	put(f, "replicas: 2\n");
	a = folder_accept(f);
	put(f, "replicas: {min: 0, max: 8}\nautoscale: {target: 2}\n");
	b = folder_accept(f);
	assert_int_equal(conf_diff(a, b, &changes, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(changes[0].kind, CONF_CHANGED);
	assert_string_equal(changes[0].key, "replicas");
	assert_string_equal(changes[0].from, "2");
	assert_string_equal(changes[0].to, "{\"min\":0,\"max\":8}");
	assert_int_equal(a->services[0].hash_spawn, b->services[0].hash_spawn);
	free(changes);
	conf_unref(a);
	conf_unref(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		F(each_fault_names_line_and_key),
		F(a_number_and_a_mapping_are_bounds),
		F(what_is_not_said_is_derived_or_the_default),
		F(it_is_the_same_after_json),
		F(another_bound_costs_no_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
