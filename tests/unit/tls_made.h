/* SPDX-License-Identifier: ISC */

/* tls_made - certificates that sign themselves, for tests */

#ifndef TESTS_UNIT_TLS_MADE_H
#define TESTS_UNIT_TLS_MADE_H

#include <openssl/bio.h>

#include "tls/context.h"

struct made {
	char *cert, *key;     /* PEM */
	struct tls_pair pair; /* spans over them */
};

/*
 * kind: RSA, EC or ED25519; names: "DNS:a.test,DNS:*.a.test", or NULL: none;
 * valid from and to so many seconds from now.
 */
struct made made_new(const char *kind, const char *names, long from, long to);
void made_done(struct made *m);

/* What was written into it, which ends it; the caller's. */
char *made_text(BIO *b);

#endif /* TESTS_UNIT_TLS_MADE_H */
