/* SPDX-License-Identifier: ISC */

#include "tls/jwt.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "tls/jose.h"

#define VALUES_MAX 256
#define SIGNATURE_MAX 1024 /* RSA of 8192 bits */

/* The three parts as they stand, and what is signed: the first two. */
struct parts {
	struct span header, claims, signature, text;
};

static bool
split(struct span token, struct parts *out)
{
	struct span rest = token;

	if (token.n > JWT_TOKEN_MAX || !span_next(&rest, '.', &out->header) ||
	    !span_next(&rest, '.', &out->claims))
		return false;
	out->signature = rest;
	out->text = (struct span){ token.p, out->header.n + 1 + out->claims.n };
	return out->header.n > 0 && out->claims.n > 0 && rest.n > 0 &&
	    memchr(rest.p, '.', rest.n) == NULL;
}

/* A part of the token into text, and its JSON; -errno. */
static int
read_part(struct span part, char *text, size_t room, struct jose_doc *doc)
{
	ssize_t n = jose_decode(part, text, room);
	int r;

	if (n < 0)
		return (int)n;
	r = jose_parse(doc, text, (size_t)n);
	if (r < 0)
		return r;
	return doc->values[0].kind == JOSE_OBJECT ? 0 : -EINVAL;
}

/* --- the header ----------------------------------------------------------- */

static unsigned
algorithm_of(const struct jose_value *header)
{
	struct span alg = jose_text(header, "alg");

	if (span_eq(alg, SPAN("HS256")))
		return JWK_HS256;
	if (span_eq(alg, SPAN("RS256")))
		return JWK_RS256;
	return span_eq(alg, SPAN("ES256")) ? JWK_ES256 : 0;
}

static bool
is_type(const struct jose_value *header)
{
	const struct jose_value *typ = jose_get(header, "typ");
	struct span text;

	if (typ == NULL)
		return true;
	text = typ->text;
	if (typ->kind != JOSE_STRING)
		return false;
	if (text.n > 12 &&
	    span_eq_nocase((struct span){ text.p, 12 }, SPAN("application/"))) {
		text.p += 12;
		text.n -= 12;
	}
	return span_eq_nocase(text, SPAN("JWT")) ||
	    span_eq_nocase(text, SPAN("at+jwt"));
}

static enum jwt_verdict
choose_key(const struct jwt_policy *p, const struct jose_value *header,
    const struct jwk **key)
{
	const struct jose_value *kid = jose_get(header, "kid");
	unsigned algorithm = algorithm_of(header);

	if ((algorithm & p->algorithms) == 0 || !is_type(header) ||
	    jose_get(header, "crit") != NULL)
		return JWT_BAD_ALGORITHM;
	if (kid != NULL && kid->kind != JOSE_STRING)
		return JWT_BAD_FORM;
	*key = jwks_find(p->keys, algorithm,
	    kid != NULL ? kid->text : (struct span){ NULL, 0 });
	return *key != NULL ? JWT_GOOD : JWT_NO_KEY;
}

static enum jwt_verdict
check_signature(const struct jwt_policy *p, const struct parts *parts)
{
	struct jose_value values[VALUES_MAX];
	struct jose_doc doc = { values, VALUES_MAX, 0 };
	char text[JWT_TOKEN_MAX];
	unsigned char signature[SIGNATURE_MAX];
	const struct jwk *key = NULL;
	enum jwt_verdict v;
	ssize_t n;
	int r;

	if (read_part(parts->header, text, sizeof(text), &doc) < 0)
		return JWT_BAD_FORM;
	v = choose_key(p, &values[0], &key);
	if (v != JWT_GOOD)
		return v;
	n = jose_decode(parts->signature, signature, sizeof(signature));
	if (n < 0)
		return JWT_BAD_FORM;
	r = jwk_verify(key, parts->text, signature, (size_t)n);
	if (r == -ENOMEM)
		return JWT_NO_MEMORY;
	return r == 0 ? JWT_GOOD : JWT_BAD_SIGNATURE;
}

/* --- the claims ----------------------------------------------------------- */

