/* SPDX-License-Identifier: ISC */

/* A policy from a snapshot's route: the lines that it will write. */

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "proxy/policy.h"

#define ARENA_FIRST 512
#define ARENA_MAX (1U << 20)
#define TEXT_MAX (64U * 1024)
#define RATE_NUMBERS 64 /* what compose adds to rate_lines */

/* What is being laid out; `ok` is lost once and for all. */
struct maker {
	struct policy *p;
	struct buf text;
	bool ok;
};

static void
say(struct maker *m, const char *text)
{
	m->ok = m->ok && buf_puts(&m->text, text) == 0;
}

static void
say_span(struct maker *m, struct span s)
{
	m->ok = m->ok && (s.n == 0 || buf_append(&m->text, s.p, s.n) == 0);
}

static void
say_number(struct maker *m, uint64_t n)
{
	m->ok = m->ok &&
	    buf_printf(&m->text, "%llu", (unsigned long long)n) == 0;
}

/* What was said, for as long as the policy lives. */
static struct span
keep(struct maker *m)
{
	struct span s = buf_span(&m->text), kept = { NULL, 0 };

	if (m->ok && s.n > 0) {
		kept.p = arena_copy(&m->p->arena, s);
		kept.n = s.n;
		m->ok = kept.p != NULL;
	}
	buf_clear(&m->text);
	return m->ok ? kept : (struct span){ NULL, 0 };
}

static void *
room_for(struct maker *m, size_t n, size_t size)
{
	void *p = m->ok ? arena_alloc(&m->p->arena, n * size + 1) : NULL;

	m->ok = p != NULL;
	return p;
}

static size_t
parts_of(struct span s, char sep)
{
	struct span part;
	size_t n = 0;

	while (span_next(&s, sep, &part))
		n++;
	return n;
}

/* --- headers -------------------------------------------------------------- */

/* Under one of our ids, or by its name: lower case, with '-' for '_'. */
static void
drop_name(struct maker *m, struct policy_edit *e, struct span name)
{
	char *copy = NULL;
	enum hdr id;

	if (m->ok)
		copy = arena_copy(&m->p->arena, name);
	m->ok = copy != NULL;
	if (!m->ok)
		return;
	for (size_t i = 0; i < name.n; i++) {
		if (copy[i] >= 'A' && copy[i] <= 'Z')
			copy[i] = (char)(copy[i] + 32);
		else if (copy[i] == '_')
			copy[i] = '-';
	}
	name.p = copy;
	id = hdr_of(name);
	if (id != HDR_OTHER)
		e->drop |= UINT64_C(1) << id;
	else
		e->names[e->nnames++] = name;
}

static void
build_edit(struct maker *m, struct policy_edit *e, const char *set,
    const char *gone, size_t more)
{
	struct span lines = span_of(set), names = span_of(gone), part;

	e->names = room_for(m,
	    parts_of(lines, '\n') + parts_of(names, ' ') + more,
	    sizeof(*e->names));
	while (m->ok && names.n > 0 && span_next(&names, ' ', &part))
		drop_name(m, e, part);
	while (m->ok && lines.n > 0 && span_next(&lines, '\n', &part)) {
		struct span rest = part, name;

		if (span_next(&rest, ':', &name))
			drop_name(m, e, name);
		say_span(m, part);
		say(m, "\r\n");
	}
	e->lines = keep(m);
}

/* --- rate limit ----------------------------------------------------------- */

/* The same route in another worker, or after a reload, has the same buckets. */
static uint64_t
identity(const struct snapshot_route *r, const char *service)
{
	static const struct hash_key key = { 0x726f757465, 2 };
	const char *const texts[] = { service, r->host, r->path };
	uint64_t id = (uint64_t)r->methods << 32 | r->flags;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct hash_key k = { key.k0 ^ id, key.k1 };

		id = hash_keyed(&k, texts[i], strlen(texts[i]));
	}
	return id;
}

static void
build_rate(struct maker *m, const struct snapshot_route *r, const char *service)
{
	struct policy *p = m->p;

	if (r->rate_count == 0)
		return;
	p->rate = bucket_rate(r->rate_count, r->rate_period_s, r->rate_burst);
	p->rate_id = identity(r, service);
	say(m, r->rate_header);
	p->rate_header = keep(m);
	p->rate_hdr = hdr_of(p->rate_header);
	/* `q` at once, and `w` seconds until all of them are back. */
	say(m, "RateLimit-Policy: \"default\";q=");
	say_number(m, r->rate_burst);
	say(m, ";w=");
	say_number(m, (p->rate.fill_ns + 999999999) / 1000000000);
	say(m, "\r\nRateLimit: \"default\";r=");
	p->rate_lines = keep(m);
	drop_name(m, &p->response, SPAN("ratelimit"));
	drop_name(m, &p->response, SPAN("ratelimit-policy"));
}

/* --- redirect ------------------------------------------------------------- */

static const struct {
	const char *name;
	enum policy_piece piece;
} holes[] = {
	{ "${host}", PIECE_HOST },
	{ "${path}", PIECE_PATH },
	{ "${query}", PIECE_QUERY },
};

/* The hole that stands here, and how long its name is; else a text. */
static enum policy_piece
piece_at(const char *s, size_t *n)
{
	for (size_t i = 0; i < ARRAY_LEN(holes); i++) {
		*n = strlen(holes[i].name);
		if (strncmp(s, holes[i].name, *n) == 0)
			return holes[i].piece;
	}
	*n = 1 + strcspn(s + 1, "$");
	return PIECE_TEXT;
}

