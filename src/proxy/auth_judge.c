/* SPDX-License-Identifier: ISC */

/* Credentials: read, looked up among what was judged before, and judged. */

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "link/scoreboard.h"
#include "model/balance.h"
#include "proxy/auth_impl.h"
#include "proxy/compose.h"
#include "proxy/exchange.h"
#include "proxy/worker.h"
#include "tls/digest.h"
#include "tls/jose.h"

#define BASIC_MAX 1024 /* base64 of name and password */

static const char not_right[] = "the credentials are not right";

void
auth_refuse(struct exchange *x, const struct auth *a, unsigned status,
    enum auth_refusal why, const char *detail)
{
	struct compose_problem p = {
		.status = status,
		.fault = FAULT_UNAUTHORIZED,
		.detail = detail,
		.lines = a->refusals[why],
	};

	count64(&x->w->cells->auth_refused, 1);
	exchange_problem(x, &p);
}

int
auth_put_line(struct buf *b, struct span name, struct span value)
{
	size_t len = b->len;
	int r;

	if (name.n == 0 || value.n == 0 || !http_field_value(value) ||
	    span_trim(value).n != value.n)
		return 0;
	r = buf_append(b, name.p, name.n);
	if (r == 0)
		r = buf_append(b, ": ", 2);
	if (r == 0)
		r = buf_append(b, value.p, value.n);
	if (r == 0)
		r = buf_append(b, "\r\n", 2);
	if (r < 0)
		b->len = len;
	return r;
}

static int
digest_of(const struct auth *a, struct span credentials,
    unsigned char digest[VERDICTS_DIGEST])
{
	struct span key = { (const char *)a->key, sizeof(a->key) };

	return digest_hmac_sha256(key, credentials, digest);
}

/* False: without memory nobody is let in. */
static bool
no_memory(struct exchange *x)
{
	exchange_fail(
	    x, 503, FAULT_QUEUE_FULL, "no memory to judge the credentials");
	return false;
}

/* --- basic ---------------------------------------------------------------- */

/* base64 as RFC 7617 has it: with its padding. -EINVAL. */
static ssize_t
decode_basic(struct span in, char *out, size_t room)
{
	char text[BASIC_MAX];
	size_t n = in.n;

	if (n == 0 || n % 4 != 0 || n > sizeof(text))
		return -EINVAL;
	n -= in.p[n - 1] == '=';
	n -= n == in.n - 1 && in.p[n - 1] == '=';
	for (size_t i = 0; i < n; i++) {
		char c = in.p[i];

		if (c == '-' || c == '_')
			return -EINVAL;
		text[i] = c == '+' ? '-' : c == '/' ? '_' : c;
	}
	return jose_decode((struct span){ text, n }, out, room);
}

static bool
split_basic(struct span both, char *user, char *password)
{
	struct span name;

	return memchr(both.p, ':', both.n) != NULL &&
	    memchr(both.p, '\0', both.n) == NULL &&
	    span_next(&both, ':', &name) && name.n > 0 &&
	    str_copy(user, USERS_NAME_MAX + 1, name) == 0 &&
	    str_copy(password, USERS_PASSWORD_MAX + 1, both) == 0;
}

static bool
refuse_basic(struct exchange *x, const struct auth *a)
{
	auth_refuse(x, a, 401, AUTH_ASKED, not_right);
	return false;
}

/* Nobody asked before: the hash decides, later. */
static bool
wait_for_hash(struct exchange *x, struct auth *a, struct span both,
    const unsigned char digest[VERDICTS_DIGEST])
{
	struct auth_wait *wait = auth_wait_of(x, a);

	if (wait == NULL)
		return no_memory(x);
	if (!split_basic(both, wait->user, wait->password))
		return refuse_basic(x, a);
	memcpy(wait->digest, digest, VERDICTS_DIGEST);
	wait->hash = users_hash(a->users, span_of(wait->user), &wait->known);
	return true;
}

static bool
judge_basic(
    struct exchange *x, struct auth *a, struct span value, struct span *lines)
{
	struct auths *all = &x->w->auths;
	char text[BASIC_MAX];
	ssize_t n = decode_basic(value, text, sizeof(text));
	struct span both = { text, n > 0 ? (size_t)n : 0 };
	unsigned char digest[VERDICTS_DIGEST];
	struct span none;
	bool yes;

	if (n < 0)
		return refuse_basic(x, a);
	if (digest_of(a, both, digest) < 0)
		return no_memory(x);
	if (verdicts_get(&all->good, digest, x->w->now_ms, lines)) {
		count64(&x->w->cells->auth_cached, 1);
		yes = true;
	} else if (verdicts_get(&all->bad, digest, x->w->now_ms, &none)) {
		yes = refuse_basic(x, a);
	} else {
		yes = wait_for_hash(x, a, both, digest);
	}
	explicit_bzero(text, sizeof(text));
	return yes;
}