/* A claim that may be absent, and must not be ahead. */
static enum jwt_verdict
check_past(const struct jose_value *claims, const char *name, uint64_t until)
{
	const struct jose_value *v = jose_get(claims, name);
	uint64_t at;

	if (v == NULL)
		return JWT_GOOD;
	if (jose_date(v, &at) < 0)
		return JWT_BAD_FORM;
	return at <= until ? JWT_GOOD : JWT_EARLY;
}

static enum jwt_verdict
check_time(const struct jwt_policy *p, const struct jose_value *claims,
    uint64_t now_s, uint64_t *exp)
{
	const struct jose_value *v = jose_get(claims, "exp");
	enum jwt_verdict verdict;

	if (v == NULL)
		return JWT_EXPIRED;
	if (jose_date(v, exp) < 0)
		return JWT_BAD_FORM;
	*exp += p->leeway_s;
	if (now_s >= *exp)
		return JWT_EXPIRED;
	verdict = check_past(claims, "nbf", now_s + p->leeway_s);
	if (verdict != JWT_GOOD)
		return verdict;
	return check_past(claims, "iat", now_s + p->leeway_s);
}

static bool
has_word(struct span words, struct span word)
{
	struct span part;

	while (span_next(&words, ' ', &part))
		if (span_eq(part, word))
			return true;
	return false;
}

static bool
has_value(const struct jose_value *v, struct span value)
{
	if (v == NULL)
		return false;
	if (v->kind == JOSE_STRING)
		return span_eq(v->text, value);
	if (v->kind != JOSE_ARRAY)
		return false;
	for (const struct jose_value *e = v->first; e != NULL; e = e->next)
		if (e->kind == JOSE_STRING && span_eq(e->text, value))
			return true;
	return false;
}

static const struct jose_value *
find_claim(const struct jose_value *claims, struct span name)
{
	for (const struct jose_value *v = claims->first; v != NULL; v = v->next)
		if (span_eq(v->key, name))
			return v;
	return NULL;
}

static bool
meets(const struct jose_value *claims, const struct jwt_require *q)
{
	const struct jose_value *v = find_claim(claims, q->claim);

	if (v != NULL && v->kind == JOSE_STRING &&
	    span_eq(q->claim, SPAN("scope")))
		return has_word(v->text, q->value);
	return has_value(v, q->value);
}

static enum jwt_verdict
check_claims(const struct jwt_policy *p, const struct jose_value *claims)
{
	if (p->issuer.n > 0 && !span_eq(jose_text(claims, "iss"), p->issuer))
		return JWT_BAD_ISSUER;
	if (p->audience.n > 0 &&
	    !has_value(jose_get(claims, "aud"), p->audience))
		return JWT_BAD_AUDIENCE;
	for (size_t i = 0; i < p->nrequire; i++)
		if (!meets(claims, &p->require[i]))
			return JWT_LACKS_CLAIM;
	return JWT_GOOD;
}

static void
take_values(const struct jwt_policy *p, const struct jose_value *claims,
    struct jwt *out)
{
	for (size_t i = 0; i < p->nclaims; i++) {
		const struct jose_value *v = find_claim(claims, p->claims[i]);

		out->values[i] = (struct span){ "", 0 };
		if (v != NULL &&
		    (v->kind == JOSE_STRING || v->kind == JOSE_NUMBER))
			out->values[i] = v->text;
	}
}

enum jwt_verdict
jwt_check(const struct jwt_policy *p, struct span token, uint64_t now_s,
    struct jwt *out)
{
	struct jose_value values[VALUES_MAX];
	struct jose_doc doc = { values, VALUES_MAX, 0 };
	struct parts parts;
	enum jwt_verdict v;
	uint64_t exp = 0;

	if (!split(token, &parts))
		return JWT_BAD_FORM;
	v = check_signature(p, &parts);
	if (v != JWT_GOOD)
		return v;
	if (read_part(parts.claims, out->text, sizeof(out->text), &doc) < 0)
		return JWT_BAD_FORM;
	v = check_time(p, &values[0], now_s, &exp);
	if (v == JWT_GOOD)
		v = check_claims(p, &values[0]);
	if (v != JWT_GOOD)
		return v;
	out->exp = exp;
	take_values(p, &values[0], out);
	return JWT_GOOD;
}
