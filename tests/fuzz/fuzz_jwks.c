/* SPDX-License-Identifier: ISC */

/* Whatever the bytes, they are a set with a key in it, or refused with why. */

#include <stdint.h>
#include <stdlib.h>

#include "tls/jwk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct jwks *s;
	struct err err = { "" };
	struct span none = { NULL, 0 };
	const struct jwk *k;

	if (jwks_parse((struct span){ (const char *)data, n }, &s, &err) < 0) {
		if (s != NULL || err.text[0] == '\0')
			abort();
		return 0;
	}
	if (jwks_algorithms(s) == 0)
		abort();
	for (unsigned bit = JWK_HS256; bit <= JWK_ES256; bit <<= 1) {
		k = jwks_find(s, bit, none);
		if (k != NULL && jwk_verify(k, SPAN("text"), data, n) == 0)
			abort();
	}
	jwks_free(s);
	return 0;
}
