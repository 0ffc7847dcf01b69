/* SPDX-License-Identifier: ISC */

#include "proxy/compose.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "model/route.h"
#include "proxy/downstream.h"
#include "proxy/exchange.h"
#include "proxy/service.h"
#include "proxy/table.h"
#include "proxy/worker.h"

#define BIT(id) (UINT64_C(1) << HDR_##id)

/* What only drover says to an endpoint, whoever the client is. */
#define OURS                                                        \
	(BIT(HOST) | BIT(X_FORWARDED_FOR) | BIT(X_FORWARDED_HOST) | \
	    BIT(X_FORWARDED_PROTO) | BIT(X_FORWARDED_PREFIX) |      \
	    BIT(X_REQUEST_ID) | BIT(TRACEPARENT) | BIT(VIA) |       \
	    BIT(DROVER_CALLER) | BIT(DROVER_DEADLINE_MS) | BIT(DROVER_ERROR))

/* What a trusted proxy may say beside these. */
#define TRUSTED                                              \
	(BIT(FORWARDED) | BIT(X_REAL_IP) | BIT(TRACESTATE) | \
	    BIT(X_FORWARDED_PORT))

/* Passed on as it is, but in no other spelling. */
#define FRAMES (BIT(CONTENT_LENGTH) | BIT(TRANSFER_ENCODING))

/* Room for what we add, without the variable parts. */
#define ADDED 640

/* --- writing -------------------------------------------------------------- */

/* A cursor into memory that is known to be enough. */
struct pen {
	char *at;
};

static void
put(struct pen *p, const void *data, size_t n)
{
	memcpy(p->at, data, n);
	p->at += n;
}

static void
put_span(struct pen *p, struct span s)
{
	if (s.n > 0)
		put(p, s.p, s.n);
}

#define PUT(p, lit) put((p), "" lit, sizeof(lit) - 1)

static void
put_u64(struct pen *p, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	put(p, digits + n, sizeof(digits) - n);
}

static void
put_line(struct pen *p, struct span name, struct span value)
{
	put_span(p, name);
	put(p, ": ", 2);
	put_span(p, value);
	put(p, "\r\n", 2);
}

/* --- lines that are passed on --------------------------------------------- */

/* X_Forwarded_For, which a CGI-like service reads as X-Forwarded-For. */
static bool
disguised(const struct head_header *hh, uint64_t drop)
{
	char name[32];

	if (hh->id != HDR_OTHER || hh->name.n >= sizeof(name) ||
	    memchr(hh->name.p, '_', hh->name.n) == NULL)
		return false;
	for (size_t i = 0; i < hh->name.n; i++)
		name[i] = hh->name.p[i] == '_' ? '-' : hh->name.p[i];
	return drop >> hdr_of((struct span){ name, hh->name.n }) & 1;
}

static bool
dropped(const struct head_header *hh, uint64_t drop)
{
	return hh->hop || (drop >> hh->id & 1) || disguised(hh, drop | FRAMES);
}

/* Neighbours are copied together. */
static void
put_lines(struct pen *p, const struct head *h, uint64_t drop)
{
	struct span run = { NULL, 0 };

	for (size_t i = 0; i < h->nheaders; i++) {
		struct span line;

		if (dropped(&h->headers[i], drop)) {
			put_span(p, run);
			run.n = 0;
			continue;
		}
		line = head_line(h, i);
		if (run.n == 0)
			run.p = line.p;
		run.n += line.n;
	}
	put_span(p, run);
}

/* --- the request ---------------------------------------------------------- */

static void
put_path(struct pen *p, const struct head *h, const struct table_route *to)
{
	struct span path = h->path, rest, rewrite = { NULL, 0 };

	if (to->conf->flags & SNAPSHOT_ROUTE_REWRITE)
		rewrite = span_of(to->conf->rewrite);
	if (h->form == TARGET_ASTERISK || to->matched > path.n ||
	    (to->matched == 0 && rewrite.n == 0)) {
		put_span(p, path);
		return;
	}
	rest.p = path.p + to->matched;
	rest.n = path.n - to->matched;
	put_span(p, rewrite);
	/* rest is empty or begins with a '/'. */
	if (rewrite.n > 0 && rewrite.p[rewrite.n - 1] == '/' && rest.n > 0)
		p->at--;
	if (rewrite.n == 0 && rest.n == 0)
		put(p, "/", 1);
	put_span(p, rest);
}

static void
put_values(struct pen *p, const struct head *h, enum hdr id)
{
	for (size_t i = 0; i < h->nheaders; i++) {
		if (h->headers[i].id != id)
			continue;
		put_span(p, h->headers[i].value);
		put(p, ", ", 2);
	}
}

