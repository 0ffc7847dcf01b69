/* SPDX-License-Identifier: ISC */

/*
 * jwk - keys that signatures of tokens are checked with
 *
 * A set is read from the text of a JWK Set (RFC 7517) or is one secret. A key
 * is good for one algorithm, which is its own (RFC 8725, section 3.1): what its
 * "alg" says, else what its kind allows.
 *
 *	oct  HS256, 32 bytes at least (RFC 7518, section 3.2)
 *	RSA  RS256, 2048 to 8192 bits (section 3.3)
 *	EC   ES256, on P-256 alone, and on the curve (section 3.4)
 *
 * A key of another kind, curve, algorithm or use is passed over, as section 5
 * of RFC 7517 wants it. One that is broken, has a private part, or stands twice
 * under one kid and algorithm spoils the set: it is a mistake that somebody
 * should hear of. Immutable once it is there.
 */

#ifndef TLS_JWK_H
#define TLS_JWK_H

#include "base/err.h"
#include "base/str.h"

#define JWK_SET_MAX (64U * 1024) /* bytes of a set */
#define JWK_KEYS_MAX 64
#define JWK_KID_MAX 255
#define JWK_SECRET_MIN 32
#define JWK_SECRET_MAX 1024

enum { JWK_HS256 = 1, JWK_RS256 = 2, JWK_ES256 = 4 }; /* a set of bits */

struct jwk;
struct jwks;

/* -EINVAL: err says what is wrong and with which key; -ENOMEM. */
int jwks_parse(struct span text, struct jwks **out, struct err *err) MUST_CHECK;

/* One HS256 key without a kid. -EINVAL: too short or too long; -ENOMEM. */
int jwks_secret(
    struct span secret, struct jwks **out, struct err *err) MUST_CHECK;
void jwks_free(struct jwks *s);

unsigned jwks_algorithms(const struct jwks *s); /* that some key is for */

/*
 * The key for this algorithm and kid; one without a kid of its own fits every
 * kid. A token without one (kid.p is NULL) fits when it leaves no choice.
 */
const struct jwk *jwks_find(
    const struct jwks *s, unsigned algorithm, struct span kid);

/* 0; -EBADMSG: not signed by this key; -ENOMEM. */
int jwk_verify(const struct jwk *k, struct span text, const void *signature,
    size_t n) MUST_CHECK;

#endif /* TLS_JWK_H */
