/* SPDX-License-Identifier: ISC */

#include "tls/context.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "tls/certificate.h"
#include "tls/lib.h"

#define KINDS 5
#define KEY_NAME 16
#define KEY_CIPHER 32
#define KEY_MAC 32
#define IV_SIZE 16

_Static_assert(KEY_NAME + KEY_CIPHER + KEY_MAC == TLS_TICKET_KEY, "a key");

/* Mozilla's intermediate list without its DHE: it costs us more than others. */
static const char usual_ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char usual_suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
    "TLS_CHACHA20_POLY1305_SHA256";
static const char groups[] = "X25519:P-256:P-384";
static const unsigned char session_id[] = "drover";

/* Certificates for one name, at most one of each kind of key. */
struct set {
	const struct tls_certificate *of[KINDS];
	SSL_CTX *ctx;
};

struct tls_context {
	unsigned refs;
	bool http2;
	struct tls_certificate **certs;
	size_t ncerts;
	struct set *sets; /* the first is the default's */
	size_t nsets, cap;
	struct map names; /* SSL_CTX by name */
	unsigned char keys[TLS_TICKET_KEYS_MAX][TLS_TICKET_KEY];
	size_t nkeys;
	char scratch[TLS_RECORD_MAX];
};

/* --- by name -------------------------------------------------------------- */

static SSL_CTX *
find(const struct tls_context *t, const char *asked)
{
	char name[TLS_NAME_MAX + 1];
	SSL_CTX *ctx;
	char *dot;

	if (asked == NULL || !tls_name_read(span_of(asked), false, name))
		return NULL;
	ctx = map_get(&t->names, span_of(name));
	dot = strchr(name, '.');
	if (ctx != NULL || dot == NULL || dot == name)
		return ctx;
	*--dot = '*';
	return map_get(&t->names, span_of(dot));
}

static int
on_name(SSL *ssl, int *alert, void *arg)
{
	SSL_CTX *ctx = find(
	    arg, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));

	(void)alert;
	if (ctx == NULL)
		return SSL_TLSEXT_ERR_OK; /* the default */
	return SSL_set_SSL_CTX(ssl, ctx) != NULL ? SSL_TLSEXT_ERR_OK
						 : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int
on_protocols(SSL *ssl, const unsigned char **out, unsigned char *n,
    const unsigned char *in, unsigned int len, void *arg)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1\x08http/1.0";
	const struct tls_context *t = arg;
	size_t skip = t->http2 ? 0 : 3;
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, n, both + skip,
		(unsigned int)(sizeof(both) - 1 - skip), in,
		len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* --- tickets -------------------------------------------------------------- */

static int
set_mac(EVP_MAC_CTX *mac, unsigned char *key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(
		    OSSL_MAC_PARAM_KEY, key, KEY_MAC),
		OSSL_PARAM_construct_utf8_string(
		    OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params);
}

static int
seal(struct tls_context *t, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	unsigned char *key = t->keys[0];

	if (t->nkeys == 0)
		return 0; /* no ticket */
	if (RAND_bytes(iv, IV_SIZE) != 1 ||
	    EVP_EncryptInit_ex(
		cipher, EVP_aes_256_cbc(), NULL, key + KEY_NAME, iv) != 1 ||
	    set_mac(mac, key + KEY_NAME + KEY_CIPHER) != 1)
		return -1;
	memcpy(name, key, KEY_NAME);
	return 1;
}

/* 0: not one of ours, so a full handshake; 2: open, and to be renewed. */
static int
unseal(struct tls_context *t, const unsigned char *name,
    const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	size_t i = 0;

	while (i < t->nkeys && memcmp(t->keys[i], name, KEY_NAME) != 0)
		i++;
	if (i == t->nkeys)
		return 0;
	if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL,
		t->keys[i] + KEY_NAME, iv) != 1 ||
	    set_mac(mac, t->keys[i] + KEY_NAME + KEY_CIPHER) != 1)
		return -1;
	return i == 0 ? 1 : 2;
}

static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
	struct tls_context *t = tls_conn_context(tls_conn_of(ssl));

	return sealing ? seal(t, name, iv, cipher, mac)
		       : unseal(t, name, iv, cipher, mac);
}