/* What the trusted client said, else what we know. */
static void
put_told(struct pen *p, const struct head *h, enum hdr id, struct span name,
    bool trusted, struct span own)
{
	const struct head_header *said = trusted ? head_find(h, id) : NULL;

	put_line(p, name, said != NULL ? said->value : own);
}

static bool
is_id(struct span s)
{
	return s.n > 0 && s.n <= EXCHANGE_ID_MAX && http_token(s);
}

static void
take_id(struct exchange *x, const struct head *h, bool trusted)
{
	const struct head_header *said = trusted
	    ? head_find(h, HDR_X_REQUEST_ID)
	    : NULL;

	if (said != NULL && is_id(said->value)) {
		memcpy(x->id, said->value.p, said->value.n);
		x->id_len = said->value.n;
		return;
	}
	worker_id(x->w, x->id);
	x->id_len = WORKER_ID;
}

/* 00-<32 hex digits>-<16 hex digits>-<2 hex digits> */
static bool
is_traceparent(struct span s)
{
	if (s.n != 55 || s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (i != 2 && i != 35 && i != 52 &&
		    strchr("0123456789abcdef", s.p[i]) == NULL)
			return false;
	return memcmp(s.p, "ff", 2) != 0;
}

/* A new span in the caller's trace, or in one of our own. */
static void
put_trace(struct pen *p, struct exchange *x, const struct head *h, bool trusted)
{
	const struct head_header *said = trusted ? head_find(h, HDR_TRACEPARENT)
						 : NULL;
	char span[WORKER_ID];

	PUT(p, "traceparent: 00-");
	worker_id(x->w, span);
	if (said != NULL && is_traceparent(said->value)) {
		put(p, said->value.p + 3, 33);
		put(p, span, 16);
		put(p, said->value.p + 52, 3);
	} else {
		char trace[WORKER_ID];

		if (x->id_len == WORKER_ID && !trusted)
			memcpy(trace, x->id, WORKER_ID);
		else
			worker_id(x->w, trace);
		put(p, trace, WORKER_ID);
		put(p, "-", 1);
		put(p, span, 16);
		PUT(p, "-01");
	}
	PUT(p, "\r\n");
}

static void
put_origin(
    struct pen *p, struct exchange *x, const struct head *h, bool trusted)
{
	const struct peer *peer = x->down->peer;

	PUT(p, "X-Forwarded-For: ");
	if (trusted)
		put_values(p, h, HDR_X_FORWARDED_FOR);
	put(p, peer->text, peer->text_len);
	PUT(p, "\r\n");
	put_told(p, h, HDR_X_FORWARDED_PROTO, SPAN("X-Forwarded-Proto"),
	    trusted, peer->secure ? SPAN("https") : SPAN("http"));
	put_told(p, h, HDR_X_FORWARDED_HOST, SPAN("X-Forwarded-Host"), trusted,
	    h->host);
}

static void
put_upgrade(struct pen *p, const struct exchange *x)
{
	PUT(p, "Connection: Upgrade\r\n");
	put_line(p, SPAN("Upgrade"), span_of(x->upgrade));
}

static void
put_added(struct pen *p, struct exchange *x, const struct head *h,
    const struct table_route *to, bool trusted)
{
	const struct head_header *said = head_find(h, HDR_X_FORWARDED_PREFIX);

	PUT(p, "X-Request-Id: ");
	put(p, x->id, x->id_len);
	PUT(p, "\r\n");
	put_origin(p, x, h, trusted);
	if (trusted && said != NULL)
		put_line(p, SPAN("X-Forwarded-Prefix"), said->value);
	else
		put_span(p, to->prefix);
	put_trace(p, x, h, trusted);
	PUT(p, "Via: ");
	if (trusted)
		put_values(p, h, HDR_VIA);
	put(p, x->http10 ? "1.0 drover\r\n" : "1.1 drover\r\n", 12);
	if (x->remaining_ms != 0) {
		PUT(p, "Drover-Deadline-Ms: ");
		put_u64(p, x->remaining_ms);
		PUT(p, "\r\n");
	}
	if (x->framing == FRAMING_CHUNKED)
		PUT(p, "Transfer-Encoding: chunked\r\n");
	if (x->upgrade[0] != '\0')
		put_upgrade(p, x);
}

int
compose_request(struct exchange *x, const struct head *h,
    const struct table_route *to, const char *caller)
{
	bool trusted = x->down->peer->trusted || caller != NULL;
	struct span name = span_of(caller);
	struct span host = h->host.n > 0 ? h->host : span_of(x->svc->name);
	uint64_t drop = OURS | (trusted ? 0 : TRUSTED);
	size_t most = h->size + strlen(to->conf->rewrite) + to->prefix.n +
	    2 * host.n + name.n + x->down->peer->text_len + ADDED;
	struct pen p;
	int r = buf_reserve(&x->req, most);

	if (r < 0)
		return r;
	/* The credential was for us. */
	if (caller != NULL)
		drop |= BIT(AUTHORIZATION);
	take_id(x, h, trusted);
	p.at = x->req.data;
	put_span(&p, h->method_name);
	put(&p, " ", 1);
	put_path(&p, h, to);
	if (h->query.p != NULL) {
		put(&p, "?", 1);
		put_span(&p, h->query);
	}
	PUT(&p, " HTTP/1.1\r\n");
	put_line(&p, SPAN("Host"), host);
	put_lines(&p, h, drop);
	put_added(&p, x, h, to, trusted);
	if (name.n > 0)
		put_line(&p, SPAN("Drover-Caller"), name);
	PUT(&p, "\r\n");
	x->req.len = x->head_len = (size_t)(p.at - x->req.data);
	return 0;
}

/* --- the answer ----------------------------------------------------------- */

static void
put_status(struct pen *p, unsigned status, struct span reason)
{
	PUT(p, "HTTP/1.1 ");
	put_u64(p, status);
	put(p, " ", 1);
	put_span(p, reason);
	PUT(p, "\r\n");
}

size_t
compose_answer(struct exchange *x, const struct head *h, char *out, size_t size)
{
	struct pen p = { out };

	if (h->size + ADDED > size)
		return 0;
	put_status(&p, h->status, h->reason);
	put_lines(&p, h,
	    BIT(DROVER_ERROR) | BIT(X_REQUEST_ID) |
		(x->decode ? BIT(TRAILER) : 0)); /* they went with the chunks */
	PUT(&p, "X-Request-Id: ");
	put(&p, x->id, x->id_len);
	PUT(&p, "\r\n");
	if (x->encode || (x->rframing == FRAMING_CHUNKED && !x->decode))
		PUT(&p, "Transfer-Encoding: chunked\r\n");
	if (h->status == 101)
		put_upgrade(&p, x);
	else if (!x->keep)
		PUT(&p, "Connection: close\r\n");
	else if (x->http10)
		PUT(&p, "Connection: keep-alive\r\n");
	PUT(&p, "\r\n");
	return (size_t)(p.at - out);
}

size_t
compose_interim(const struct head *h, char *out, size_t size)
{
	struct pen p = { out };

	if (h->size + ADDED > size)
		return 0;
	put_status(&p, h->status, h->reason);
	put_lines(&p, h, BIT(DROVER_ERROR));
	PUT(&p, "\r\n");
	return (size_t)(p.at - out);
}

/* --- our own -------------------------------------------------------------- */

static void
put_allow(struct pen *p, unsigned methods)
{
	static const char *const names[] = { "GET", "HEAD", "POST", "PUT",
		"DELETE", "PATCH", "OPTIONS" };
	const char *sep = "Allow: ";

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (!(methods >> i & 1))
			continue;
		put_span(p, span_of(sep));
		put_span(p, span_of(names[i]));
		sep = ", ";
	}
	PUT(p, "\r\n");
}

