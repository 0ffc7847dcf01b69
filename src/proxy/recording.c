/* SPDX-License-Identifier: ISC */

#include "proxy/recording.h"

#include <string.h>

#include "proxy/downstream.h"
#include "proxy/endpoint.h"
#include "proxy/exchange.h"
#include "proxy/service.h"
#include "proxy/table.h"
#include "proxy/worker.h"

/* --- ids ------------------------------------------------------------------ */

static bool
is_id(struct span s)
{
	return s.n > 0 && s.n <= EXCHANGE_ID_MAX && http_token(s);
}

static void
put_number(struct worker *w, unsigned char *out, size_t n)
{
	uint64_t v;

	for (; n > 0; n -= sizeof(v), out += sizeof(v)) {
		v = worker_number(w);
		memcpy(out, &v, sizeof(v));
	}
}

/* Two would be ambiguous: then there is none (Trace Context, 3.2). */
static bool
continue_trace(struct exchange *x, const struct head *h)
{
	const struct head_header *said = NULL;

	for (size_t i = 0; i < h->nheaders; i++) {
		if (h->headers[i].id != HDR_TRACEPARENT)
			continue;
		if (said != NULL)
			return false;
		said = &h->headers[i];
	}
	return said != NULL && trace_parse(&x->trace, said->value);
}

static void
set_trace(struct exchange *x, const struct head *h, bool trusted)
{
	x->notes.flags &= ~(uint32_t)RECORD_CONTINUED;
	if (trusted && continue_trace(x, h)) {
		x->notes.flags |= RECORD_CONTINUED;
	} else {
		put_number(x->w, x->trace.id, sizeof(x->trace.id));
		x->trace.flags = TRACE_SAMPLED;
	}
	put_number(x->w, x->trace.span, sizeof(x->trace.span));
}

/* A trace of our own names the request, too: one number less to look for. */
static void
set_id(struct exchange *x, const struct head *h, bool trusted)
{
	const struct head_header *said = trusted
	    ? head_find(h, HDR_X_REQUEST_ID)
	    : NULL;

	x->notes.flags &= ~(uint32_t)RECORD_ID_IS_TRACE;
	x->id_len = WORKER_ID;
	if (said != NULL && is_id(said->value)) {
		x->id_len = said->value.n;
		memcpy(x->id, said->value.p, x->id_len);
	} else if (x->notes.flags & RECORD_CONTINUED) {
		worker_id(x->w, x->id);
	} else {
		str_hex(x->id, x->trace.id, sizeof(x->trace.id));
		x->notes.flags |= RECORD_ID_IS_TRACE;
	}
}

/* --- texts ---------------------------------------------------------------- */

static void
set_tail(struct exchange *x, const struct head *h)
{
	struct notes *t = &x->notes;
	size_t id = t->flags & RECORD_ID_IS_TRACE ? 0 : x->id_len;
	size_t room = RECORD_TAIL - id, n = h->path.n;

	if (n > room) {
		n = room;
		t->flags |= RECORD_PATH_CUT;
	}
	memcpy(t->tail, x->id, id);
	memcpy(t->tail + id, h->path.p, n);
	t->tail_id = (uint8_t)id;
	t->path_len = (uint8_t)n;
}

static struct span
value_of(const struct head *h, enum hdr id)
{
	const struct head_header *hh = head_find(h, id);
	const struct span none = { NULL, 0 };

	return hh != NULL ? hh->value : none;
}

static void
keep_texts(struct exchange *x, const struct head *h)
{
	const struct record_text t = {
		.host = h->host,
		.target = h->target,
		.referer = value_of(h, HDR_REFERER),
		.agent = value_of(h, HDR_USER_AGENT),
	};

	if (x->texts.len == 0 && buf_reserve(&x->texts, RECORD_TEXT_MAX) == 0)
		x->texts.len = record_pack_text(&t, x->texts.data);
}

void
recording_begin(struct exchange *x, const struct head *h, bool trusted)
{
	set_trace(x, h, trusted);
	set_id(x, h, trusted);
	set_tail(x, h);
	if (x->w->table->snap->record_texts)
		keep_texts(x, h);
}

/* --- notes ---------------------------------------------------------------- */

static unsigned
hop(const struct notes *t)
{
	return (t->nhops <= RECORD_HOPS ? t->nhops : RECORD_HOPS) - 1U;
}

void
recording_attempt(struct exchange *x)
{
	struct notes *t = &x->notes;

	if (t->nhops < UINT8_MAX)
		t->nhops++;
	t->hops[hop(t)] = x->ep->record_name;
	t->outcomes[hop(t)] = OUTCOME_UNKNOWN;
	t->attempt_us = x->w->now_us;
}

