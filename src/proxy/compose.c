/* SPDX-License-Identifier: ISC */

#include "proxy/compose.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "http/path.h"
#include "model/route.h"
#include "proxy/auth.h"
#include "proxy/downstream.h"
#include "proxy/exchange.h"
#include "base/pen.h"
#include "proxy/policy.h"
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
dropped(const struct head_header *hh, uint64_t drop, const struct auth *auth)
{
	if (auth != NULL && auth_hides(auth, hh))
		return true;
	return hh->hop || (drop >> hh->id & 1) || disguised(hh, drop | FRAMES);
}

/* Neighbours are copied together. */
static void
put_lines(
    struct pen *p, const struct head *h, uint64_t drop, const struct auth *auth)
{
	struct span run = { NULL, 0 };

	for (size_t i = 0; i < h->nheaders; i++) {
		struct span line;

		if (dropped(&h->headers[i], drop, auth)) {
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

/* The same where the route says what goes, one by one. */
static void
put_lines_but(struct pen *p, const struct head *h, uint64_t drop,
    const struct policy_edit *e, const struct auth *auth)
{
	for (size_t i = 0; i < h->nheaders; i++)
		if (!dropped(&h->headers[i], drop | e->drop, auth) &&
		    !policy_drops(e, &h->headers[i]))
			put_span(p, head_line(h, i));
}

/* --- the request ---------------------------------------------------------- */

static void
put_path(struct pen *p, const struct head *h, const struct table_route *to)
{
	struct span path = h->path, rest, rewrite = { NULL, 0 };
	size_t taken;

	if (to->conf->flags & SNAPSHOT_ROUTE_REWRITE)
		rewrite = span_of(to->conf->rewrite);
	if (h->form == TARGET_ASTERISK || to->matched > path.n ||
	    (to->matched == 0 && rewrite.n == 0)) {
		put_span(p, path);
		return;
	}
	taken = path_is_spelled(path) ? path_spelled(path, to->matched)
				      : to->matched;
	rest.p = path.p + taken;
	rest.n = path.n - taken;
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

/* Our span, in the caller's trace or in one of our own. */
static void
put_trace(struct pen *p, const struct exchange *x)
{
	PUT(p, "traceparent: ");
	trace_put(&x->trace, p->at);
	p->at += TRACE_TEXT;
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
put_forwards(struct pen *p, const struct exchange *x)
{
	PUT(p, "Max-Forwards: ");
	put_u64(p, x->forwards - 1);
	PUT(p, "\r\n");
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
	put_trace(p, x);
	PUT(p, "Via: ");
	if (trusted)
		put_values(p, h, HDR_VIA);
	put(p,
	    x->down->http2  ? "2.0 drover\r\n"
		: x->http10 ? "1.0 drover\r\n"
			    : "1.1 drover\r\n",
	    12);
	if (x->remaining_ms != 0) {
		PUT(p, "Drover-Deadline-Ms: ");
		put_u64(p, x->remaining_ms);
		PUT(p, "\r\n");
	}
	if (x->forwards != 0)
		put_forwards(p, x);
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
	const struct policy_edit *e = to->policy != NULL ? &to->policy->request
							 : NULL;
	size_t most = h->size + strlen(to->conf->rewrite) + to->prefix.n +
	    2 * host.n + name.n + x->down->peer->text_len + ADDED;
	struct pen p;
	int r = buf_reserve(&x->req, most + (e != NULL ? e->lines.n : 0));

	if (r < 0)
		return r;
	/* The state belongs to the trace that it came with. */
	if (!(x->notes.flags & RECORD_CONTINUED))
		drop |= BIT(TRACESTATE);
	/* The credential was for us. */
	if (caller != NULL || auth_strips(to->auth))
		drop |= BIT(AUTHORIZATION);
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
	if (e == NULL) {
		put_lines(&p, h, drop, to->auth);
	} else {
		put_lines_but(&p, h, drop, e, to->auth);
		put_span(&p, e->lines);
	}
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

static size_t
room_for_rules(const struct exchange *x)
{
	return x != NULL && x->policy != NULL ? x->policy->room : 0;
}

/* What the route's rules say on each answer: whom it is for, what is left. */
static void
put_rules(struct pen *p, const struct exchange *x)
{
	if (x == NULL || x->policy == NULL)
		return;
	put_span(p, x->origin != NULL ? x->origin->lines : x->policy->others);
	if (!x->rated)
		return;
	put_span(p, x->policy->rate_lines);
	put_u64(p, x->rate_left);
	PUT(p, ";t=");
	put_u64(p, x->rate_reset_s);
	PUT(p, "\r\n");
}

static void
put_answer_lines(struct pen *p, const struct exchange *x, const struct head *h)
{
	uint64_t drop = BIT(DROVER_ERROR) | BIT(X_REQUEST_ID);

	if (x->rframing == FRAMING_CHUNKED && !x->trailers)
		drop |= BIT(TRAILER);
	if (x->policy == NULL) {
		put_lines(p, h, drop, NULL);
		return;
	}
	put_lines_but(p, h, drop, &x->policy->response, NULL);
	put_span(p, x->policy->response.lines);
	put_rules(p, x);
}

size_t
compose_answer(struct exchange *x, const struct head *h, char *out, size_t size)
{
	struct pen p = { out };

	if (h->size + ADDED + room_for_rules(x) > size)
		return 0;
	put_status(&p, h->status, h->reason);
	put_answer_lines(&p, x, h);
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
compose_interim(
    const struct exchange *x, const struct head *h, char *out, size_t size)
{
	struct pen p = { out };

	if (h->size + ADDED > size)
		return 0;
	put_status(&p, h->status, h->reason);
	if (x->policy == NULL)
		put_lines(&p, h, BIT(DROVER_ERROR), NULL);
	else
		put_lines_but(
		    &p, h, BIT(DROVER_ERROR), &x->policy->response, NULL);
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

static void
put_word(struct pen *p, enum scoreboard_fault fault)
{
	PUT(p, "Content-Type: application/problem+json\r\nDrover-Error: ");
	put_span(p, span_of(scoreboard_fault_name(fault)));
	PUT(p, "\r\n");
}

enum scoreboard_fault
compose_fault(unsigned status)
{
	return status == 414 ? FAULT_URI_TOO_LONG
	    : status == 431  ? FAULT_HEAD_TOO_LARGE
			     : FAULT_BAD_REQUEST;
}

size_t
compose_problem(const struct compose_problem *p, char *out, size_t size)
{
	char body[768];
	size_t n = p->bare ? 0 : problem_body(p, body, sizeof(body));
	struct pen pen = { out };

	if (size < sizeof(body) + ADDED + p->lines.n + room_for_rules(p->x))
		return 0;
	put_status(&pen, p->status, span_of(http_reason(p->status)));
	PUT(&pen, "Cache-Control: no-store\r\n");
	if (!p->bare)
		put_word(&pen, p->fault);
	put_span(&pen, p->lines);
	PUT(&pen, "X-Request-Id: ");
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
	put_rules(&pen, p->x);
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

/* --- answers of a route's rules ------------------------------------------- */

static void
put_end(struct pen *p, const struct exchange *x)
{
	PUT(p, "X-Request-Id: ");
	put(p, x->id, x->id_len);
	PUT(p, "\r\n");
	if (!exchange_goes_on(x))
		PUT(p, "Connection: close\r\n");
	else if (x->http10)
		PUT(p, "Connection: keep-alive\r\n");
	PUT(p, "\r\n");
}

static struct span
piece_of(const struct policy *rules, unsigned i, const struct head *h)
{
	switch (rules->pieces[i].piece) {
	case PIECE_HOST:
		return h->hostname;
	case PIECE_PATH:
		return h->path;
	case PIECE_QUERY:
		/* With its '?', which stands before it in the target. */
		if (h->query.p == NULL)
			return h->query;
		return (struct span){ h->query.p - 1, h->query.n + 1 };
	default:
		return rules->pieces[i].text;
	}
}

size_t
compose_redirect(
    const struct exchange *x, const struct head *h, char *out, size_t size)
{
	const struct policy *rules = x->policy;
	struct pen p = { out };
	size_t n = ADDED + rules->room;

	for (unsigned i = 0; i < rules->npieces; i++)
		n += piece_of(rules, i, h).n;
	if (n > size)
		return 0;
	put_status(&p, rules->status, span_of(http_reason(rules->status)));
	PUT(&p, "Location: ");
	for (unsigned i = 0; i < rules->npieces; i++)
		put_span(&p, piece_of(rules, i, h));
	PUT(&p, "\r\nContent-Length: 0\r\n");
	put_rules(&p, x);
	put_end(&p, x);
	return (size_t)(p.at - out);
}

size_t
compose_preflight(const struct exchange *x, char *out, size_t size)
{
	const struct policy *rules = x->policy;
	struct pen p = { out };

	if (ADDED + rules->room > size)
		return 0;
	put_status(&p, 204, SPAN("No Content"));
	put_rules(&p, x);
	if (x->origin != NULL || rules->norigins == 0)
		put_span(&p, rules->preflight);
	put_end(&p, x);
	return (size_t)(p.at - out);
}

size_t
compose_options(
    const struct exchange *x, unsigned methods, char *out, size_t size)
{
	struct pen p = { out };

	if (ADDED + room_for_rules(x) > size)
		return 0;
	put_status(&p, 204, SPAN("No Content"));
	put_allow(&p, methods);
	put_rules(&p, x);
	put_end(&p, x);
	return (size_t)(p.at - out);
}
