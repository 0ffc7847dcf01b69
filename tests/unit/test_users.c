/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "tls/users.h"

/* All of them of "open sesame". */
#define ANN                                                    \
	"$6$rounds=1000$salt$c/rx876elUtSjHtqzbR4t4bBD/c0LZyM" \
	"kaP8WcR76l0qH4uuR/u2OObFJW77Apnmy6G3yYLi4kU2yXpy3CXj60"
#define BOB                                                    \
	"$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ6" \
	"6HnQx/cy"
#define CAT                                                    \
	"$y$j75$saltsalt$4r23Ja.bWt2eh8ftPtYPeuGW9RLxoj8WxeDL" \
	"VNbfhH4"

static void
passwords_are_checked_in_every_format(void **state)
{
	static const char text[] = "# people\n\nann:" ANN "\nbob:" BOB
				   "\r\ncat:" CAT;
	static const char *const names[] = { "ann", "bob", "cat" };
	struct users *u;
	struct err err = { "" };
	bool known;

	(void)state;
	assert_int_equal(users_parse(span_of(text), &u, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *hash = users_hash(u, span_of(names[i]), &known);

		assert_true(known);
		assert_int_equal(users_check("open sesame", hash), 1);
		assert_int_equal(users_check("open sesam", hash), 0);
		assert_int_equal(users_check("", hash), 0);
	}
	users_free(u);
	users_free(NULL);
}

static void
an_unknown_name_costs_as_much_as_a_known_one(void **state)
{
	struct users *u;
	struct err err;
	bool known = true;

	(void)state;
	assert_int_equal(users_parse(SPAN("ann:" ANN), &u, &err), 0);
	assert_string_equal(users_hash(u, SPAN("eve"), &known), ANN);
	assert_false(known);
	users_free(u);
}

static void
lines_that_are_mistakes_are_refused_with_their_number(void **state)
{
	static const char *const bad[] = { "ann", ":" ANN, "ann:", "ann:x",
		"ann:$1$salt$qJH7.N4xYta3aEG/dfqo/0", "ann:$6$",
		"ann:$apr1$x$y", "ann:$2b$99$abcdefghijklmnopqrstuu",
		"a\tn:" ANN, "ann:" ANN "\nann:" ANN };
	struct users *u;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (users_parse(span_of(bad[i]), &u, &err) != -EINVAL)
			fail_msg("%s", bad[i]);
		assert_null(u);
		assert_non_null(strstr(err.text, "line "));
	}
	assert_int_equal(users_parse(SPAN("#\n"), &u, &err), -EINVAL);
	assert_int_equal(users_parse(SPAN(""), &u, &err), -EINVAL);
	assert_int_equal(users_parse(SPAN("a\0b"), &u, &err), -EINVAL);
}

static void
a_password_that_crypt_cannot_take_is_wrong(void **state)
{
	char large[USERS_PASSWORD_MAX + 2];

	(void)state;
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(users_check(large, ANN), 0);
	assert_int_equal(users_check("x", "not a hash"), 0);
}

static void
without_memory_nobody_is_let_in(void **state)
{
	(void)state;
	ALLOC_FAIL_EACH({
		struct users *u;
		struct err err;
		int r = users_parse(SPAN("ann:" ANN "\nbob:" BOB), &u, &err);

		assert_true(r == 0 ? u != NULL : r == -ENOMEM && u == NULL);
		users_free(u);
		r = users_check("open sesame", ANN);
		assert_true(r == 1 || (r == -ENOMEM && alloc_failed()));
	});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_are_checked_in_every_format),
		cmocka_unit_test(an_unknown_name_costs_as_much_as_a_known_one),
		cmocka_unit_test(
		    lines_that_are_mistakes_are_refused_with_their_number),
		cmocka_unit_test(a_password_that_crypt_cannot_take_is_wrong),
		cmocka_unit_test(without_memory_nobody_is_let_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
