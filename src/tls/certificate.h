/* SPDX-License-Identifier: ISC */

/*
 * certificate - a certificate with its chain and its private key, from PEM
 *
 * The first certificate is the leaf, the others go with it in their order; the
 * key is PKCS #8, PKCS #1 or SEC 1, never encrypted. What can be wrong is said
 * in words; neither bytes of the key nor anything else of it ever stand in an
 * error.
 *
 * The names are the DNS names of the leaf's subjectAltName (RFC 6125), in lower
 * case: "a.org", or "*.a.org" for one label in the star's place. Others (an
 * address, a star elsewhere, bytes that no host has) are left out, and so is
 * the common name.
 */

#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define TLS_NAME_MAX 253
#define TLS_NAMES_MAX 256	 /* of one certificate */
#define TLS_PEM_MAX (60U * 1024) /* of a file */
#define TLS_CHAIN_MAX 16	 /* certificates behind the leaf */

struct tls_certificate;

/*
 * -EINVAL: they are not what they should be, or do not belong together;
 * -ENOMEM. err says what, and begins with "certificate" or "key".
 */
int tls_certificate_read(struct tls_certificate **out, struct span cert,
    struct span key, struct err *err) MUST_CHECK;
void tls_certificate_free(struct tls_certificate *c);

/* Seconds since 1970. */
int64_t tls_certificate_not_before(const struct tls_certificate *c);
int64_t tls_certificate_not_after(const struct tls_certificate *c);

size_t tls_certificate_nnames(const struct tls_certificate *c);
const char *tls_certificate_name(const struct tls_certificate *c, size_t i);

/* Whether a name in lower case ("*.a.org" too) is one of them or below one. */
bool tls_certificate_covers(const struct tls_certificate *c, struct span name);

/*
 * A DNS name as a certificate holds it, in lower case into out, which has
 * TLS_NAME_MAX + 1 bytes. False: it is none that a host could have.
 */
bool tls_name_read(struct span in, bool star, char *out);

#endif /* TLS_CERTIFICATE_H */
