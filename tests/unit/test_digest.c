/* SPDX-License-Identifier: ISC */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tls/digest.h"

static const char *
hex(const unsigned char sum[DIGEST_SIZE])
{
	static char text[2 * DIGEST_SIZE + 1];

	for (size_t i = 0; i < DIGEST_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", sum[i]);
	return text;
}

/* FIPS 180-4's examples. */
static void
sha256_is_what_the_standard_says(void **state)
{
	unsigned char sum[DIGEST_SIZE];

	(void)state;
	assert_int_equal(digest_sha256(SPAN("abc"), sum), 0);
	assert_string_equal(hex(sum),
	    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(digest_sha256(SPAN(""), sum), 0);
	assert_string_equal(hex(sum),
	    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, test cases 2 and 6; and no key at all. */
static void
hmac_is_what_the_standard_says(void **state)
{
	unsigned char sum[DIGEST_SIZE];
	char key[131];

	(void)state;
	assert_int_equal(digest_hmac_sha256(SPAN("Jefe"),
			     SPAN("what do ya want for nothing?"), sum),
	    0);
	assert_string_equal(hex(sum),
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	assert_int_equal(
	    digest_hmac_sha256((struct span){ key, sizeof(key) },
		SPAN("Test Using Larger Than Block-Size Key - Hash Key First"),
		sum),
	    0);
	assert_string_equal(hex(sum),
	    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	assert_int_equal(
	    digest_hmac_sha256((struct span){ NULL, 0 }, SPAN(""), sum), 0);
	assert_string_equal(hex(sum),
	    "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void
equal_is_equal_to_the_last_byte(void **state)
{
	(void)state;
	assert_true(digest_equal("same", "same", 4));
	assert_false(digest_equal("same", "sama", 4));
	assert_false(digest_equal("same", "tame", 4));
	assert_true(digest_equal("same", "sama", 3));
	assert_true(digest_equal("", "", 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_is_what_the_standard_says),
		cmocka_unit_test(hmac_is_what_the_standard_says),
		cmocka_unit_test(equal_is_equal_to_the_last_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
