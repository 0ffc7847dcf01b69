/* SPDX-License-Identifier: ISC */

/* The phase EXCHANGE_AUTH: a password is hashed, then a service is asked. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/auth_impl.h"
#include "proxy/compose.h"
#include "proxy/downstream.h"
#include "proxy/exchange.h"
#include "proxy/hasher.h"
#include "proxy/service.h"
#include "proxy/subrequest.h"
#include "proxy/table.h"
#include "proxy/worker.h"
#include "tls/digest.h"

static void next_step(struct exchange *x);

/* --- its life ------------------------------------------------------------- */

struct auth_wait *
auth_wait_of(struct exchange *x, struct auth *a)
{
	if (x->wait != NULL)
		return x->wait;
	x->wait = buf_meter_alloc(&x->w->memory, sizeof(*x->wait));
	if (x->wait == NULL)
		return NULL;
	x->wait->x = x;
	x->wait->a = auth_ref(a);
	return x->wait;
}

static void
free_flight(struct auth_flight *f)
{
	list_remove(&f->link);
	buf_meter_free(&f->w->memory, f, sizeof(*f));
}

static void
leave_flight(struct auth_wait *wait)
{
	struct auth_flight *f = wait->flight;

	list_remove(&wait->link);
	wait->flight = NULL;
	/* One without a job has landed: on_hashed() frees it. */
	if (f == NULL || f->job == NULL || !list_empty(&f->waits))
		return;
	hasher_forget(f->w->auths.hasher, f->job);
	free_flight(f);
}

void
auth_cancel(struct exchange *x)
{
	struct auth_wait *wait = x->wait;

	x->wait = NULL;
	if (wait == NULL)
		return;
	leave_flight(wait);
	subrequest_free(wait->sub);
	auth_unref(wait->a);
	explicit_bzero(wait->password, sizeof(wait->password));
	buf_meter_free(&x->w->memory, wait, sizeof(*wait));
}

void
auth_late(struct exchange *x)
{
	if (x->wait->hash == NULL) {
		count64(&x->w->cells->auth_unanswered, 1);
		exchange_fail(x, 504, FAULT_TIMEOUT,
		    "the service that is asked did not answer in time");
		return;
	}
	count64(&x->w->cells->auth_shed, 1);
	worker_hit(x->w, LIMIT_AUTH_TIMEOUT);
	exchange_fail(x, 503, FAULT_QUEUE_TIMEOUT,
	    "too many passwords are to be checked");
}

/* In front of the line that ends the head. */
static int
add_lines(struct exchange *x, struct span lines)
{
	size_t at = x->head_len - 2;
	char *p;
	int r;

	if (lines.n == 0)
		return 0;
	r = buf_reserve(&x->req, lines.n);
	if (r < 0)
		return r;
	p = x->req.data + at;
	memmove(p + lines.n, p, x->req.len - at);
	memcpy(p, lines.p, lines.n);
	x->req.len += lines.n;
	x->head_len += lines.n;
	return 0;
}

static void
fail_memory(struct exchange *x)
{
	exchange_fail(x, 503, FAULT_QUEUE_FULL, "no memory for the request");
}

/* --- passwords ------------------------------------------------------------ */

/* May end x. */
static void
hear_hash(struct exchange *x, int result, struct span lines)
{
	struct auth_wait *wait = x->wait;

	wait->hash = NULL;
	if (result < 0)
		fail_memory(x);
	else if (result == 0)
		auth_refuse(x, wait->a, 401, AUTH_ASKED,
		    "the credentials are not right");
	else if (add_lines(x, lines) < 0)
		fail_memory(x);
	else
		next_step(x);
}

static void
remember(struct worker *w, const struct auth_wait *wait, int result,
    struct span lines)
{
	if (result >= 0)
		auths_remember(w, result == 1, wait->digest, UINT64_MAX, lines);
}

/* May end wait->x, and others with it. */
static void
land(struct worker *w, struct auth_wait *wait, int result)
{
	struct buf *lines = &w->auths.lines;

	if (result == 1 && !wait->known)
		result = 0;
	buf_clear(lines);
	if (result == 1 &&
	    auth_put_line(lines, wait->a->user_header, span_of(wait->user)) < 0)
		result = -ENOMEM;
	remember(w, wait, result, buf_span(lines));
	hear_hash(wait->x, result, buf_span(lines));
}

static void
on_hashed(void *arg, int result)
{
	struct auth_flight *f = arg;
	struct worker *w = f->w;
	struct auth_wait *wait = LIST_FIRST(&f->waits, struct auth_wait, link);

	worker_tick(w);
	f->job = NULL;
	while (wait != NULL) {
		list_remove(&wait->link);
		wait->flight = NULL;
		land(w, wait, result);
		wait = LIST_FIRST(&f->waits, struct auth_wait, link);
	}
	free_flight(f);
	auths_settle(w);
}

