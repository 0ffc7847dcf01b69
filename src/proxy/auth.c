/* SPDX-License-Identifier: ISC */

/* The policies: from a snapshot, shared between tables. */

#include "proxy/auth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "link/snapshot_auth.h"
#include "proxy/auth_impl.h"
#include "proxy/hasher.h"
#include "proxy/worker.h"
#include "tls/digest.h"

#define LOG_SUBSYSTEM "proxy"
#include "base/log.h"

#define ARENA_MAX (64U * 1024) /* of names, paths and challenges */
#define PACKED_MAX (1U << 20)
#define REALM_MAX 512

/* --- names ---------------------------------------------------------------- */

bool
auth_names_have(const struct auth_names *names, struct span name)
{
	for (size_t i = 0; i < names->n; i++)
		if (span_eq_nocase(names->name[i], name))
			return true;
	return false;
}

static void
add_name(struct auth_names *names, struct span name)
{
	if (name.n > 0 && names->n < AUTH_NAMES_MAX)
		names->name[names->n++] = name;
}

static void
add_names(struct auth_names *names, struct span list)
{
	struct span name;

	while (span_next(&list, ' ', &name))
		add_name(names, name);
}

/* A header whose name, with '-' for '_', is this one. */
static bool
passes_for(struct span said, struct span name)
{
	if (said.n != name.n)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = said.p[i] == '_' ? '-' : said.p[i];
		struct span a = { &c, 1 }, b = { name.p + i, 1 };

		if (!span_eq_nocase(a, b))
			return false;
	}
	return true;
}

bool
auth_hides(const struct auth *a, const struct head_header *hh)
{
	if (a == NULL)
		return false;
	for (size_t i = 0; i < a->hidden.n; i++)
		if (passes_for(hh->name, a->hidden.name[i]))
			return true;
	return false;
}

bool
auth_strips(const struct auth *a)
{
	const unsigned ours = SNAPSHOT_AUTH_BASIC | SNAPSHOT_AUTH_BEARER;

	return a != NULL && (a->flags & ours) != 0 &&
	    (a->flags & SNAPSHOT_AUTH_PASS) == 0;
}

/* --- building ------------------------------------------------------------- */

static struct span
keep(struct auth *a, const char *text)
{
	const char *copy = arena_copy(&a->arena, span_of(text));

	if (copy == NULL)
		a->cut_short = true;
	return span_of(copy);
}

static void
build_pairs(struct auth *a, const struct snapshot_auth *conf)
{
	struct span list = keep(a, conf->require), pair, name;
	struct jwt_policy *p = &a->policy;

	while (p->nrequire < JWT_CLAIMS_MAX && span_next(&list, ' ', &pair)) {
		if (span_next(&pair, '=', &name) && name.n > 0)
			p->require[p->nrequire++] = (struct jwt_require){ name,
				pair };
	}
	list = keep(a, conf->claims);
	while (p->nclaims < JWT_CLAIMS_MAX && span_next(&list, ' ', &pair)) {
		if (!span_next(&pair, '=', &name) || pair.n == 0)
			continue;
		p->claims[p->nclaims] = name;
		a->claim_headers[p->nclaims++] = pair;
		add_name(&a->hidden, pair);
	}
}

static int
build_bearer(struct auth *a, const struct snapshot_auth *conf, struct err *err)
{
	if ((a->flags & SNAPSHOT_AUTH_BEARER) == 0)
		return 0;
	a->cookie = keep(a, conf->cookie);
	a->policy.algorithms = conf->algorithms;
	a->policy.leeway_s = conf->leeway_s;
	a->policy.issuer = keep(a, conf->issuer);
	a->policy.audience = keep(a, conf->audience);
	build_pairs(a, conf);
	if (conf->jwks[0] != '\0')
		return jwks_parse(span_of(conf->jwks), &a->jwks, err);
	return jwks_secret(span_of(conf->secret), &a->jwks, err);
}

