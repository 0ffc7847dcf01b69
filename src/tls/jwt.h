/* SPDX-License-Identifier: ISC */

/*
 * jwt - whether a bearer's token is good (RFC 7519, RFC 7515, RFC 8725)
 *
 * A token is a signed one in compact form. It is good when
 *   - its header and its claims are JSON objects without a doubled member
 *   - "alg" is one that the policy allows; "none" is not to be had, nor is any
 *     other than HS256, RS256 and ES256
 *   - "crit" is not there (we know no extension), "typ" is absent, JWT or
 * at+jwt
 *   - one key fits its "alg" and "kid" and has signed it. What the header says
 *     about keys itself (jwk, jku, x5u, x5c) is never looked at
 *   - "exp" is there and not over; "nbf" and "iat", where they are, not ahead;
 *     all with the policy's leeway
 *   - "iss" and "aud" are what the policy says, where it does
 * and it is let in when it has the claims that the policy requires besides.
 * The signature is checked before anything in the claims is.
 */

#ifndef TLS_JWT_H
#define TLS_JWT_H

#include <stdint.h>

#include "base/str.h"
#include "tls/jwk.h"

#define JWT_TOKEN_MAX 8192
#define JWT_CLAIMS_MAX 8

enum jwt_verdict {
	JWT_GOOD,
	JWT_BAD_FORM,
	JWT_BAD_ALGORITHM, /* also crit and typ */
	JWT_NO_KEY,
	JWT_BAD_SIGNATURE,
	JWT_EXPIRED, /* or without an end */
	JWT_EARLY,   /* nbf or iat is ahead */
	JWT_BAD_ISSUER,
	JWT_BAD_AUDIENCE,
	JWT_LACKS_CLAIM, /* good, but not for this */
	JWT_NO_MEMORY
};

struct jwt_require {
	struct span claim;
	struct span value;
};

/* Everything in it is borrowed. */
struct jwt_policy {
	const struct jwks *keys;
	unsigned algorithms;  /* JWK_ bits */
	struct span issuer;   /* empty: any */
	struct span audience; /* empty: any */
	uint64_t leeway_s;
	/*
	 * A claim that is the value, or a list with it; of "scope", which is
	 * words with a space between (RFC 8693), one of the words.
	 */
	struct jwt_require require[JWT_CLAIMS_MAX];
	size_t nrequire;
	struct span claims[JWT_CLAIMS_MAX]; /* whose values are wanted */
	size_t nclaims;
};

struct jwt {
	uint64_t exp; /* with the leeway: good until then */
	/* Texts and numbers; empty for what is not there or is neither. */
	struct span values[JWT_CLAIMS_MAX];
	char text[JWT_TOKEN_MAX]; /* where they stand */
};

/* now_s: seconds since 1970. Only JWT_GOOD sets exp and values. */
enum jwt_verdict jwt_check(const struct jwt_policy *p, struct span token,
    uint64_t now_s, struct jwt *out) MUST_CHECK;

#endif /* TLS_JWT_H */