static int
new_flight(struct worker *w, struct auth_wait *wait)
{
	struct auth_flight *f = buf_meter_alloc(&w->memory, sizeof(*f));
	int r;

	if (f == NULL)
		return -ENOMEM;
	f->w = w;
	list_init(&f->waits);
	memcpy(f->digest, wait->digest, sizeof(f->digest));
	r = w->auths.hasher == NULL
	    ? -ENOMEM
	    : hasher_add(w->auths.hasher, wait->password, wait->hash, on_hashed,
		  f, &f->job);
	if (r < 0) {
		buf_meter_free(&w->memory, f, sizeof(*f));
		return r;
	}
	count64(&w->cells->auth_checked, 1);
	list_push(&w->auths.flights, &f->link);
	list_push(&f->waits, &wait->link);
	wait->flight = f;
	return 0;
}

/* Those who come with the same credentials wait for the same hash. */
static int
board_flight(struct worker *w, struct auth_wait *wait)
{
	LIST_EACH (f, &w->auths.flights, struct auth_flight, link) {
		if (!digest_equal(f->digest, wait->digest, sizeof(f->digest)))
			continue;
		list_push(&f->waits, &wait->link);
		wait->flight = f;
		return 0;
	}
	return new_flight(w, wait);
}

static void
begin_hash(struct exchange *x)
{
	struct worker *w = x->w;
	int r = board_flight(w, x->wait);

	explicit_bzero(x->wait->password, sizeof(x->wait->password));
	if (r == 0) {
		deadline_set(&w->deadlines, &x->dl, w->auth_kind);
		return;
	}
	count64(&w->cells->auth_shed, 1);
	if (r == -EAGAIN)
		worker_hit(w, LIMIT_AUTH_QUEUE);
	exchange_fail(
	    x, 503, FAULT_QUEUE_FULL, "too many passwords are to be checked");
}

/* --- asking a service ----------------------------------------------------- */

/* The lines of an answer whose names are wanted. */
static int
pick_lines(
    const struct head *h, const struct auth_names *names, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < h->nheaders; i++) {
		const struct head_header *hh = &h->headers[i];

		if (!hh->hop && auth_names_have(names, hh->name))
			r = auth_put_line(out, hh->name, hh->value);
	}
	return r;
}

static void
let_through(struct exchange *x, const struct head *h)
{
	struct buf *lines = &x->w->auths.lines;

	buf_clear(lines);
	if (pick_lines(h, &x->wait->a->answers, lines) < 0 ||
	    add_lines(x, buf_span(lines)) < 0) {
		fail_memory(x);
		return;
	}
	subrequest_free(x->wait->sub);
	x->wait->sub = NULL;
	next_step(x);
}

/* What the service says goes to the client, in place of an answer. */
static void
pass_back(struct exchange *x, const struct head *h)
{
	static const struct auth_names told = {
		.name = { { "WWW-Authenticate", 16 }, { "Location", 8 },
		    { "Set-Cookie", 10 } },
		.n = 3,
	};
	struct buf *lines = &x->w->auths.lines;
	struct compose_problem p = {
		.status = h->status,
		.fault = FAULT_UNAUTHORIZED,
		.bare = true,
	};

	buf_clear(lines);
	if (pick_lines(h, &told, lines) < 0) {
		fail_memory(x);
		return;
	}
	p.lines = buf_span(lines);
	count64(&x->w->cells->auth_refused, 1);
	exchange_problem(x, &p);
}

/* An error of ours has its word in Drover-Error; a service's had none left. */
static void
fail_closed(struct exchange *x, const struct head *h)
{
	const struct head_header *hh = h->status != 0
	    ? head_find(h, HDR_DROVER_ERROR)
	    : NULL;
	enum scoreboard_fault fault = FAULT_BAD_RESPONSE;
	unsigned status = 502;

	for (unsigned i = 1; hh != NULL && i < FAULT_COUNT; i++)
		if (span_eq(hh->value, span_of(scoreboard_fault_name(i)))) {
			fault = (enum scoreboard_fault)i;
			status = h->status;
		}
	if (fault == FAULT_TIMEOUT)
		count64(&x->w->cells->auth_unanswered, 1);
	exchange_fail(x, status, fault,
	    "the service that is asked who may use this route gave no verdict");
}

