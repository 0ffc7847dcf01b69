/* SPDX-License-Identifier: ISC */

#include "proxy/policy.h"

#include <arpa/inet.h>
#include <string.h>

#include "proxy/compose.h"
#include "proxy/downstream.h"
#include "proxy/exchange.h"
#include "proxy/table.h"
#include "proxy/worker.h"

#define HOPS_MAX 16 /* of X-Forwarded-For that are looked at */
#define NS UINT64_C(1000000000)

/* --- headers -------------------------------------------------------------- */

static char
plain(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + 32);
	return c == '_' ? '-' : c;
}

/* name is any token; `to` is lower case, with '-'. */
static bool
same(struct span name, struct span to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (plain(name.p[i]) != to.p[i])
			return false;
	return true;
}

bool
policy_drops(const struct policy_edit *e, const struct head_header *hh)
{
	static const struct span cors = { "access-control-", 15 };

	if (e->cors && hh->name.n >= cors.n && same(hh->name, cors, cors.n))
		return true;
	for (unsigned i = 0; i < e->nnames; i++)
		if (e->names[i].n == hh->name.n &&
		    same(hh->name, e->names[i], hh->name.n))
			return true;
	return false;
}

/* --- cors ----------------------------------------------------------------- */

static void
find_origin(struct exchange *x, const struct head *h)
{
	const struct head_header *said = head_find(h, HDR_ORIGIN);

	for (unsigned i = 0; said != NULL && i < x->policy->norigins; i++)
		if (span_eq(said->value, x->policy->origins[i].origin))
			x->origin = &x->policy->origins[i];
}

bool
policy_preflight(const struct head *h, enum method *asked)
{
	const struct head_header *said;

	if (h->method != METHOD_OPTIONS || !head_has(h, HDR_ORIGIN))
		return false;
	said = head_find(h, HDR_ACCESS_CONTROL_REQUEST_METHOD);
	if (said == NULL)
		return false;
	*asked = method_of(said->value);
	return true;
}

/* --- rate limit ----------------------------------------------------------- */

/* One address out of X-Forwarded-For, v4 mapped into v6. */
static bool
read_address(struct span s, unsigned char out[16])
{
	char text[INET6_ADDRSTRLEN];

	memset(out, 0, 16);
	if (str_copy(text, sizeof(text), span_trim(s)) < 0)
		return false;
	if (inet_pton(AF_INET6, text, out) == 1)
		return true;
	memset(out, 0, 16);
	out[10] = out[11] = 0xff;
	return inet_pton(AF_INET, text, out + 12) == 1;
}

/* Take the part behind the last comma off the end. */
static bool
last_part(struct span *rest, struct span *part)
{
	size_t n = rest->n;

	if (n == 0)
		return false;
	while (n > 0 && rest->p[n - 1] != ',')
		n--;
	*part = (struct span){ rest->p + n, rest->n - n };
	rest->n = n > 0 ? n - 1 : 0;
	return true;
}

/* From the right: what our own proxies said, up to whom they had it from. */
static void
client_address(
    const struct exchange *x, const struct head *h, unsigned char out[16])
{
	unsigned char hop[16];
	unsigned hops = 0;

	memcpy(out, x->down->peer->address, 16);
	if (!x->down->peer->trusted)
		return;
	for (size_t i = h->nheaders; i-- > 0;) {
		struct span rest = h->headers[i].value, part;

		if (h->headers[i].id != HDR_X_FORWARDED_FOR)
			continue;
		while (last_part(&rest, &part)) {
			if (++hops > HOPS_MAX || !read_address(part, hop))
				return;
			memcpy(out, hop, 16);
			if (!table_trusts(x->w->table, hop))
				return;
		}
	}
}

static uint64_t
bucket_key(const struct exchange *x, const struct head *h)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct policy *p = x->policy;
	struct hash_key secret = scoreboard_secret(x->w->sb);
	const struct head_header *said = NULL;
	unsigned char address[16];

	secret.k0 ^= p->rate_id;
	if (p->rate_header.n > 0)
		said = p->rate_hdr != HDR_OTHER
		    ? head_find(h, p->rate_hdr)
		    : head_find_name(h, p->rate_header);
	if (said != NULL) {
		secret.k1 ^= 1; /* no value is the same as an address */
		return hash_keyed(&secret, said->value.p, said->value.n);
	}
	client_address(x, h, address);
	if (memcmp(address, mapped, sizeof(mapped)) != 0)
		memset(address + 8, 0, 8);
	return hash_keyed(&secret, address, sizeof(address));
}

static uint32_t
seconds(uint64_t ns)
{
	uint64_t s = (ns + NS - 1) / NS;

	return s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

/* False: it was answered. */
static bool
take_token(struct exchange *x, const struct head *h)
{
	struct worker *w = x->w;
	struct compose_problem problem = {
		.status = 429,
		.fault = FAULT_RATE_LIMITED,
		.detail = "too many requests in too short a time",
	};
	struct bucket_answer a;

	bucket_take(scoreboard_buckets(w->sb), SCOREBOARD_BUCKETS,
	    bucket_key(x, h), &x->policy->rate, w->now_us * 1000, &a);
	if (a.evicted)
		count64(&w->cells->buckets_lost, 1);
	x->rated = true;
	x->rate_left = (uint32_t)a.left;
	x->rate_reset_s = seconds(a.full_ns);
	if (a.ok)
		return true;
	problem.retry_s = seconds(a.wait_ns);
	exchange_problem(x, &problem);
	return false;
}

/* --- redirect ------------------------------------------------------------- */

/* Whether the client came to us, or to a proxy that we trust, by TLS. */
static bool
is_secure(const struct exchange *x, const struct head *h)
{
	const struct head_header *said = x->down->peer->trusted
	    ? head_find(h, HDR_X_FORWARDED_PROTO)
	    : NULL;

	return said != NULL ? span_eq_nocase(said->value, SPAN("https"))
			    : x->down->peer->secure;
}

static bool
wants_host(const struct policy *p)
{
	for (unsigned i = 0; i < p->npieces; i++)
		if (p->pieces[i].piece == PIECE_HOST)
			return true;
	return false;
}

static void
redirect(struct exchange *x, const struct head *h)
{
	size_t n;

	if (h->hostname.n == 0 && wants_host(x->policy)) {
		exchange_fail(x, 400, FAULT_BAD_REQUEST,
		    "the request names no host to lead on from");
		return;
	}
	n = compose_redirect(x, h, x->w->heads, WORKER_HEADS);
	if (n == 0)
		exchange_fail(x, 414, FAULT_URI_TOO_LONG,
		    "the target is too long to lead on");
	else
		exchange_reply(x, x->policy->status, FAULT_NONE, n);
}

/* --- all of them ---------------------------------------------------------- */

bool
policy_admit(struct exchange *x, const struct head *h, struct policy *p)
{
	enum method asked;

	x->policy = policy_ref(p);
	if (p->cors)
		find_origin(x, h);
	if (p->cors && policy_preflight(h, &asked)) {
		exchange_reply(x, 204, FAULT_NONE,
		    compose_preflight(x, x->w->heads, WORKER_HEADS));
		return false;
	}
	if (p->rate.step_ns != 0 && !take_token(x, h))
		return false;
	if (p->status == 0 || (p->https && is_secure(x, h)))
		return true;
	redirect(x, h);
	return false;
}
