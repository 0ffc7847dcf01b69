/* SPDX-License-Identifier: ISC */

/*
 * digest - SHA-256, HMAC-SHA-256, and a comparison that tells no time
 *
 * SHA-256 is FIPS 180-4, HMAC is RFC 2104. Nothing is kept between calls. A
 * secret is compared only by digest_equal(), whose time depends on the length
 * alone.
 */

#ifndef TLS_DIGEST_H
#define TLS_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define DIGEST_SIZE 32

/* -ENOMEM: the library had no memory for it; out is then not written. */
int digest_sha256(struct span data, unsigned char out[DIGEST_SIZE]) MUST_CHECK;
int digest_hmac_sha256(struct span key, struct span data,
    unsigned char out[DIGEST_SIZE]) MUST_CHECK;

bool digest_equal(const void *a, const void *b, size_t n);

#endif /* TLS_DIGEST_H */
