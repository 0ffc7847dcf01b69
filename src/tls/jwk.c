/* SPDX-License-Identifier: ISC */

#include "tls/jwk.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#include "tls/digest.h"
#include "tls/jose.h"

#define VALUES_MAX 2048 /* of the JSON of a set */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define NUMBER_MAX (RSA_BITS_MAX / 8)
#define P256 32 /* bytes of a coordinate */

struct jwk {
	unsigned algorithm;
	bool has_kid;
	char kid[JWK_KID_MAX + 1];
	size_t kid_len;
	EVP_PKEY *pkey; /* RSA and EC */
	unsigned char secret[JWK_SECRET_MAX];
	size_t secret_len;
};

struct jwks {
	struct jwk *keys;
	size_t n;
};

/* --- public keys ---------------------------------------------------------- */

struct number {
	unsigned char data[NUMBER_MAX];
	size_t n;
};

static int
get_number(const struct jose_value *key, const char *name, struct number *out)
{
	ssize_t n = jose_decode(
	    jose_text(key, name), out->data, sizeof(out->data));

	if (n <= 0)
		return -EINVAL;
	out->n = (size_t)n;
	return 0;
}

/* 0; -EINVAL: no such key can be; -ENOMEM. */
static int
make_key(const char *type, OSSL_PARAM_BLD *bld, EVP_PKEY **out)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;
	EVP_PKEY_CTX *check = NULL;
	int r = -ENOMEM;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
		goto out;
	r = -EINVAL; /* from here on it does not say why */
	if (EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		goto out;
	check = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	if (check != NULL && EVP_PKEY_public_check(check) == 1) {
		*out = pkey;
		pkey = NULL;
		r = 0;
	}
out:
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_free(pkey);
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	ERR_clear_error();
	return r;
}

static int
rsa_key(const struct jose_value *key, EVP_PKEY **out, struct err *err)
{
	struct number n, e;
	OSSL_PARAM_BLD *bld = NULL;
	BIGNUM *bn = NULL, *be = NULL;
	int r = -EINVAL, bits;

	if (get_number(key, "n", &n) < 0 || get_number(key, "e", &e) < 0)
		return err_set(err, r, "n or e is no number");
	bn = BN_bin2bn(n.data, (int)n.n, NULL);
	be = BN_bin2bn(e.data, (int)e.n, NULL);
	bld = OSSL_PARAM_BLD_new();
	if (bn == NULL || be == NULL || bld == NULL ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) != 1 ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) != 1) {
		r = err_errno(err, -ENOMEM, "RSA key");
		goto out;
	}
	bits = BN_num_bits(bn);
	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		err_set(err, r, "an RSA key of %d bits; allowed %d to %d", bits,
		    RSA_BITS_MIN, RSA_BITS_MAX);
	else if (!BN_is_odd(be) || BN_num_bits(be) < 2 || BN_num_bits(be) > 64)
		err_set(err, r, "an RSA key with an exponent that is none");
	else if ((r = make_key("RSA", bld, out)) < 0)
		err_errno(err, r, "RSA key");
out:
	OSSL_PARAM_BLD_free(bld);
	BN_free(bn);
	BN_free(be);
	return r;
}

