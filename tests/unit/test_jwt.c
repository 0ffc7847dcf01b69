/* SPDX-License-Identifier: ISC */

/*
 * jwk and jwt: the examples of RFC 7515, and every way to be refused.
 * Tokens with other claims are signed here, with HS256.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/crypto.h>

#include "alloc.h"
#include "jwt_examples.h"
#include "tls/digest.h"
#include "tls/jwt.h"

#define ALL (JWK_HS256 | JWK_RS256 | JWK_ES256)
#define SECRET "a secret of thirty-two bytes, ok"
#define NOW 1000000

/* --- keys ----------------------------------------------------------------- */

static struct jwks *
keys_of(const char *list)
{
	static char text[16384];
	struct jwks *s;
	struct err err = { "" };

	snprintf(text, sizeof(text), "{\"keys\":[%s]}", list);
	if (jwks_parse(span_of(text), &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void
refused_keys(const char *text, const char *why)
{
	struct jwks *s;
	struct err err = { "" };

	assert_int_equal(jwks_parse(span_of(text), &s, &err), -EINVAL);
	assert_null(s);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s: %s", why, err.text);
}

static void
a_key_is_for_one_algorithm_and_kid(void **state)
{
	struct jwks *s = keys_of(EXAMPLE_RSA
	    "," EXAMPLE_EC ",{\"kty\":\"oct\","
	    "\"kid\":\"one\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-"
	    "EstJQLr8\"},{\"kty\":\"oct\",\"kid\":\"two\",\"alg\":\"HS256\""
	    ",\"k\":\"BBM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr8\"}");

	(void)state;
	assert_int_equal(jwks_algorithms(s), ALL);
	assert_non_null(jwks_find(s, JWK_HS256, SPAN("one")));
	assert_ptr_not_equal(jwks_find(s, JWK_HS256, SPAN("one")),
	    jwks_find(s, JWK_HS256, SPAN("two")));
	assert_null(jwks_find(s, JWK_HS256, SPAN("three")));
	assert_null(jwks_find(s, JWK_HS256, SPAN("")));
	/* Two to choose from, and no kid. */
	assert_null(jwks_find(s, JWK_HS256, (struct span){ NULL, 0 }));
	assert_non_null(jwks_find(s, JWK_RS256, (struct span){ NULL, 0 }));
	assert_non_null(jwks_find(s, JWK_ES256, SPAN("whatever")));
	jwks_free(s);
	jwks_free(NULL);
}

static void
other_keys_are_passed_over(void **state)
{
	struct jwks *s = keys_of(
	    EXAMPLE_EC ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"},"
		       "{\"kty\":\"EC\",\"crv\":\"P-384\"},"
		       "{\"kty\":\"RSA\",\"alg\":\"PS256\"},"
		       "{\"kty\":\"RSA\",\"alg\":\"HS256\"},"
		       "{\"kty\":\"RSA\",\"use\":\"enc\"},"
		       "{\"kty\":\"oct\",\"key_ops\":[\"sign\"]},{}");

	(void)state;
	assert_int_equal(jwks_algorithms(s), JWK_ES256);
	jwks_free(s);
}

static void
keys_that_are_mistakes_are_refused(void **state)
{
	(void)state;
	refused_keys("", "no JSON");
	refused_keys("[]", "keys");
	refused_keys("{\"keys\":{}}", "keys");
	refused_keys("{\"keys\":[]}", "no key");
	refused_keys("{\"keys\":[{\"kty\":\"OKP\"}]}", "no key");
	refused_keys("{\"keys\":[1]}", "keys[0]: no object");
	refused_keys("{\"keys\":[],\"keys\":[]}", "twice");
	refused_keys("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "32");
	refused_keys("{\"keys\":[{\"kty\":\"oct\",\"k\":\"A\"}]}", "secret");
	refused_keys("{\"keys\":[{\"kty\":\"oct\",\"kid\":1}]}", "kid");
	refused_keys("{\"keys\":[" EXAMPLE_EC "," EXAMPLE_EC "]}", "keys[1]");
	refused_keys("{\"keys\":[{\"kty\":\"RSA\",\"d\":\"AQ\"}]}", "private");
	refused_keys("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQ\"}]}", "n or e");
	refused_keys("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"_w\",\"e\":\"AQAB\"}"
		     "]}",
	    "8 bits");
	refused_keys("{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" EXAMPLE_N
		     "\",\"e\":\"AQ\"}]}",
	    "exponent");
	refused_keys("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA"
		     "\",\"y\":\"AA\"}]}",
	    "32 bytes");
	refused_keys("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
		     "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		     "\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}"
		     "]}",
	    "curve");
}

static void
a_secret_is_neither_short_nor_long(void **state)
{
	static const char zeros[JWK_SECRET_MAX + 1];
	struct jwks *s;
	struct err err;

	(void)state;
	assert_int_equal(
	    jwks_secret((struct span){ zeros, 31 }, &s, &err), -EINVAL);
	assert_int_equal(
	    jwks_secret((struct span){ zeros, sizeof(zeros) }, &s, &err),
	    -EINVAL);
	assert_int_equal(jwks_secret((struct span){ zeros, 32 }, &s, &err), 0);
	assert_non_null(jwks_find(s, JWK_HS256, SPAN("any")));
	jwks_free(s);
}

/* --- tokens --------------------------------------------------------------- */

static struct jwt out;

static enum jwt_verdict
check_example(const char *keys, const char *token, unsigned algorithms)
{
	struct jwks *s = keys_of(keys);
	struct jwt_policy p = { .keys = s, .algorithms = algorithms };
	enum jwt_verdict v = jwt_check(
	    &p, span_of(token), EXAMPLE_EXP - 1, &out);

	jwks_free(s);
	return v;
}

static void
the_examples_of_the_standard_are_good(void **state)
{
	(void)state;
	assert_int_equal(
	    check_example(EXAMPLE_OCT, EXAMPLE_HS256, ALL), JWT_GOOD);
	assert_int_equal(out.exp, EXAMPLE_EXP);
	assert_int_equal(
	    check_example(EXAMPLE_RSA, EXAMPLE_RS256, ALL), JWT_GOOD);
	assert_int_equal(
	    check_example(EXAMPLE_EC, EXAMPLE_ES256, ALL), JWT_GOOD);
}

/* One bit anywhere: in the header, the claims or the signature. */
static void
every_changed_character_spoils_a_token(void **state)
{
	static const char *const tokens[] = { EXAMPLE_HS256, EXAMPLE_RS256,
		EXAMPLE_ES256 };
	char text[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
		for (size_t k = 0; k < strlen(tokens[i]); k += 7) {
			memcpy(text, tokens[i], strlen(tokens[i]) + 1);
			text[k] = text[k] == 'Q' ? 'R' : 'Q';
			assert_int_not_equal(check_example(EXAMPLE_OCT
						 "," EXAMPLE_RSA "," EXAMPLE_EC,
						 text, ALL),
			    JWT_GOOD);
		}
}

static void
an_algorithm_that_is_not_allowed_is_refused(void **state)
{
	(void)state;
	assert_int_equal(
	    check_example(EXAMPLE_OCT, EXAMPLE_HS256, JWK_RS256 | JWK_ES256),
	    JWT_BAD_ALGORITHM);
	/* And no key is used for another than its own. */
	assert_int_equal(
	    check_example(EXAMPLE_RSA, EXAMPLE_HS256, ALL), JWT_NO_KEY);
	assert_int_equal(
	    check_example(EXAMPLE_OCT, EXAMPLE_RS256, ALL), JWT_NO_KEY);
}

static size_t
encode(char *to, const void *data, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789-_";
	const unsigned char *in = data;
	unsigned bits = 0, have = 0;
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		bits = (bits << 8 | in[i]) & 0xffff;
		for (have += 8; have >= 6; have -= 6)
			to[len++] = digits[bits >> (have - 6) & 63];
	}
	if (have > 0)
		to[len++] = digits[bits << (6 - have) & 63];
	return len;
}

static const char *
sign(const char *header, const char *claims)
{
	static char token[JWT_TOKEN_MAX + 64];
	unsigned char sum[DIGEST_SIZE];
	size_t n = encode(token, header, strlen(header));

	token[n++] = '.';
	n += encode(token + n, claims, strlen(claims));
	assert_int_equal(
	    digest_hmac_sha256(SPAN(SECRET), (struct span){ token, n }, sum),
	    0);
	token[n++] = '.';
	n += encode(token + n, sum, sizeof(sum));
	token[n] = '\0';
	return token;
}

#define HEADER "{\"alg\":\"HS256\"}"

static struct jwt_policy policy;

static enum jwt_verdict
check(const char *token)
{
	struct jwks *s;
	struct err err;
	enum jwt_verdict v;

	assert_int_equal(jwks_secret(SPAN(SECRET), &s, &err), 0);
	policy.keys = s;
	policy.algorithms = ALL;
	v = jwt_check(&policy, span_of(token), NOW, &out);
	jwks_free(s);
	return v;
}

static int
forget_policy(void **state)
{
	(void)state;
	memset(&policy, 0, sizeof(policy));
	return 0;
}

static void
headers_are_taken_at_their_word_or_refused(void **state)
{
	static const struct {
		const char *header;
		enum jwt_verdict verdict;
	} rows[] = {
		{ HEADER, JWT_GOOD },
		{ "{\"alg\":\"HS256\",\"typ\":\"jwt\"}", JWT_GOOD },
		{ "{\"alg\":\"HS256\",\"typ\":\"application/at+jwt\"}",
		    JWT_GOOD },
		{ "{\"alg\":\"HS256\",\"kid\":\"k\",\"jku\":\"http://evil\","
		  "\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}",
		    JWT_GOOD },
		{ "{\"alg\":\"none\"}", JWT_BAD_ALGORITHM },
		{ "{\"alg\":\"None\"}", JWT_BAD_ALGORITHM },
		{ "{\"alg\":\"hs256\"}", JWT_BAD_ALGORITHM },
		{ "{\"alg\":\"HS384\"}", JWT_BAD_ALGORITHM },
		{ "{\"alg\":1}", JWT_BAD_ALGORITHM },
		{ "{}", JWT_BAD_ALGORITHM },
		{ "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", JWT_BAD_ALGORITHM },
		{ "{\"alg\":\"HS256\",\"typ\":\"secevent+jwt\"}",
		    JWT_BAD_ALGORITHM },
		{ "{\"alg\":\"HS256\",\"typ\":1}", JWT_BAD_ALGORITHM },
		{ "{\"alg\":\"HS256\",\"kid\":1}", JWT_BAD_FORM },
		{ "{\"alg\":\"HS256\",\"alg\":\"HS256\"}", JWT_BAD_FORM },
		{ "[]", JWT_BAD_FORM },
		{ "x", JWT_BAD_FORM },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (check(sign(rows[i].header, "{\"exp\":1000001}")) !=
		    rows[i].verdict)
			fail_msg("%s", rows[i].header);
}

static void
times_are_kept_with_their_leeway(void **state)
{
	static const struct {
		const char *claims;
		enum jwt_verdict strict, lenient;
	} rows[] = {
		{ "{\"exp\":1000001}", JWT_GOOD, JWT_GOOD },
		{ "{\"exp\":1000000}", JWT_EXPIRED, JWT_GOOD },
		{ "{\"exp\":999971}", JWT_EXPIRED, JWT_GOOD },
		{ "{\"exp\":999970}", JWT_EXPIRED, JWT_EXPIRED },
		{ "{\"exp\":1000001,\"nbf\":1000000,\"iat\":1000000}", JWT_GOOD,
		    JWT_GOOD },
		{ "{\"exp\":1000001,\"nbf\":1000001}", JWT_EARLY, JWT_GOOD },
		{ "{\"exp\":1000099,\"nbf\":1000031}", JWT_EARLY, JWT_EARLY },
		{ "{\"exp\":1000099,\"iat\":1000031}", JWT_EARLY, JWT_EARLY },
		{ "{\"exp\":1000001,\"iat\":1000030}", JWT_EARLY, JWT_GOOD },
		{ "{}", JWT_EXPIRED, JWT_EXPIRED },
		{ "{\"exp\":\"1000001\"}", JWT_BAD_FORM, JWT_BAD_FORM },
		{ "{\"exp\":1000001,\"nbf\":null}", JWT_BAD_FORM,
		    JWT_BAD_FORM },
		{ "{\"exp\":1000001,\"exp\":1000001}", JWT_BAD_FORM,
		    JWT_BAD_FORM },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *token = sign(HEADER, rows[i].claims);

		policy.leeway_s = 0;
		if (check(token) != rows[i].strict)
			fail_msg("strict: %s", rows[i].claims);
		policy.leeway_s = 30;
		if (check(token) != rows[i].lenient)
			fail_msg("lenient: %s", rows[i].claims);
	}
}

static void
issuer_and_audience_are_the_policys(void **state)
{
	(void)state;
	policy.issuer = SPAN("me");
	assert_int_equal(
	    check(sign(HEADER, "{\"exp\":1000001,\"iss\":\"me\"}")), JWT_GOOD);
	assert_int_equal(
	    check(sign(HEADER, "{\"exp\":1000001,\"iss\":\"men\"}")),
	    JWT_BAD_ISSUER);
	assert_int_equal(
	    check(sign(HEADER, "{\"exp\":1000001}")), JWT_BAD_ISSUER);
	policy.issuer = SPAN("");
	policy.audience = SPAN("shop");
	assert_int_equal(
	    check(sign(HEADER, "{\"exp\":1000001,\"aud\":\"shop\"}")),
	    JWT_GOOD);
	assert_int_equal(
	    check(sign(HEADER, "{\"exp\":1000001,\"aud\":[\"a\",\"shop\"]}")),
	    JWT_GOOD);
	assert_int_equal(
	    check(sign(HEADER, "{\"exp\":1000001,\"aud\":[\"a\",1]}")),
	    JWT_BAD_AUDIENCE);
	assert_int_equal(
	    check(sign(HEADER, "{\"exp\":1000001}")), JWT_BAD_AUDIENCE);
}

static void
claims_are_required_and_handed_out(void **state)
{
	(void)state;
	policy.require[0] = (struct jwt_require){ SPAN("scope"),
		SPAN("write") };
	policy.require[1] = (struct jwt_require){ SPAN("groups"),
		SPAN("staff") };
	policy.nrequire = 2;
	policy.claims[0] = SPAN("sub");
	policy.claims[1] = SPAN("age");
	policy.claims[2] = SPAN("groups");
	policy.nclaims = 3;
	assert_int_equal(
	    check(sign(HEADER,
		"{\"exp\":1000001,\"sub\":\"ann\",\"age\":7,\"scope\":"
		"\"read write\",\"groups\":[\"staff\"]}")),
	    JWT_GOOD);
	assert_true(span_eq(out.values[0], SPAN("ann")));
	assert_true(span_eq(out.values[1], SPAN("7")));
	assert_int_equal(out.values[2].n, 0);
	assert_int_equal(check(sign(HEADER,
			     "{\"exp\":1000001,\"scope\":\"read writer\","
			     "\"groups\":\"staff\"}")),
	    JWT_LACKS_CLAIM);
	assert_int_equal(check(sign(HEADER,
			     "{\"exp\":1000001,\"scope\":\"write\","
			     "\"groups\":\"staff all\"}")),
	    JWT_LACKS_CLAIM);
}

static void
what_is_no_token_is_refused(void **state)
{
	static char large[JWT_TOKEN_MAX + 2];
	static const char *const bad[] = { "", ".", "..", "a", "a.b", "a..b",
		".a.b", "a.b.", "a.b.c.d", "e30.e30.e30", "....." };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_not_equal(check(bad[i]), JWT_GOOD);
	memset(large, 'A', sizeof(large) - 1);
	large[10] = large[20] = '.';
	assert_int_equal(check(large), JWT_BAD_FORM);
}

static void
without_memory_nothing_is_good(void **state)
{
	static const char text[] = "{\"keys\":[" EXAMPLE_OCT "," EXAMPLE_RSA
				   "," EXAMPLE_EC "]}";
	struct jwks *keys = keys_of(EXAMPLE_EC);
	struct jwt_policy p = { .keys = keys, .algorithms = ALL };

	(void)state;
	ALLOC_FAIL_EACH({
		struct jwks *s;
		struct err err = { "" };
		int r = jwks_parse(span_of(text), &s, &err);

		/* OpenSSL goes on without some of it, or does not say why. */
		assert_true(r == 0 || alloc_failed());
		assert_true((r == 0) == (s != NULL));
		jwks_free(s);
		r = jwks_secret(SPAN(SECRET), &s, &err);
		assert_true(r == 0 || alloc_failed());
		jwks_free(s);
	});
	the_examples_of_the_standard_are_good(state);
	ALLOC_FAIL_EACH({
		enum jwt_verdict v = jwt_check(
		    &p, SPAN(EXAMPLE_ES256), EXAMPLE_EXP - 1, &out);

		assert_true(v == JWT_GOOD || alloc_failed());
	});
	jwks_free(keys);
}

/* OpenSSL's own, once it has what it keeps for ever. */
static void *
lend(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(n);
}

static void *
lend_again(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return realloc(p, n);
}

static void
take_back(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_for_one_algorithm_and_kid),
		cmocka_unit_test(other_keys_are_passed_over),
		cmocka_unit_test(keys_that_are_mistakes_are_refused),
		cmocka_unit_test(a_secret_is_neither_short_nor_long),
		cmocka_unit_test(the_examples_of_the_standard_are_good),
		cmocka_unit_test(every_changed_character_spoils_a_token),
		cmocka_unit_test(an_algorithm_that_is_not_allowed_is_refused),
		cmocka_unit_test_setup(
		    headers_are_taken_at_their_word_or_refused, forget_policy),
		cmocka_unit_test_setup(
		    times_are_kept_with_their_leeway, forget_policy),
		cmocka_unit_test_setup(
		    issuer_and_audience_are_the_policys, forget_policy),
		cmocka_unit_test_setup(
		    claims_are_required_and_handed_out, forget_policy),
		cmocka_unit_test_setup(
		    what_is_no_token_is_refused, forget_policy),
		cmocka_unit_test(without_memory_nothing_is_good),
	};

	if (CRYPTO_set_mem_functions(lend, lend_again, take_back) != 1)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
