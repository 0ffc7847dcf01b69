/* SPDX-License-Identifier: ISC */

/*
 * Bytes as a token, whose signature nobody can guess; and as the header and the
 * claims of one that is signed by us, cut at the first NUL, so that what stands
 * behind the signature is reached too.
 */

#include <stdlib.h>
#include <string.h>

#include "tls/digest.h"
#include "tls/jose.h"
#include "tls/jwt.h"

#define SECRET "a secret of thirty-two bytes, ok"
#define NOW 1000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t
encode(char *to, const uint8_t *in, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789-_";
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

static struct span
sign(char *token, const uint8_t *data, size_t n)
{
	const uint8_t *cut = memchr(data, 0, n);
	size_t head = cut != NULL ? (size_t)(cut - data) : n;
	unsigned char sum[DIGEST_SIZE];
	size_t len = encode(token, data, head);

	token[len++] = '.';
	if (head < n)
		len += encode(token + len, data + head + 1, n - head - 1);
	if (digest_hmac_sha256(SPAN(SECRET), (struct span){ token, len }, sum) <
	    0)
		abort();
	token[len++] = '.';
	len += encode(token + len, sum, sizeof(sum));
	return (struct span){ token, len };
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct jwks *keys;
	static struct jwt out;
	static char token[2 * JWT_TOKEN_MAX];
	struct jwt_policy p = {
		.algorithms = JWK_HS256 | JWK_RS256 | JWK_ES256,
		.audience = SPAN("a"),
		.nclaims = 1,
		.claims = { SPAN("sub") },
	};
	struct err err;

	if (keys == NULL && jwks_secret(SPAN(SECRET), &keys, &err) < 0)
		abort();
	p.keys = keys;
	if (jwt_check(&p, (struct span){ (const char *)data, n }, NOW, &out) ==
	    JWT_GOOD)
		abort();
	if (n > JWT_TOKEN_MAX)
		return 0;
	if (jwt_check(&p, sign(token, data, n), NOW, &out) != JWT_GOOD)
		return 0;
	if (out.exp <= NOW || out.values[0].n > sizeof(out.text))
		abort();
	return 0;
}