static void
on_asked(void *arg)
{
	struct auth_wait *wait = arg;
	struct exchange *x = wait->x;
	size_t scanned = 0;
	struct head h;

	head_init(&h, x->w->headers, HEAD_HEADERS_MAX);
	h.limits.head = SUBREQUEST_HEAD_MAX;
	if (head_response(&h, subrequest_answer(wait->sub), &scanned,
		METHOD_GET) != HEAD_OK)
		h.status = 0;
	if (h.status >= 200 && h.status < 300)
		let_through(x, &h);
	else if (h.status == 401 || h.status == 403 ||
	    (h.status > 300 && h.status < 309 && h.status != 304))
		pass_back(x, &h);
	else
		fail_closed(x, &h);
}

static void
begin_asking(struct exchange *x)
{
	struct worker *w = x->w;
	struct auth_wait *wait = x->wait;

	deadline_set(&w->deadlines, &x->dl, wait->a->asked_kind);
	if (subrequest_begin(wait->sub, (struct span){ x->id, x->id_len },
		wait->a->timeout_ms) < 0)
		fail_memory(x);
}

/* --- what it is asked ----------------------------------------------------- */

/* What drover itself told the service about the request, told here too. */
static int
put_told(struct buf *b, struct span head)
{
	static const char *const names[] = { "X-Request-Id: ",
		"X-Forwarded-For: ", "X-Forwarded-Proto: ",
		"X-Forwarded-Host: ", "traceparent: ", "Via: " };
	struct span line;
	int r = 0;

	while (r == 0 && span_next(&head, '\n', &line))
		for (size_t i = 0; r == 0 && i < ARRAY_LEN(names); i++) {
			if (!span_starts(line, span_of(names[i])))
				continue;
			r = buf_append(b, line.p, line.n);
			if (r == 0)
				r = buf_append(b, "\n", 1);
		}
	return r;
}

static int
put_asked(struct buf *b, const struct head *h, const struct auth *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < h->nheaders; i++) {
		const struct head_header *hh = &h->headers[i];

		if (hh->hop || !auth_names_have(&a->asks, hh->name))
			continue;
		r = buf_append(b, head_line(h, i).p, head_line(h, i).n);
	}
	return r;
}

static int
put_uri(struct buf *b, const struct head *h)
{
	int r = buf_puts(b, "\r\nX-Forwarded-Uri: ");

	if (r == 0)
		r = buf_append(b, h->path.p, h->path.n);
	if (r == 0 && h->query.p != NULL) {
		r = buf_append(b, "?", 1);
		if (r == 0)
			r = buf_append(b, h->query.p, h->query.n);
	}
	return r < 0 ? r : buf_puts(b, "\r\n");
}

static int
compose_asking(const struct exchange *x, const struct head *h,
    const struct auth *a, struct span host, struct buf *b)
{
	int r = buf_puts(b, "GET ");

	if (r == 0)
		r = buf_append(b, a->path.p, a->path.n);
	if (r == 0)
		r = buf_puts(b, " HTTP/1.1\r\nHost: ");
	if (r == 0)
		r = buf_append(b, host.p, host.n);
	if (r == 0)
		r = buf_puts(b, "\r\nX-Forwarded-Method: ");
	if (r == 0)
		r = buf_append(b, h->method_name.p, h->method_name.n);
	if (r == 0)
		r = put_uri(b, h);
	if (r == 0)
		r = put_told(b, (struct span){ x->req.data, x->head_len });
	if (r == 0)
		r = put_asked(b, h, a);
	return r < 0 ? r : buf_puts(b, "\r\n");
}

int
auth_enter(struct exchange *x, const struct head *h,
    const struct table_route *to, struct span lines)
{
	struct auth *a = to->auth;
	struct span host = h->host.n > 0 ? h->host : span_of(to->asked->name);
	struct auth_wait *wait;
	int r = add_lines(x, lines);

	if (r < 0 || (a->flags & SNAPSHOT_AUTH_FORWARD) == 0)
		return r;
	wait = auth_wait_of(x, a);
	if (wait == NULL)
		return -ENOMEM;
	wait->sub = subrequest_new(
	    x->w, to->asked, x->down->peer, on_asked, wait);
	if (wait->sub == NULL)
		return -ENOMEM;
	return compose_asking(x, h, a, host, subrequest_head(wait->sub));
}

/* --- step by step --------------------------------------------------------- */

static void
next_step(struct exchange *x)
{
	if (x->wait->hash != NULL) {
		begin_hash(x);
	} else if (x->wait->sub != NULL) {
		begin_asking(x);
	} else {
		deadline_clear(&x->dl);
		auth_cancel(x);
		x->phase = EXCHANGE_NEW;
		exchange_admit(x);
	}
}

void
auth_begin(struct exchange *x)
{
	x->phase = EXCHANGE_AUTH;
	if (!x->read_all)
		downstream_pause(x->down);
	next_step(x);
}