static int
build_basic(struct auth *a, const struct snapshot_auth *conf, struct err *err)
{
	if ((a->flags & SNAPSHOT_AUTH_BASIC) == 0)
		return 0;
	a->user_header = keep(a, conf->user_header);
	add_name(&a->hidden, a->user_header);
	return users_parse(span_of(conf->users), &a->users, err);
}

static void
build_forward(
    struct worker *w, struct auth *a, const struct snapshot_auth *conf)
{
	if ((a->flags & SNAPSHOT_AUTH_FORWARD) == 0)
		return;
	a->path = keep(a, conf->path);
	a->timeout_ms = conf->timeout_ms;
	deadline_hold(&w->deadlines, &a->asked_kind, a->timeout_ms);
	add_names(&a->asks, keep(a, conf->request_headers));
	add_names(&a->answers, keep(a, conf->response_headers));
	for (size_t i = 0; i < a->answers.n; i++)
		add_name(&a->hidden, a->answers.name[i]);
}

/* As a quoted-string (RFC 9110, section 5.6.4). */
static void
quote(char out[REALM_MAX], const char *text)
{
	size_t n = 0;

	for (; *text != '\0' && n + 3 < REALM_MAX; text++) {
		if (*text == '"' || *text == '\\')
			out[n++] = '\\';
		out[n++] = *text;
	}
	out[n] = '\0';
}

static int
build_refusals(struct auth *a, const char *text)
{
	static const char *const bearer[AUTH_REFUSALS] = { "",
		", error=\"invalid_token\"", ", error=\"insufficient_scope\"" };
	char realm[REALM_MAX];
	struct buf b;
	int r = 0;

	quote(realm, text[0] != '\0' ? text : "drover");
	for (int i = 0; r == 0 && i < AUTH_REFUSALS; i++) {
		buf_init(&b, 4 * REALM_MAX);
		if (a->flags & SNAPSHOT_AUTH_BEARER)
			r = buf_printf(&b,
			    "WWW-Authenticate: Bearer realm=\"%s\"%s\r\n",
			    realm, bearer[i]);
		if (r == 0 && (a->flags & SNAPSHOT_AUTH_BASIC))
			r = buf_printf(&b,
			    "WWW-Authenticate: Basic realm=\"%s\", "
			    "charset=\"UTF-8\"\r\n",
			    realm);
		if (r == 0)
			a->refusals[i] = keep(a, buf_str(&b));
		buf_done(&b);
	}
	return r;
}

/* 0; a policy that cannot be used is broken. -ENOMEM. */
static int
build(struct worker *w, struct auth *a, const struct snapshot_auth *conf)
{
	struct err err;
	int r = build_basic(a, conf, &err);

	if (r == 0)
		r = build_bearer(a, conf, &err);
	a->policy.keys = a->jwks;
	build_forward(w, a, conf);
	if (r == -EINVAL) {
		log_error("auth", "a route lets nobody in: %s", err.text);
		a->broken = true;
		r = 0;
	}
	if (r == 0)
		r = build_refusals(a, conf->realm);
	return r == 0 && a->cut_short ? -ENOMEM : r;
}

/* --- sharing -------------------------------------------------------------- */

static int
print_of(const struct snapshot_auth *conf, unsigned char *print)
{
	struct packer p;
	struct buf b;
	int r;

	buf_init(&b, PACKED_MAX);
	pack_begin(&p, &b);
	snapshot_pack_auth(&p, conf);
	r = p.error;
	if (r == 0)
		r = digest_sha256(buf_span(&b), print);
	if (b.data != NULL)
		explicit_bzero(b.data, b.len);
	buf_done(&b);
	return r;
}

static struct list *
list_of(struct auths *all, const unsigned char print[VERDICTS_DIGEST])
{
	return &all->all[print[0] % AUTH_LISTS];
}