static int
ec_key(const struct jose_value *key, EVP_PKEY **out, struct err *err)
{
	unsigned char point[1 + 2 * P256] = { 0x04 };
	struct span x = jose_text(key, "x"), y = jose_text(key, "y");
	OSSL_PARAM_BLD *bld;
	int r = -ENOMEM;

	if (jose_decode(x, point + 1, P256) != P256 ||
	    jose_decode(y, point + 1 + P256, P256) != P256)
		return err_set(err, -EINVAL, "x or y is not of 32 bytes");
	bld = OSSL_PARAM_BLD_new();
	if (bld != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(
		bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(
		bld, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1)
		r = make_key("EC", bld, out);
	OSSL_PARAM_BLD_free(bld);
	if (r == -EINVAL)
		return err_set(err, r, "an EC key that is not on its curve");
	return r < 0 ? err_errno(err, r, "EC key") : 0;
}

/* --- a set ---------------------------------------------------------------- */

static int
set_secret(struct jwk *k, struct span secret, struct err *err)
{
	if (secret.n < JWK_SECRET_MIN || secret.n > JWK_SECRET_MAX)
		return err_set(err, -EINVAL,
		    "a secret of %zu bytes; allowed %d to %d", secret.n,
		    JWK_SECRET_MIN, JWK_SECRET_MAX);
	memcpy(k->secret, secret.p, secret.n);
	k->secret_len = secret.n;
	k->algorithm = JWK_HS256;
	return 0;
}

static int
oct_key(const struct jose_value *key, struct jwk *k, struct err *err)
{
	unsigned char data[JWK_SECRET_MAX];
	ssize_t n = jose_decode(jose_text(key, "k"), data, sizeof(data));
	int r;

	if (n < 0)
		return err_set(err, -EINVAL, "k is no secret");
	r = set_secret(k, (struct span){ (const char *)data, (size_t)n }, err);
	explicit_bzero(data, sizeof(data));
	return r;
}

static bool
says(const struct jose_value *key, const char *member, const char *value)
{
	return span_eq(jose_text(key, member), span_of(value));
}

static bool
lists(const struct jose_value *array, struct span text)
{
	for (const struct jose_value *v = array->first; v != NULL; v = v->next)
		if (v->kind == JOSE_STRING && span_eq(v->text, text))
			return true;
	return false;
}

/* What it is for: one of ours, or 0: pass over it. */
static unsigned
algorithm_of(const struct jose_value *key)
{
	static const struct {
		const char *kty, *alg;
		unsigned bit;
	} kinds[] = {
		{ "oct", "HS256", JWK_HS256 },
		{ "RSA", "RS256", JWK_RS256 },
		{ "EC", "ES256", JWK_ES256 },
	};
	const struct jose_value *ops = jose_get(key, "key_ops");

	if (jose_get(key, "use") != NULL && !says(key, "use", "sig"))
		return 0;
	if (ops != NULL && !lists(ops, SPAN("verify")))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!says(key, "kty", kinds[i].kty))
			continue;
		if (jose_get(key, "alg") != NULL &&
		    !says(key, "alg", kinds[i].alg))
			return 0;
		if (kinds[i].bit == JWK_ES256 && !says(key, "crv", "P-256"))
			return 0;
		return kinds[i].bit;
	}
	return 0;
}

static int
set_kid(struct jwk *k, const struct jose_value *key, struct err *err)
{
	const struct jose_value *kid = jose_get(key, "kid");

	if (kid == NULL)
		return 0;
	if (kid->kind != JOSE_STRING || kid->text.n > JWK_KID_MAX)
		return err_set(err, -EINVAL,
		    "kid is no text of at most %d bytes", JWK_KID_MAX);
	k->has_kid = true;
	k->kid_len = kid->text.n;
	memcpy(k->kid, kid->text.p, kid->text.n);
	return 0;
}

static bool
is_twin(const struct jwk *a, const struct jwk *b)
{
	return a->algorithm == b->algorithm && a->has_kid == b->has_kid &&
	    a->kid_len == b->kid_len && memcmp(a->kid, b->kid, a->kid_len) == 0;
}

/* One key behind the others; 0 too where it was passed over. */
static int
add_key(struct jwks *s, const struct jose_value *key, struct err *err)
{
	struct jwk *k = &s->keys[s->n];
	int r;

	if (key->kind != JOSE_OBJECT)
		return err_set(err, -EINVAL, "no object");
	k->algorithm = algorithm_of(key);
	if (k->algorithm == 0)
		return 0;
	if (jose_get(key, "d") != NULL)
		return err_set(err, -EINVAL,
		    "a private key; allowed what signatures are checked with");
	r = set_kid(k, key, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->n; i++)
		if (is_twin(&s->keys[i], k))
			return err_set(err, -EINVAL,
			    "another key of this kid and algorithm");
	if (k->algorithm == JWK_HS256)
		r = oct_key(key, k, err);
	else if (k->algorithm == JWK_RS256)
		r = rsa_key(key, &k->pkey, err);
	else
		r = ec_key(key, &k->pkey, err);
	if (r == 0)
		s->n++;
	return r;
}

static struct jwks *
new_set(size_t n)
{
	struct jwks *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->keys = calloc(n + 1, sizeof(*s->keys));
	if (s->keys == NULL) {
		free(s);
		return NULL;
	}
	return s;
}

static int
add_keys(const struct jose_value *root, struct jwks **out, struct err *err)
{
	const struct jose_value *keys = jose_get(root, "keys");
	struct jwks *s;
	size_t n = 0, i = 0;
	int r = 0;

	if (keys == NULL || keys->kind != JOSE_ARRAY)
		return err_set(err, -EINVAL, "no list \"keys\"");
	for (const struct jose_value *v = keys->first; v != NULL; v = v->next)
		n++;
	if (n > JWK_KEYS_MAX)
		return err_set(
		    err, -EINVAL, "%zu keys; allowed %d", n, JWK_KEYS_MAX);
	s = new_set(n);
	if (s == NULL)
		return err_errno(err, -ENOMEM, "keys");
	for (const struct jose_value *v = keys->first; r == 0 && v != NULL;
	     v = v->next, i++) {
		r = add_key(s, v, err);
		if (r < 0)
			err_wrap(err, r, "keys[%zu]", i);
	}
	if (r == 0 && s->n == 0)
		r = err_set(
		    err, -EINVAL, "no key for HS256, RS256 or ES256 in it");
	if (r < 0) {
		jwks_free(s);
		return r;
	}
	*out = s;
	return 0;
}