/* Our own words: nothing in them wants escaping. */
static size_t
problem_body(const struct compose_problem *p, char *out, size_t size)
{
	int n = snprintf(out, size,
	    "{\"type\":\"/errors/%s\",\"title\":\"%s\",\"status\":%u,"
	    "\"detail\":\"%s\",\"request_id\":\"%.*s\"}\n",
	    scoreboard_fault_name(p->fault), http_reason(p->status), p->status,
	    p->detail, (int)p->id.n, p->id.p);

	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

size_t
compose_problem(const struct compose_problem *p, char *out, size_t size)
{
	char body[768];
	size_t n = problem_body(p, body, sizeof(body));
	struct pen pen = { out };

	if (size < sizeof(body) + ADDED)
		return 0;
	put_status(&pen, p->status, span_of(http_reason(p->status)));
	PUT(&pen,
	    "Content-Type: application/problem+json\r\n"
	    "Cache-Control: no-store\r\nDrover-Error: ");
	put_span(&pen, span_of(scoreboard_fault_name(p->fault)));
	PUT(&pen, "\r\nX-Request-Id: ");
	put_span(&pen, p->id);
	PUT(&pen, "\r\nContent-Length: ");
	put_u64(&pen, n);
	PUT(&pen, "\r\n");
	if (p->retry_s > 0) {
		PUT(&pen, "Retry-After: ");
		put_u64(&pen, p->retry_s);
		PUT(&pen, "\r\n");
	}
	if (p->allowed != 0)
		put_allow(&pen, p->allowed);
	if (p->challenge)
		PUT(&pen, "WWW-Authenticate: Basic realm=\"drover\"\r\n");
	if (p->close)
		PUT(&pen, "Connection: close\r\n");
	else if (p->keep_alive)
		PUT(&pen, "Connection: keep-alive\r\n");
	PUT(&pen, "\r\n");
	if (!p->head)
		put(&pen, body, n);
	return (size_t)(pen.at - out);
}