void
tls_context_tickets(struct tls_context *t, const unsigned char *keys, size_t n)
{
	if (n > TLS_TICKET_KEYS_MAX)
		n = TLS_TICKET_KEYS_MAX;
	OPENSSL_cleanse(t->keys, sizeof(t->keys));
	if (n > 0)
		memcpy(t->keys, keys, n * TLS_TICKET_KEY);
	t->nkeys = n;
}

/* --- one set of certificates ---------------------------------------------- */

static size_t
kind_of(const struct tls_certificate *c)
{
	switch (EVP_PKEY_get_base_id(c->key)) {
	case EVP_PKEY_RSA:
		return 0;
	case EVP_PKEY_EC:
		return 1;
	case EVP_PKEY_ED25519:
		return 2;
	case EVP_PKEY_ED448:
		return 3;
	case EVP_PKEY_RSA_PSS:
		return 4;
	default:
		return KINDS;
	}
}

static void
set_options(SSL_CTX *ctx, struct tls_context *t)
{
	SSL_CTX_set_options(ctx,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
		SSL_OP_ENABLE_KTLS);
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, TLS_TICKET_S);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, t);
	SSL_CTX_set_alpn_select_cb(ctx, on_protocols, t);
}

static int
set_ciphers(SSL_CTX *ctx, const struct tls_config *conf, struct err *err)
{
	bool own = conf->ciphers != NULL && conf->ciphers[0] != '\0';
	bool own13 = conf->suites != NULL && conf->suites[0] != '\0';

	if (SSL_CTX_set_min_proto_version(ctx,
		conf->min_version == TLS_1_3 ? TLS1_3_VERSION
					     : TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, groups) != 1 ||
	    SSL_CTX_set_session_id_context(
		ctx, session_id, sizeof(session_id) - 1) != 1)
		return tls_complain(err, "tls");
	if (SSL_CTX_set_cipher_list(ctx, own ? conf->ciphers : usual_ciphers) !=
	    1)
		return tls_complain(err, "ciphers");
	if (SSL_CTX_set_ciphersuites(
		ctx, own13 ? conf->suites : usual_suites) != 1)
		return tls_complain(err, "ciphersuites");
	return 0;
}

static int
use_certificates(SSL_CTX *ctx, const struct set *s, struct err *err)
{
	for (size_t i = 0; i < KINDS; i++)
		if (s->of[i] != NULL &&
		    SSL_CTX_use_cert_and_key(ctx, s->of[i]->leaf, s->of[i]->key,
			s->of[i]->chain, 1) != 1)
			return tls_complain(err, "certificate");
	return 0;
}

static int
make(struct tls_context *t, struct set *s, const struct tls_config *conf,
    struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int r;

	if (ctx == NULL) {
		ERR_clear_error();
		return err_errno(err, -ENOMEM, "tls");
	}
	set_options(ctx, t);
	r = set_ciphers(ctx, conf, err);
	if (r == 0)
		r = use_certificates(ctx, s, err);
	if (r < 0)
		SSL_CTX_free(ctx);
	else
		s->ctx = ctx;
	return r;
}

/* --- all sets ------------------------------------------------------------- */

/* Of each kind the first with this very name, else the first that has it. */
static void
choose(const struct tls_context *t, struct span name, struct set *s)
{
	bool exact[KINDS] = { false };

	*s = (struct set){ .ctx = NULL };
	for (size_t i = 0; i < t->ncerts; i++) {
		const struct tls_certificate *c = t->certs[i];
		size_t kind = kind_of(c);
		bool is = false;

		for (size_t k = 0; k < c->nnames && !is; k++)
			is = span_eq(span_of(c->names[k]), name);
		if (is ? exact[kind]
		       : s->of[kind] != NULL ||
			    !tls_certificate_covers(c, name))
			continue;
		s->of[kind] = c;
		exact[kind] = is;
	}
}

static int
intern(struct tls_context *t, const struct set *want,
    const struct tls_config *conf, SSL_CTX **ctx, struct err *err)
{
	struct set *s;
	int r;

	for (size_t i = 0; i < t->nsets; i++)
		if (memcmp(t->sets[i].of, want->of, sizeof(want->of)) == 0) {
			*ctx = t->sets[i].ctx;
			return 0;
		}
	if (t->nsets == t->cap) {
		size_t cap = t->cap == 0 ? 4 : t->cap * 2;
		struct set *grown = realloc(t->sets, cap * sizeof(*grown));

		if (grown == NULL)
			return err_errno(err, -ENOMEM, "tls");
		t->sets = grown;
		t->cap = cap;
	}
	s = &t->sets[t->nsets];
	*s = *want;
	r = make(t, s, conf, err);
	if (r < 0)
		return r;
	t->nsets++;
	*ctx = s->ctx;
	return 0;
}

