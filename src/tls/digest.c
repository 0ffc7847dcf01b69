/* SPDX-License-Identifier: ISC */

#include "tls/digest.h"

#include <errno.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

int
digest_sha256(struct span data, unsigned char out[DIGEST_SIZE])
{
	unsigned char sum[DIGEST_SIZE];

	if (EVP_Digest(data.p, data.n, sum, NULL, EVP_sha256(), NULL) != 1)
		return -ENOMEM;
	memcpy(out, sum, sizeof(sum));
	return 0;
}

int
digest_hmac_sha256(
    struct span key, struct span data, unsigned char out[DIGEST_SIZE])
{
	static const char none[1]; /* NULL would mean the key of before */
	unsigned char sum[DIGEST_SIZE];

	if (key.n > INT_MAX ||
	    HMAC(EVP_sha256(), key.n > 0 ? key.p : none, (int)key.n,
		(const unsigned char *)data.p, data.n, sum, NULL) == NULL)
		return -ENOMEM;
	memcpy(out, sum, sizeof(sum));
	return 0;
}

bool
digest_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}