int
jwks_parse(struct span text, struct jwks **out, struct err *err)
{
	struct jose_doc doc = { .max = VALUES_MAX };
	char *copy = NULL;
	int r;

	*out = NULL;
	if (text.n > JWK_SET_MAX)
		return err_set(
		    err, -EINVAL, "%zu bytes; allowed %u", text.n, JWK_SET_MAX);
	copy = malloc(text.n + 1);
	doc.values = calloc(VALUES_MAX, sizeof(*doc.values));
	if (copy == NULL || doc.values == NULL) {
		r = err_errno(err, -ENOMEM, "keys");
		goto out;
	}
	if (text.n > 0)
		memcpy(copy, text.p, text.n);
	if (jose_parse(&doc, copy, text.n) < 0)
		r = err_set(err, -EINVAL,
		    "no JSON, or too deep or large, or a member twice");
	else
		r = add_keys(&doc.values[0], out, err);
	explicit_bzero(copy, text.n);
out:
	free(doc.values);
	free(copy);
	return r;
}

int
jwks_secret(struct span secret, struct jwks **out, struct err *err)
{
	struct jwks *s = new_set(1);
	int r;

	*out = NULL;
	if (s == NULL)
		return err_errno(err, -ENOMEM, "secret");
	r = set_secret(&s->keys[0], secret, err);
	if (r < 0) {
		jwks_free(s);
		return r;
	}
	s->n = 1;
	*out = s;
	return 0;
}

void
jwks_free(struct jwks *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++) {
		EVP_PKEY_free(s->keys[i].pkey);
		explicit_bzero(s->keys[i].secret, sizeof(s->keys[i].secret));
	}
	free(s->keys);
	free(s);
}

unsigned
jwks_algorithms(const struct jwks *s)
{
	unsigned set = 0;

	for (size_t i = 0; i < s->n; i++)
		set |= s->keys[i].algorithm;
	return set;
}

/* --- checking ------------------------------------------------------------- */

const struct jwk *
jwks_find(const struct jwks *s, unsigned algorithm, struct span kid)
{
	const struct jwk *found = NULL;

	for (size_t i = 0; i < s->n; i++) {
		const struct jwk *k = &s->keys[i];

		if (k->algorithm != algorithm)
			continue;
		if (kid.p != NULL && k->has_kid &&
		    !span_eq(kid, (struct span){ k->kid, k->kid_len }))
			continue;
		if (kid.p != NULL && k->has_kid)
			return k;
		if (found != NULL && kid.p == NULL)
			return NULL;
		found = k;
	}
	return found;
}

/* r and s side by side (RFC 7518, section 3.4), as OpenSSL wants them. */
static int
ecdsa_der(const unsigned char *rs, unsigned char **der, size_t *n)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(rs, P256, NULL);
	BIGNUM *s = BN_bin2bn(rs + P256, P256, NULL);
	int len = -1;

	if (sig != NULL && r != NULL && s != NULL &&
	    ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL; /* the signature's now */
		len = i2d_ECDSA_SIG(sig, der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	*n = len > 0 ? (size_t)len : 0;
	return len > 0 ? 0 : -ENOMEM;
}

static int
verify_public(const struct jwk *k, struct span text,
    const unsigned char *signature, size_t n)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int r = -ENOMEM;

	if (ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, k->pkey) == 1)
		r = EVP_DigestVerify(ctx, signature, n,
			(const unsigned char *)text.p, text.n) == 1
		    ? 0
		    : -EBADMSG;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

static int
verify_secret(
    const struct jwk *k, struct span text, const void *signature, size_t n)
{
	struct span key = { (const char *)k->secret, k->secret_len };
	unsigned char sum[DIGEST_SIZE];
	int r = digest_hmac_sha256(key, text, sum);

	if (r < 0)
		return r;
	return n == sizeof(sum) && digest_equal(sum, signature, n) ? 0
								   : -EBADMSG;
}

int
jwk_verify(
    const struct jwk *k, struct span text, const void *signature, size_t n)
{
	unsigned char *der = NULL;
	int r;

	if (k->algorithm == JWK_HS256)
		return verify_secret(k, text, signature, n);
	if (k->algorithm == JWK_RS256)
		return verify_public(k, text, signature, n);
	if (n != 2 * P256)
		return -EBADMSG;
	r = ecdsa_der(signature, &der, &n);
	if (r == 0)
		r = verify_public(k, text, der, n);
	OPENSSL_free(der);
	return r;
}
