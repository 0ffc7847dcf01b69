/* SPDX-License-Identifier: ISC */

#include "tls/certificate.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/lib.h"

/* --- what the library says ------------------------------------------------ */

const char *
tls_reason(void)
{
	unsigned long e = ERR_peek_last_error();
	const char *text = ERR_reason_error_string(e);

	ERR_clear_error();
	return text != NULL ? text
			    : "an error that the library has no word for";
}

int
tls_complain(struct err *err, const char *what)
{
	unsigned long e = ERR_peek_last_error();

	if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE || e == 0) {
		ERR_clear_error();
		return err_errno(err, -ENOMEM, "%s", what);
	}
	return err_set(err, -EINVAL, "%s: %s", what, tls_reason());
}

static bool
at_the_end(void)
{
	unsigned long e = ERR_peek_last_error();

	return ERR_GET_LIB(e) == ERR_LIB_PEM &&
	    ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

/* --- names ---------------------------------------------------------------- */

static bool
is_label(struct span s)
{
	if (s.n == 0 || s.n > 63 || *s.p == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-' &&
		    s.p[i] != '_')
			return false;
	return true;
}

bool
tls_name_read(struct span in, bool star, char *out)
{
	struct span rest = in, label;
	bool first = true;

	if (in.n == 0 || in.n > TLS_NAME_MAX || in.p[in.n - 1] == '.')
		return false;
	while (span_next(&rest, '.', &label)) {
		bool is_star = star && first && rest.n > 0 &&
		    span_eq(label, SPAN("*"));

		if (!is_star && !is_label(label))
			return false;
		first = false;
	}
	for (size_t i = 0; i < in.n; i++)
		out[i] = (char)tolower((unsigned char)in.p[i]);
	out[in.n] = '\0';
	return true;
}

static int
add_name(struct tls_certificate *c, const ASN1_IA5STRING *s)
{
	const struct span in = {
		(const char *)ASN1_STRING_get0_data(s),
		(size_t)ASN1_STRING_length(s),
	};
	char name[TLS_NAME_MAX + 1];

	if (!tls_name_read(in, true, name))
		return 0;
	c->names[c->nnames] = strdup(name);
	if (c->names[c->nnames] == NULL)
		return -ENOMEM;
	c->nnames++;
	return 0;
}

static int
add_names(struct tls_certificate *c, const GENERAL_NAMES *all)
{
	for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(all, i);

		if (n->type != GEN_DNS || c->nnames == TLS_NAMES_MAX)
			continue;
		if (add_name(c, n->d.dNSName) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int
read_names(struct tls_certificate *c)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(
	    c->leaf, NID_subject_alt_name, NULL, NULL);
	int n = all != NULL ? sk_GENERAL_NAME_num(all) : 0;
	int r;

	c->names = calloc((size_t)n + 1, sizeof(*c->names));
	r = c->names != NULL ? add_names(c, all) : -ENOMEM;
	GENERAL_NAMES_free(all);
	ERR_clear_error();
	return r;
}

size_t
tls_certificate_nnames(const struct tls_certificate *c)
{
	return c->nnames;
}

const char *
tls_certificate_name(const struct tls_certificate *c, size_t i)
{
	return c->names[i];
}

/* "*.a.org" and "x.a.org": what is behind the first dot decides. */
static bool
below_star(const char *name, struct span s)
{
	const char *dot = memchr(s.p, '.', s.n);

	return strncmp(name, "*.", 2) == 0 && dot != NULL && dot > s.p &&
	    span_eq(span_of(name + 1),
		(struct span){ dot, (size_t)(s.p + s.n - dot) });
}

bool
tls_certificate_covers(const struct tls_certificate *c, struct span name)
{
	for (size_t i = 0; i < c->nnames; i++)
		if (span_eq(span_of(c->names[i]), name) ||
		    below_star(c->names[i], name))
			return true;
	return false;
}

/* --- time ----------------------------------------------------------------- */

static int64_t
seconds(const ASN1_TIME *t)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

int64_t
tls_certificate_not_before(const struct tls_certificate *c)
{
	return seconds(X509_get0_notBefore(c->leaf));
}

int64_t
tls_certificate_not_after(const struct tls_certificate *c)
{
	return seconds(X509_get0_notAfter(c->leaf));
}

/* --- reading -------------------------------------------------------------- */

static int
add_to_chain(struct tls_certificate *c, X509 *x)
{
	if (c->chain == NULL)
		c->chain = sk_X509_new_null();
	if (c->chain != NULL && sk_X509_push(c->chain, x) > 0)
		return 0;
	X509_free(x);
	return -ENOMEM;
}

static int
read_chain(struct tls_certificate *c, BIO *in, struct err *err)
{
	X509 *x;

	while ((x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		if (c->chain != NULL &&
		    sk_X509_num(c->chain) == TLS_CHAIN_MAX) {
			X509_free(x);
			return err_set(err, -EINVAL,
			    "certificate: found more than %d behind the first",
			    TLS_CHAIN_MAX);
		}
		if (add_to_chain(c, x) < 0)
			return err_errno(err, -ENOMEM, "certificate");
	}
	if (!at_the_end())
		return tls_complain(err, "certificate");
	ERR_clear_error();
	return 0;
}

static int
read_certificates(struct tls_certificate *c, BIO *in, struct err *err)
{
	int r;

	c->leaf = PEM_read_bio_X509(in, NULL, NULL, NULL);
	if (c->leaf == NULL && at_the_end()) {
		ERR_clear_error();
		return err_set(err, -EINVAL, "certificate: found none in PEM");
	}
	if (c->leaf == NULL)
		return tls_complain(err, "certificate");
	r = read_chain(c, in, err);
	if (r == 0 && read_names(c) < 0)
		r = err_errno(err, -ENOMEM, "certificate");
	return r;
}

/* Nobody is there to be asked; arg learns that it was tried. */
static int
on_password(char *out, int size, int writing, void *arg)
{
	(void)out;
	(void)size;
	(void)writing;
	*(bool *)arg = true;
	return -1;
}

static int
read_key(struct tls_certificate *c, BIO *in, struct err *err)
{
	bool locked = false;

	c->key = PEM_read_bio_PrivateKey(in, NULL, on_password, &locked);
	if (c->key != NULL)
		return 0;
	if (locked) {
		ERR_clear_error();
		return err_set(err, -EINVAL,
		    "key: found an encrypted one; allowed one without a "
		    "passphrase");
	}
	/* Whatever is wrong, the decoders only say that none of them can. */
	if (ERR_GET_REASON(ERR_peek_last_error()) != ERR_R_MALLOC_FAILURE) {
		ERR_clear_error();
		return err_set(
		    err, -EINVAL, "key: found none in PEM that can be read");
	}
	return tls_complain(err, "key");
}

static int
with_bio(struct tls_certificate *c, struct span pem,
    int (*fn)(struct tls_certificate *c, BIO *in, struct err *err),
    struct err *err, const char *what)
{
	BIO *in;
	int r;

	if (pem.n > TLS_PEM_MAX)
		return err_set(err, -EINVAL,
		    "%s: found more than %u KiB; allowed that much", what,
		    TLS_PEM_MAX / 1024);
	ERR_clear_error();
	in = BIO_new_mem_buf(pem.n > 0 ? pem.p : "", (int)pem.n);
	if (in == NULL) {
		ERR_clear_error();
		return err_errno(err, -ENOMEM, "%s", what);
	}
	r = fn(c, in, err);
	BIO_free(in);
	return r;
}

int
tls_certificate_read(struct tls_certificate **out, struct span cert,
    struct span key, struct err *err)
{
	struct tls_certificate *c = calloc(1, sizeof(*c));
	int r;

	*out = NULL;
	if (c == NULL)
		return err_errno(err, -ENOMEM, "certificate");
	r = with_bio(c, cert, read_certificates, err, "certificate");
	if (r == 0)
		r = with_bio(c, key, read_key, err, "key");
	if (r == 0 && X509_check_private_key(c->leaf, c->key) != 1) {
		ERR_clear_error();
		r = err_set(err, -EINVAL,
		    "key: found one that does not belong to the certificate");
	}
	if (r < 0)
		tls_certificate_free(c);
	else
		*out = c;
	return r;
}

void
tls_certificate_free(struct tls_certificate *c)
{
	if (c == NULL)
		return;
	X509_free(c->leaf);
	sk_X509_pop_free(c->chain, X509_free);
	EVP_PKEY_free(c->key);
	for (size_t i = 0; i < c->nnames; i++)
		free(c->names[i]);
	free(c->names);
	free(c);
}
