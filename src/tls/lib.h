/* SPDX-License-Identifier: ISC */

/* lib - what the files of this floor share of OpenSSL; nobody else's */

#ifndef TLS_LIB_H
#define TLS_LIB_H

#include <openssl/ssl.h>

#include "tls/certificate.h"

struct tls_certificate {
	X509 *leaf;
	STACK_OF(X509) * chain; /* NULL: none */
	EVP_PKEY *key;
	char **names;
	size_t nnames;
};

/* Why the library refused last; forgets all that it complained about. */
const char *tls_reason(void);

/* "certificate: what the library says", or -ENOMEM where that was why. */
int tls_complain(struct err *err, const char *what) MUST_CHECK;

/* The connection that an SSL belongs to, for callbacks. */
struct tls_conn *tls_conn_of(const SSL *ssl);
struct tls_context *tls_conn_context(const struct tls_conn *c);

/* A context's way to its connections. */
SSL *tls_context_open(struct tls_context *t) MUST_CHECK;
char *tls_context_scratch(struct tls_context *t); /* TLS_RECORD_MAX bytes */

#define TLS_RECORD_MAX 16384

#endif /* TLS_LIB_H */