static int
add_name(struct tls_context *t, const char *name, const struct tls_config *conf,
    struct err *err)
{
	struct set want;
	SSL_CTX *ctx;
	int r;

	if (map_get(&t->names, span_of(name)) != NULL)
		return 0;
	choose(t, span_of(name), &want);
	r = intern(t, &want, conf, &ctx, err);
	if (r == 0 && map_put(&t->names, span_of(name), ctx) < 0)
		r = err_errno(err, -ENOMEM, "tls");
	return r;
}

/* The default comes first: clients that ask for no name get it. */
static int
build(struct tls_context *t, size_t i, const struct tls_config *conf,
    struct err *err)
{
	const struct tls_certificate *c = t->certs[i];
	struct set alone = { .ctx = NULL };
	SSL_CTX *ctx;
	int r = 0;

	alone.of[kind_of(c)] = c;
	if (c->nnames == 0 && i == 0)
		return intern(t, &alone, conf, &ctx, err);
	for (size_t k = 0; k < c->nnames && r == 0; k++)
		r = add_name(t, c->names[k], conf, err);
	return r;
}

static int
read_pair(struct tls_context *t, const struct tls_pair *pair, struct err *err)
{
	int r = tls_certificate_read(
	    &t->certs[t->ncerts], pair->cert, pair->key, err);

	if (r < 0)
		return r;
	t->ncerts++;
	if (kind_of(t->certs[t->ncerts - 1]) == KINDS)
		return err_set(err, -EINVAL,
		    "key: found a kind that TLS cannot use; allowed RSA, EC "
		    "and EdDSA");
	return 0;
}

static int
fill(struct tls_context *t, const struct tls_config *conf, struct err *err)
{
	int r = 0;

	t->certs = calloc(conf->npairs, sizeof(*t->certs));
	if (t->certs == NULL)
		return err_errno(err, -ENOMEM, "tls");
	for (size_t i = 0; i < conf->npairs && r == 0; i++) {
		r = read_pair(t, &conf->pairs[i], err);
		if (r < 0)
			err_wrap(err, r, "certificates[%zu]", i);
	}
	for (size_t i = 0; i < t->ncerts && r == 0; i++) {
		r = build(t, i, conf, err);
		if (r < 0)
			err_wrap(err, r, "certificates[%zu]", i);
	}
	return r;
}

int
tls_context_new(
    struct tls_context **out, const struct tls_config *conf, struct err *err)
{
	struct tls_context *t;
	int r;

	*out = NULL;
	if (conf->npairs == 0 || conf->npairs > TLS_PAIRS_MAX)
		return err_set(err, -EINVAL,
		    "certificates: found %zu; allowed 1 to %d", conf->npairs,
		    TLS_PAIRS_MAX);
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return err_errno(err, -ENOMEM, "tls");
	t->refs = 1;
	t->http2 = conf->http2;
	map_init(&t->names);
	r = fill(t, conf, err);
	if (r < 0)
		tls_context_unref(t);
	else
		*out = t;
	return r;
}

struct tls_context *
tls_context_ref(struct tls_context *t)
{
	t->refs++;
	return t;
}

void
tls_context_unref(struct tls_context *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	for (size_t i = 0; i < t->nsets; i++)
		SSL_CTX_free(t->sets[i].ctx);
	free(t->sets);
	map_done(&t->names);
	for (size_t i = 0; i < t->ncerts; i++)
		tls_certificate_free(t->certs[i]);
	free(t->certs);
	OPENSSL_cleanse(t->keys, sizeof(t->keys));
	free(t);
}

/* --- for its connections -------------------------------------------------- */

SSL *
tls_context_open(struct tls_context *t)
{
	SSL *ssl = SSL_new(t->sets[0].ctx);

	if (ssl == NULL)
		ERR_clear_error();
	return ssl;
}

char *
tls_context_scratch(struct tls_context *t)
{
	return t->scratch;
}