static struct auth *
auth_new(struct worker *w, const struct snapshot_auth *conf,
    const unsigned char print[VERDICTS_DIGEST])
{
	struct auths *all = &w->auths;
	struct span key = { (const char *)all->key, sizeof(all->key) };
	struct auth *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->refs = 1;
	a->flags = conf->flags;
	arena_init(&a->arena, 1024, ARENA_MAX);
	memcpy(a->print, print, VERDICTS_DIGEST);
	list_push(list_of(all, print), &a->link);
	if (build(w, a, conf) < 0 ||
	    digest_hmac_sha256(key,
		(struct span){ (const char *)print, VERDICTS_DIGEST },
		a->key) < 0) {
		auth_unref(a);
		return NULL;
	}
	return a;
}

struct auth *
auth_get(struct worker *w, const struct snapshot_auth *conf)
{
	unsigned char print[VERDICTS_DIGEST];

	if (print_of(conf, print) < 0)
		return NULL;
	/* A broken one may have lacked nothing but memory. */
	LIST_EACH (a, list_of(&w->auths, print), struct auth, link)
		if (!a->broken && memcmp(a->print, print, sizeof(print)) == 0)
			return auth_ref(a);
	return auth_new(w, conf, print);
}

struct auth *
auth_ref(struct auth *a)
{
	if (a != NULL)
		a->refs++;
	return a;
}

void
auth_unref(struct auth *a)
{
	if (a == NULL || --a->refs > 0)
		return;
	list_remove(&a->link);
	deadline_release(&a->asked_kind);
	users_free(a->users);
	jwks_free(a->jwks);
	arena_done(&a->arena);
	free(a);
}

/* --- what a worker has ---------------------------------------------------- */

void
auths_init(struct auths *a, struct buf_meter *memory)
{
	for (unsigned i = 0; i < AUTH_LISTS; i++)
		list_init(&a->all[i]);
	list_init(&a->flights);
	a->memory = memory;
	verdicts_init(&a->good, 0, memory);
	verdicts_init(&a->bad, 0, memory);
	buf_init_metered(&a->lines, AUTH_LINES_MAX, memory);
	rand_bytes(a->key, sizeof(a->key));
}

static bool
wants_hasher(const struct auths *a)
{
	for (unsigned i = 0; i < AUTH_LISTS; i++)
		LIST_EACH (p, &a->all[i], struct auth, link)
			if (p->users != NULL)
				return true;
	return false;
}

void
auths_settle(struct worker *w)
{
	struct auths *a = &w->auths;
	bool wanted = wants_hasher(a);
	struct err err;

	verdicts_limit(&a->good, w->limits.auth_verdicts);
	verdicts_limit(&a->bad, w->limits.auth_refusals);
	if (wanted && a->hasher == NULL) {
		a->hasher = hasher_new(w->loop, a->memory, &err);
		if (a->hasher == NULL)
			log_error("auth", "no passwords: %s", err.text);
	} else if (!wanted && a->hasher != NULL && hasher_idle(a->hasher)) {
		hasher_free(a->hasher);
		a->hasher = NULL;
	}
	if (a->hasher != NULL)
		hasher_limit(a->hasher, w->limits.auth_queue);
}

void
auths_relieve(struct auths *a)
{
	unsigned n = verdicts_trim(&a->bad, RELIEF_BATCH);

	if (n < RELIEF_BATCH)
		verdicts_trim(&a->good, RELIEF_BATCH - n);
}

void
auths_remember(struct worker *w, bool good,
    const unsigned char digest[VERDICTS_DIGEST], uint64_t keep_ms,
    struct span lines)
{
	struct verdicts *v = good ? &w->auths.good : &w->auths.bad;
	uint32_t max_ms = w->limits.auth_keep;

	if (verdicts_put(v, digest,
		w->now_ms + (keep_ms < max_ms ? keep_ms : max_ms), lines))
		worker_hit(w, good ? LIMIT_AUTH_VERDICTS : LIMIT_AUTH_REFUSALS);
}

void
auths_done(struct auths *a)
{
	hasher_free(a->hasher);
	a->hasher = NULL;
	verdicts_done(&a->good);
	verdicts_done(&a->bad);
	buf_done(&a->lines);
}