/* --- bearer --------------------------------------------------------------- */

static bool
refuse_bearer(struct exchange *x, const struct auth *a, enum jwt_verdict v)
{
	static const char *const details[] = {
		[JWT_BAD_FORM] = "the token is none",
		[JWT_BAD_ALGORITHM] = "the token is of a kind not taken here",
		[JWT_NO_KEY] = "no key fits the token",
		[JWT_BAD_SIGNATURE] = "the token's signature is not right",
		[JWT_EXPIRED] = "the token has expired, or has no end",
		[JWT_EARLY] = "the token is not valid yet",
		[JWT_BAD_ISSUER] = "the token is from another issuer",
		[JWT_BAD_AUDIENCE] = "the token is for another audience",
		[JWT_LACKS_CLAIM] = "the token does not allow this",
	};

	if (v == JWT_NO_MEMORY)
		return no_memory(x);
	if (v == JWT_LACKS_CLAIM)
		auth_refuse(x, a, 403, AUTH_SCOPE, details[v]);
	else
		auth_refuse(x, a, 401, AUTH_TOKEN, details[v]);
	return false;
}

static int
put_claims(const struct auth *a, const struct jwt *t, struct buf *lines)
{
	int r = 0;

	buf_clear(lines);
	for (size_t i = 0; r == 0 && i < a->policy.nclaims; i++)
		r = auth_put_line(lines, a->claim_headers[i], t->values[i]);
	return r;
}

static bool
judge_bearer(
    struct exchange *x, struct auth *a, struct span token, struct span *lines)
{
	static struct jwt t; /* one thread, and 8 KiB of it */
	struct worker *w = x->w;
	struct auths *all = &w->auths;
	unsigned char digest[VERDICTS_DIGEST];
	uint64_t now_s, left_ms;
	enum jwt_verdict v;

	if (digest_of(a, token, digest) < 0)
		return no_memory(x);
	if (verdicts_get(&all->good, digest, w->now_ms, lines)) {
		count64(&w->cells->auth_cached, 1);
		return true;
	}
	now_s = clock_wall_ms() / 1000;
	count64(&w->cells->auth_checked, 1);
	v = jwt_check(&a->policy, token, now_s, &t);
	if (v != JWT_GOOD)
		return refuse_bearer(x, a, v);
	if (put_claims(a, &t, &all->lines) < 0)
		return no_memory(x);
	*lines = buf_span(&all->lines);
	left_ms = (t.exp - now_s) * 1000;
	auths_remember(w, true, digest, left_ms, *lines);
	return true;
}

/* --- which of them -------------------------------------------------------- */

static const struct head_header *
only_one(const struct head *h, enum hdr id)
{
	const struct head_header *found = NULL;

	for (size_t i = 0; i < h->nheaders; i++) {
		if (h->headers[i].id != id)
			continue;
		if (found != NULL)
			return NULL;
		found = &h->headers[i];
	}
	return found;
}

static bool
find_cookie(const struct auth *a, const struct head *h, struct span *token)
{
	const struct head_header *hh = head_find(h, HDR_COOKIE);

	return a->cookie.n > 0 && hh != NULL &&
	    balance_cookie(hh->value, a->cookie, token) && token->n > 0;
}

bool
auth_judge(struct exchange *x, const struct head *h, struct auth *a,
    struct span *lines)
{
	const struct head_header *hh = only_one(h, HDR_AUTHORIZATION);
	struct span value = hh != NULL ? hh->value : SPAN(""), scheme;

	*lines = (struct span){ NULL, 0 };
	if (a->broken) {
		exchange_fail(x, 503, FAULT_UNAUTHORIZED,
		    "who may use this route cannot be told now");
		return false;
	}
	if ((a->flags & (SNAPSHOT_AUTH_BASIC | SNAPSHOT_AUTH_BEARER)) == 0)
		return true;
	if (!head_has(h, HDR_AUTHORIZATION) && find_cookie(a, h, &value))
		return judge_bearer(x, a, value, lines);
	if (!span_next(&value, ' ', &scheme))
		scheme = (struct span){ NULL, 0 };
	value = span_trim(value);
	if ((a->flags & SNAPSHOT_AUTH_BASIC) &&
	    span_eq_nocase(scheme, SPAN("Basic")))
		return judge_basic(x, a, value, lines);
	if ((a->flags & SNAPSHOT_AUTH_BEARER) &&
	    span_eq_nocase(scheme, SPAN("Bearer")))
		return judge_bearer(x, a, value, lines);
	auth_refuse(x, a, 401, AUTH_ASKED, not_right);
	return false;
}