static void
build_redirect(struct maker *m, const struct snapshot_route *r)
{
	struct policy *p = m->p;
	const char *at;
	size_t n;

	if (r->redirect[0] == '\0')
		return;
	p->status = r->redirect_status;
	p->https = r->flags & SNAPSHOT_ROUTE_HTTPS;
	say(m, r->redirect);
	at = keep(m).p;
	p->pieces = room_for(m, strlen(r->redirect), sizeof(*p->pieces));
	for (; m->ok && *at != '\0'; at += n) {
		enum policy_piece piece = piece_at(at, &n);

		p->pieces[p->npieces].piece = piece;
		p->pieces[p->npieces++].text = (struct span){ at, n };
	}
}

/* --- cors ----------------------------------------------------------------- */

static void
say_methods(struct maker *m, unsigned set)
{
	const char *sep = "Access-Control-Allow-Methods: ";
	static const enum method methods[] = { METHOD_GET, METHOD_HEAD,
		METHOD_POST, METHOD_PUT, METHOD_DELETE, METHOD_PATCH,
		METHOD_OPTIONS };

	for (unsigned i = 0; i < ARRAY_LEN(methods); i++) {
		if (!(set >> i & 1))
			continue;
		say(m, sep);
		say(m, method_name(methods[i]));
		sep = ", ";
	}
	say(m, "\r\n");
}

static void
say_list(struct maker *m, const char *name, const char *list)
{
	if (list[0] == '\0')
		return;
	say(m, name);
	say(m, list);
	say(m, "\r\n");
}

static struct span
origin_lines(struct maker *m, const struct snapshot_route *r, struct span o)
{
	say(m, "Access-Control-Allow-Origin: ");
	say_span(m, o);
	say(m, "\r\n");
	if (r->flags & SNAPSHOT_ROUTE_CREDENTIALS)
		say(m, "Access-Control-Allow-Credentials: true\r\n");
	say_list(m, "Access-Control-Expose-Headers: ", r->cors_expose);
	if (!span_eq(o, SPAN("*")))
		say(m, "Vary: Origin\r\n");
	return keep(m);
}

static void
build_preflight(struct maker *m, const struct snapshot_route *r)
{
	unsigned methods = r->cors_methods != 0 ? r->cors_methods : r->methods;

	if (methods == 0)
		methods = SNAPSHOT_GET | SNAPSHOT_HEAD | SNAPSHOT_POST;
	say_methods(m, methods);
	say_list(m, "Access-Control-Allow-Headers: ", r->cors_headers);
	if (r->cors_max_age_s > 0) {
		say(m, "Access-Control-Max-Age: ");
		say_number(m, r->cors_max_age_s);
		say(m, "\r\n");
	}
	m->p->preflight = keep(m);
}

static void
build_cors(struct maker *m, const struct snapshot_route *r)
{
	struct span rest = span_of(r->cors_origins), o;
	struct policy *p = m->p;

	p->cors = p->response.cors = rest.n > 0;
	if (!p->cors)
		return;
	build_preflight(m, r);
	if (span_eq(rest, SPAN("*"))) {
		p->others = origin_lines(m, r, rest);
		return;
	}
	say(m, "Vary: Origin\r\n");
	p->others = keep(m);
	p->origins = room_for(m, parts_of(rest, ' '), sizeof(*p->origins));
	while (m->ok && rest.n > 0 && span_next(&rest, ' ', &o)) {
		struct policy_origin *to = &p->origins[p->norigins++];

		say_span(m, o);
		to->origin = keep(m);
		to->lines = origin_lines(m, r, o);
		if (to->lines.n > p->room)
			p->room = to->lines.n;
	}
}

/* --- the whole ------------------------------------------------------------ */

bool
policy_wanted(const struct snapshot_route *r)
{
	return r->request_set[0] != '\0' || r->request_remove[0] != '\0' ||
	    r->response_set[0] != '\0' || r->response_remove[0] != '\0' ||
	    r->redirect[0] != '\0' || r->rate_count != 0 ||
	    r->cors_origins[0] != '\0';
}

struct policy *
policy_new(const struct snapshot_route *r, const char *service)
{
	struct maker m = { .p = calloc(1, sizeof(*m.p)), .ok = true };
	struct policy *p = m.p;

	if (p == NULL)
		return NULL;
	p->refs = 1;
	arena_init(&p->arena, ARENA_FIRST, ARENA_MAX);
	buf_init(&m.text, TEXT_MAX);
	build_edit(&m, &p->request, r->request_set, r->request_remove, 0);
	build_edit(&m, &p->response, r->response_set, r->response_remove, 2);
	build_rate(&m, r, service);
	build_redirect(&m, r);
	build_cors(&m, r);
	buf_done(&m.text);
	p->room += p->response.lines.n + p->others.n + p->preflight.n +
	    p->rate_lines.n + RATE_NUMBERS;
	if (m.ok)
		return p;
	policy_unref(p);
	return NULL;
}

struct policy *
policy_ref(struct policy *p)
{
	p->refs++;
	return p;
}

void
policy_unref(struct policy *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	arena_done(&p->arena);
	free(p);
}
