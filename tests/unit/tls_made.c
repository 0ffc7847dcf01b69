/* SPDX-License-Identifier: ISC */

#include "tls_made.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

char *
made_text(BIO *b)
{
	char *data, *copy;
	long n = BIO_get_mem_data(b, &data);

	copy = calloc(1, (size_t)n + 1);
	memcpy(copy, data, (size_t)n);
	BIO_free(b);
	return copy;
}

static void
set_names(X509 *x, const char *names)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_subject_alt_name, names);

	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

struct made
made_new(const char *kind, const char *names, long from, long to)
{
	EVP_PKEY *key = strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048)
	    : strcmp(kind, "EC") == 0		 ? EVP_EC_gen("P-256")
				      : EVP_PKEY_Q_keygen(NULL, NULL, kind);
	X509 *x = X509_new();
	BIO *cert = BIO_new(BIO_s_mem()), *pem = BIO_new(BIO_s_mem());
	struct made m;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), to);
	X509_set_pubkey(x, key);
	if (names != NULL)
		set_names(x, names);
	assert_true(
	    X509_sign(x, key,
		strcmp(kind, "ED25519") == 0 ? NULL : EVP_sha256()) > 0);
	PEM_write_bio_X509(cert, x);
	PEM_write_bio_PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL);
	m.cert = made_text(cert);
	m.key = made_text(pem);
	m.pair = (struct tls_pair){ span_of(m.cert), span_of(m.key) };
	X509_free(x);
	EVP_PKEY_free(key);
	return m;
}

void
made_done(struct made *m)
{
	free(m->cert);
	free(m->key);
}
