/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "lib/option.h"

static uint64_t workers, wait_ms, bytes;

static const struct svc_option lib[] = {
	{ "workers", SVC_COUNT, 1, 8, &workers, "threads" },
	{ "wait", SVC_DURATION, 100, 60000, &wait_ms, "how long" },
	{ NULL, SVC_COUNT, 0, 0, NULL, NULL },
};
static const struct svc_option own[] = {
	{ "bytes", SVC_SIZE, 0, 1 << 30, &bytes, "how much" },
	{ NULL, SVC_COUNT, 0, 0, NULL, NULL },
};

static enum svc_option_act act;
static struct err err;

static int
parse(char *a, char *b)
{
	char name[] = "drover-x";
	char *argv[] = { name, a, b, NULL };

	workers = 2;
	wait_ms = 10000;
	bytes = 1 << 20;
	err.text[0] = '\0';
	return svc_options_parse(lib, own,
	    a == NULL	    ? 1
		: b == NULL ? 2
			    : 3,
	    argv, &act, &err);
}

#define PARSE(a, b) parse((char[]){ a }, (char[]){ b })
#define PARSE1(a) parse((char[]){ a }, NULL)

static void
a_value_follows_or_stands_behind_an_equals_sign(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--workers", "8"), 0);
	assert_int_equal(workers, 8);
	assert_int_equal(PARSE1("--wait=250ms"), 0);
	assert_int_equal(wait_ms, 250);
	assert_int_equal(PARSE1("--bytes=64MiB"), 0);
	assert_int_equal(bytes, 64 << 20);
	assert_int_equal(act, SVC_OPTION_RUN);
}

static void
what_cannot_be_is_said_with_what_can(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--workers", "9"), -EINVAL);
	assert_string_equal(err.text, "--workers takes 1 to 8, not \"9\"");
	assert_int_equal(workers, 2);
	assert_int_equal(PARSE1("--wait=5"), -EINVAL);
	assert_string_equal(err.text, "--wait takes 100ms to 60s, not \"5\"");
	assert_int_equal(PARSE1("--bytes=2GiB"), -EINVAL);
	assert_string_equal(err.text, "--bytes takes 0B to 1GiB, not \"2GiB\"");
}

static void
an_unknown_option_and_a_missing_value_are_errors(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--wokers", "1"), -EINVAL);
	assert_non_null(strstr(err.text, "--wokers"));
	assert_int_equal(PARSE1("--workers"), -EINVAL);
	assert_string_equal(err.text, "--workers needs a value");
	assert_int_equal(PARSE1("workers=1"), -EINVAL);
	assert_int_equal(PARSE1("--"), -EINVAL);
}

static void
help_and_version_end_the_line(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--help", "--nonsense"), 0);
	assert_int_equal(act, SVC_OPTION_HELP);
	assert_int_equal(PARSE1("--version"), 0);
	assert_int_equal(act, SVC_OPTION_VERSION);
	assert_int_equal(parse(NULL, NULL), 0);
	assert_int_equal(act, SVC_OPTION_RUN);
}

static void
help_shows_the_table_or_fails_whole(void **state)
{
	struct buf out;

	(void)state;
	(void)PARSE1("--version");
	ALLOC_FAIL_EACH({
		int r;

		buf_init(&out, 4096);
		r = svc_options_help(&out, lib);
		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		if (r == 0) {
			assert_non_null(strstr(out.data, "--workers"));
			assert_non_null(
			    strstr(out.data, "100ms to 60s; default 10s"));
		}
		buf_done(&out);
	});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_value_follows_or_stands_behind_an_equals_sign),
		cmocka_unit_test(what_cannot_be_is_said_with_what_can),
		cmocka_unit_test(
		    an_unknown_option_and_a_missing_value_are_errors),
		cmocka_unit_test(help_and_version_end_the_line),
		cmocka_unit_test(help_shows_the_table_or_fails_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