void
recording_outcome(struct exchange *x, enum record_outcome outcome)
{
	struct notes *t = &x->notes;

	if (t->nhops > 0 && t->outcomes[hop(t)] == OUTCOME_UNKNOWN)
		t->outcomes[hop(t)] = (uint8_t)outcome;
}

void
recording_forget_attempt(struct exchange *x)
{
	if (x->notes.nhops > 0)
		x->notes.nhops--;
}

static uint32_t
us32(uint64_t us)
{
	return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void
recording_connected(struct exchange *x, bool reused)
{
	struct notes *t = &x->notes;

	t->connect_us = us32(x->w->now_us - t->attempt_us);
	t->waited_before_us = t->waited_us;
	t->flags &= ~(uint32_t)RECORD_REUSED;
	if (reused)
		t->flags |= RECORD_REUSED;
}

void
recording_waited(struct exchange *x, uint64_t us)
{
	x->notes.waited_us = us32(x->notes.waited_before_us + us);
	x->notes.flags |= RECORD_QUEUED;
}

void
recording_answer(struct exchange *x)
{
	if (x->notes.first_us == 0)
		x->notes.first_us = us32(x->w->now_us - x->started_us);
}

/* --- the end -------------------------------------------------------------- */

static void
put_peer(struct record *rec, const struct peer *peer)
{
	memcpy(rec->address, peer->address, sizeof(rec->address));
	if (peer->local)
		rec->flags |= RECORD_LOCAL;
	if (peer->internal)
		rec->flags |= RECORD_INTERNAL;
	if (peer->secure)
		rec->flags |= RECORD_TLS;
}

static void
put_notes(struct record *rec, const struct notes *t)
{
	rec->wait_us = t->waited_us;
	rec->connect_us = t->connect_us;
	rec->first_us = t->first_us;
	rec->flags = t->flags;
	rec->route = t->route;
	rec->candidates = t->candidates;
	rec->ejected = t->ejected;
	rec->id_len = t->tail_id;
	rec->path_len = t->path_len;
	rec->nhops = t->nhops;
	rec->over_budget = t->over_budget;
	memcpy(rec->hops, t->hops, sizeof(rec->hops));
	memcpy(rec->outcomes, t->outcomes, sizeof(rec->outcomes));
	memcpy(rec->tail, t->tail, sizeof(rec->tail));
}

static void
put_texts(struct record *rec, struct exchange *x)
{
	rec->text_len = (uint16_t)x->texts.len;
	rec->text_at = 0;
	if (x->texts.len > 0)
		rec->text_at = record_put_text(
		    x->w->records, x->texts.data, x->texts.len);
	buf_clear(&x->texts);
}

void
recording_end(struct exchange *x, unsigned status, enum scoreboard_fault fault)
{
	struct worker *w = x->w;
	struct record *rec;

	if (w->records == NULL)
		return;
	rec = record_begin(w->records);
	put_notes(rec, &x->notes);
	put_peer(rec, x->down->peer);
	put_texts(rec, x);
	memcpy(rec->trace, x->trace.id, sizeof(rec->trace));
	memcpy(rec->span, x->trace.span, sizeof(rec->span));
	rec->started_us = x->started_us;
	rec->total_us = w->now_us - x->started_us;
	rec->bytes_in = x->body;
	rec->bytes_out = x->bytes_out;
	rec->service = x->svc != NULL ? x->svc->record_name : 0;
	rec->status = (uint16_t)status;
	rec->method = (uint8_t)x->method;
	rec->fault = (uint8_t)fault;
	rec->attempts = (uint8_t)x->attempts;
	rec->version = x->down->http2 ? 20 : x->http10 ? 10 : 11;
	if (x->svc != NULL && x->svc->conf.flags & SNAPSHOT_SERVICE_UNLOGGED)
		rec->flags |= RECORD_UNLOGGED;
	if (x->retried)
		rec->flags |= RECORD_RETRIED;
	record_commit(w->records);
}

void
recording_refused(const struct downstream *d, struct span id, unsigned status,
    enum scoreboard_fault fault)
{
	struct worker *w = d->w;
	struct record *rec;

	if (w->records == NULL)
		return;
	rec = record_begin(w->records);
	memset(&rec->started_us, 0, sizeof(*rec) - sizeof(rec->seq));
	put_peer(rec, d->peer);
	rec->started_us = w->now_us;
	rec->status = (uint16_t)status;
	rec->fault = (uint8_t)fault;
	rec->version = d->http2 ? 20 : 11;
	rec->id_len = (uint8_t)id.n;
	memcpy(rec->tail, id.p, id.n);
	record_commit(w->records);
}

uint16_t
recording_name(struct worker *w, const char *name)
{
	return w->records == NULL ? 0
				  : record_intern(w->records, span_of(name));
}
