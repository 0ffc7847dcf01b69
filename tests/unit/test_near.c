/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/array.h"
#include "base/near.h"

static const char *const known[] = {
	"command",
	"concurrency",
	"replicas",
	"restart",
	"reset",
	NULL,
	"route",
};

static const char *
near_key(const char *name)
{
	return near_name(name, known, ARRAY_LEN(known));
}

static void
a_known_name_is_its_own_nearest(void **state)
{
	(void)state;
	assert_string_equal(near_key("route"), "route");
	assert_string_equal(near_key("command"), "command");
}

static void
one_or_two_slips_are_forgiven(void **state)
{
	(void)state;
	assert_string_equal(near_key("comand"), "command");    /* left out */
	assert_string_equal(near_key("commmand"), "command");  /* inserted */
	assert_string_equal(near_key("conmand"), "command");   /* changed */
	assert_string_equal(near_key("replicsa"), "replicas"); /* swapped */
	assert_string_equal(near_key("reolicsa"), "replicas"); /* two of them */
	assert_string_equal(near_key("ruote"), "route");
}

static void
three_slips_are_another_word(void **state)
{
	(void)state;
	assert_null(near_key("xyzmand"));
	assert_null(near_key("rep"));
	assert_null(near_key(""));
}

static void
half_of_a_short_word_is_too_much(void **state)
{
	static const char *const two[] = { "ab" };

	(void)state;
	assert_null(near_name("xb", two, 1));
	assert_string_equal(near_name("xab", two, 1), "ab");
	assert_null(near_name("xyab", two, 1));
}

static void
the_nearer_of_two_wins(void **state)
{
	static const char *const two[] = { "restore", "restart" };

	(void)state;
	assert_string_equal(near_name("restar", two, 2), "restart");
	assert_string_equal(near_name("resstart", two, 2), "restart");
	assert_string_equal(near_name("restor", two, 2), "restore");
}

static void
a_name_of_any_length_is_safe(void **state)
{
	char name[NEAR_MAX + 2], other[NEAR_MAX + 2];
	const char *list[] = { other };

	(void)state;
	memset(name, 'a', sizeof(name));
	memset(other, 'a', sizeof(other));
	name[NEAR_MAX + 1] = '\0';
	other[NEAR_MAX] = '\0';
	assert_null(near_name(name, list, 1));
	name[NEAR_MAX] = '\0';
	assert_ptr_equal(near_name(name, list, 1), other);
	other[NEAR_MAX] = 'a';
	other[NEAR_MAX + 1] = '\0';
	assert_null(near_name(name, list, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_known_name_is_its_own_nearest),
		cmocka_unit_test(one_or_two_slips_are_forgiven),
		cmocka_unit_test(three_slips_are_another_word),
		cmocka_unit_test(half_of_a_short_word_is_too_much),
		cmocka_unit_test(the_nearer_of_two_wins),
		cmocka_unit_test(a_name_of_any_length_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
