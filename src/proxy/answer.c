/* SPDX-License-Identifier: ISC */

/* The way of an answer: from the endpoint to the client. */

#include <errno.h>
#include <string.h>

#include "proxy/compose.h"
#include "proxy/downstream.h"
#include "proxy/endpoint.h"
#include "proxy/exchange.h"
#include "proxy/pump.h"
#include "proxy/service.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

#define SPLICE_MIN (128U * 1024) /* of a body: less is copied sooner */
#define SIZE_TEXT 20		 /* a chunk size in hex, and CRLF */

/* One piece of the answer as the client gets it. */
struct piece {
	struct iovec iov[4];
	int n;
	size_t head; /* bytes of the head, in the first */
	size_t used; /* of what came from the endpoint */
	bool done;
	bool bad;
	bool cut; /* no memory for its trailers */
	char size[SIZE_TEXT];
};

static void
add(struct piece *p, const void *data, size_t n)
{
	if (n > 0)
		p->iov[p->n++] = (struct iovec){ (void *)data, n };
}

static size_t
hex_line(char *out, size_t v)
{
	char digits[16];
	size_t n = sizeof(digits), len;

	do {
		digits[--n] = "0123456789abcdef"[v & 15];
		v >>= 4;
	} while (v != 0);
	len = sizeof(digits) - n;
	memcpy(out, digits + n, len);
	memcpy(out + len, "\r\n", 2);
	return len + 2;
}

static void
cut_length(struct exchange *x, struct span in, struct piece *p)
{
	p->used = in.n < x->rleft ? in.n : (size_t)x->rleft;
	x->rleft -= p->used;
	p->done = x->rleft == 0;
	add(p, in.p, p->used);
}

static void
cut_chunked(struct exchange *x, struct span in, struct piece *p)
{
	uint32_t before = chunk_trailers(&x->rchunk);
	enum chunk_verdict v = chunk_follow(&x->rchunk, in, &p->used);

	p->done = v == CHUNK_END;
	p->bad = v == CHUNK_BAD;
	if (x->trailers)
		add(p, in.p, p->used);
	else if (!p->bad)
		add(p, in.p, p->used - (chunk_trailers(&x->rchunk) - before));
	if (!x->trailers && p->done)
		add(p, "\r\n", 2);
}

/* The last n bytes of what was decoded are of its trailer section. */
static void
keep_trailers(struct exchange *x, struct span in, size_t n, struct piece *p)
{
	bool none = p->done && chunk_trailers(&x->rchunk) == 2;

	if (n > 0 && !none && buf_append(&x->up->in, in.p + in.n - n, n) < 0)
		p->cut = true;
}

/* Where no chunks can go: the data moved together, in place. */
static void
cut_decoded(struct exchange *x, struct span in, struct piece *p)
{
	struct span rest = in, data;
	char *start = (char *)(uintptr_t)in.p, *at = start;
	uint32_t before = chunk_trailers(&x->rchunk);
	enum chunk_verdict v;

	while ((v = chunk_next(&x->rchunk, &rest, &data)) == CHUNK_DATA) {
		memmove(at, data.p, data.n);
		at += data.n;
	}
	p->used = in.n - rest.n;
	p->done = v == CHUNK_END;
	p->bad = v == CHUNK_BAD;
	add(p, start, (size_t)(at - start));
	if (x->trailers && !p->bad)
		keep_trailers(x, (struct span){ in.p, p->used },
		    chunk_trailers(&x->rchunk) - before, p);
}

/* Until the endpoint closes: as chunks, so that the end can be seen. */
static void
cut_open(struct exchange *x, struct span in, struct piece *p)
{
	p->used = in.n;
	if (in.n == 0)
		return;
	if (x->encode)
		add(p, p->size, hex_line(p->size, in.n));
	add(p, in.p, in.n);
	if (x->encode)
		add(p, "\r\n", 2);
}

static void
cut_piece(struct exchange *x, struct span in, struct piece *p)
{
	switch (x->rframing) {
	case FRAMING_NONE:
		p->done = true;
		break;
	case FRAMING_LENGTH:
		cut_length(x, in, p);
		break;
	case FRAMING_CHUNKED:
		if (x->decode)
			cut_decoded(x, in, p);
		else
			cut_chunked(x, in, p);
		break;
	case FRAMING_CLOSE:
		cut_open(x, in, p);
		break;
	}
	x->bytes_out += p->used;
	/* Bytes behind the end: nobody asked for them. */
	if (p->done && p->used < in.n)
		x->reusable = false;
}

/* How much to read at once: more where the client keeps up. */
static size_t
stride(const struct exchange *x)
{
	return (size_t)WORKER_PIECE << x->out_stride;
}

/* Back-pressure: the endpoint waits until the client has taken the tail. */
static void
hold_or_go_on(struct exchange *x)
{
	bool more = downstream_pending(x->down) == 0;
	struct deadline_kind *kind = more ? x->svc->idle_kind : x->w->send_kind;

	worker_tick(x->w);
	recording_answer(x);
	if (!more || relief_step(&x->w->relief) > PRESSURE_NONE)
		x->out_stride = 0;
	else if (stride(x) < WORKER_SCRATCH)
		x->out_stride++;
	if (wire_read(&x->up->wire, more) < 0)
		wire_pause(&x->up->wire); /* the idle deadline ends it */
	if (kind->ms != 0)
		deadline_set(&x->w->deadlines, &x->dl, kind);
	else
		deadline_clear(&x->dl);
}

/* False: they cannot go on, so the answer may not look complete. */
static bool
pass_trailers(struct exchange *x)
{
	struct buf *kept = &x->up->in;
	int r = 0;

	if (!x->decode || !x->trailers || kept->len == 0)
		return true;
	if (kept->len > 2)
		r = x->down->ops->trailers(
		    x->down, (struct span){ kept->data, kept->len - 2 });
	buf_done(kept);
	if (r == -ENOBUFS)
		worker_hit(x->w, LIMIT_RESPONSE_HEAD);
	return r == 0;
}

/* May end x. */
static void
send_piece(struct exchange *x, struct piece *p)
{
	if (x->ep != NULL)
		count64(&x->ep->count->bytes_out, p->used);
	if (p->n > 0 && downstream_send(x->down, p->head, p->iov, p->n) < 0) {
		exchange_cancel(x);
		return;
	}
	if (p->bad)
		exchange_bad_response(x, "bad chunk");
	else if (p->cut || (p->done && !pass_trailers(x)))
		exchange_cut(x);
	else if (p->done)
		exchange_finish(x);
	else
		hold_or_go_on(x);
}

void
answer_drained(struct exchange *x)
{
	if (x->phase == EXCHANGE_TUNNEL)
		pump_drained(x);
	else if (x->phase == EXCHANGE_ANSWERING && x->up != NULL)
		hold_or_go_on(x);
}

/* --- the head ------------------------------------------------------------- */

/* Keep-Alive: timeout=5 */
static uint32_t
keep_alive_ms(const struct head *h)
{
	const struct head_header *hh = head_find(h, HDR_KEEP_ALIVE);
	struct span rest, part;
	uint64_t s;

	if (hh == NULL)
		return 0;
	rest = hh->value;
	while (span_next(&rest, ',', &part)) {
		part = span_trim(part);
		if (!span_starts(part, SPAN("timeout=")))
			continue;
		part.p += 8;
		part.n -= 8;
		if (str_u64(part, &s) == 0 && s < 86400)
			return (uint32_t)s * 1000;
	}
	return 0;
}

/*
 * Whether Connection names what might be a trailer: that would end here (RFC
 * 9110, 7.6.1), and so all of them do.
 */
static bool
names_trailers(const struct head *h)
{
	if (!head_has(h, HDR_CONNECTION))
		return false;
	for (size_t i = 0; i < h->nheaders; i++) {
		struct span rest = h->headers[i].value, one;

		if (h->headers[i].id != HDR_CONNECTION)
			continue;
		while (span_next(&rest, ',', &one)) {
			one = span_trim(one);
			if (one.n > 0 && !span_eq_nocase(one, SPAN("close")) &&
			    !chunk_forbids(one))
				return true;
		}
	}
	return false;
}

static bool
takes_trailers(const struct exchange *x)
{
	return !x->decode || (!x->http10 && x->down->ops->trailers != NULL);
}

static void
count_status(struct exchange *x, unsigned status)
{
	if (status >= 500)
		count64(&x->ep->count->errors, 1);
	if (exchange_gateway_error(status))
		service_blame(x->svc, x->ep);
}

static void
read_answer(struct exchange *x, const struct head *h)
{
	bool raw = x->http10 || x->down->raw;

	x->status = h->status;
	x->rframing = h->framing;
	x->rleft = h->length;
	x->reusable = h->keep_alive && h->framing != FRAMING_CLOSE;
	x->encode = h->framing == FRAMING_CLOSE && !raw;
	x->decode = h->framing == FRAMING_CHUNKED && raw;
	if (h->framing == FRAMING_CHUNKED) {
		chunk_init(&x->rchunk);
		x->trailers = takes_trailers(x) && !names_trailers(h);
	}
	if (x->http10 &&
	    (h->framing == FRAMING_CLOSE || h->framing == FRAMING_CHUNKED))
		x->keep = false;
	/* Answered before the request was whole: there it ends. */
	if (!x->read_all || x->down->eof || x->w->draining)
		x->keep = false;
	count_status(x, h->status);
	x->up->keep_ms = keep_alive_ms(h);
	x->up->bodyless = h->framing == FRAMING_NONE;
}

/* May end x. */
static void
forward(struct exchange *x, const struct head *h, struct span body)
{
	struct worker *w = x->w;
	struct piece p = { .n = 0 };
	size_t n;

	if (h->status >= 500 && service_spares(x->svc, x)) {
		count_status(x, h->status);
		exchange_set_aside(x);
		return;
	}
	read_answer(x, h);
	n = compose_answer(x, h, w->heads, WORKER_HEADS);
	if (n == 0) {
		exchange_bad_response(x, "head too large");
		return;
	}
	buf_done(&x->up->in);
	x->phase = EXCHANGE_ANSWERING;
	request_drop_replay(x);
	p.head = n;
	add(&p, w->heads, n);
	cut_piece(x, body, &p);
	send_piece(x, &p);
}

/* RFC 9110, 15.2: zero or more; those without end are no answer. */
static bool
too_many_interims(struct exchange *x)
{
	if (++x->interims <= x->w->limits.interims)
		return false;
	worker_hit(x->w, LIMIT_INTERIMS);
	return true;
}

/* All go on (RFC 9110, 15.2) but 100, which was answered by us. */
static int
interim(struct exchange *x, const struct head *h)
{
	struct iovec iov = { x->w->heads, 0 };

	if (h->status == 100 || x->http10)
		return 0;
	iov.iov_len = compose_interim(x, h, x->w->heads, WORKER_HEADS);
	return iov.iov_len == 0
	    ? 0
	    : downstream_send(x->down, iov.iov_len, &iov, 1);
}

/* May end x. */
static void
switch_protocol(struct exchange *x, const struct head *h, struct span rest)
{
	if (x->upgrade[0] == '\0')
		exchange_bad_response(x, "101 that nobody asked for");
	else if (!head_lists(h, HDR_UPGRADE, span_of(x->upgrade)))
		exchange_bad_response(x, "101 to another protocol");
	else
		pump_begin(x, h, rest);
}

static int
keep_part(struct upstream *up, struct span in)
{
	if (up->in.data == in.p)
		return 0;
	buf_clear(&up->in);
	return in.n == 0 ? 0 : buf_append(&up->in, in.p, in.n);
}

/* May end x. */
static void
parse_heads(struct exchange *x, struct span in)
{
	struct upstream *up = x->up;
	struct head h;

	for (;;) {
		enum head_verdict v;

		head_init(&h, x->w->headers, x->w->limits.head_lines);
		h.limits.head = x->w->limits.response_head;
		v = head_response(&h, in, &up->scanned, x->method);
		if (v == HEAD_REFUSED) {
			if (head_refusal_status(h.refusal) == 431)
				worker_hit(x->w, LIMIT_RESPONSE_HEAD);
			exchange_bad_response(x, head_refusal_text(h.refusal));
			return;
		}
		if (v == HEAD_MORE)
			break;
		up->scanned = 0;
		in.p += h.size;
		in.n -= h.size;
		if (h.status >= 200) {
			forward(x, &h, in);
			return;
		}
		if (h.status == 101) {
			switch_protocol(x, &h, in);
			return;
		}
		if (too_many_interims(x)) {
			exchange_bad_response(x, "too many interim answers");
			return;
		}
		if (interim(x, &h) < 0) {
			exchange_cancel(x);
			return;
		}
	}
	if (keep_part(up, in) < 0)
		exchange_bad_response(x, "head too large");
}

/* --- reading -------------------------------------------------------------- */

/* The endpoint said all; with a body until close that is its end. */
static void
closed(struct exchange *x)
{
	struct piece p = { .done = true };

	if (x->phase != EXCHANGE_ANSWERING || x->rframing != FRAMING_CLOSE) {
		exchange_lost(x, 0);
		return;
	}
	if (x->encode)
		add(&p, "0\r\n\r\n", 5);
	send_piece(x, &p);
}

/* A piece that never leaves the kernel. False: it has to be copied. */
static bool
spliced(struct exchange *x)
{
	struct piece p = { .n = 0 };
	ssize_t n;

	if (x->rframing != FRAMING_LENGTH || x->rleft < SPLICE_MIN)
		return false;
	n = downstream_splice(x->down, x->up->wire.fd, x->rleft);
	if (n == -ENOBUFS)
		return false;
	if (n == -EPIPE) {
		exchange_cancel(x);
	} else if (n == 0) {
		closed(x);
	} else if (n < 0) {
		if (n != -EAGAIN)
			exchange_lost(x, (int)-n);
	} else {
		p.used = (size_t)n;
		x->rleft -= p.used;
		x->bytes_out += p.used;
		p.done = x->rleft == 0;
		send_piece(x, &p);
	}
	return true;
}

void
exchange_readable(struct exchange *x)
{
	struct worker *w = x->w;
	struct buf *part = &x->up->in;
	bool answering = x->phase == EXCHANGE_ANSWERING;
	size_t have = answering ? 0 : part->len;
	struct piece p = { .n = 0 };
	ssize_t n;

	if (x->phase == EXCHANGE_TUNNEL) {
		pump_readable(x);
		return;
	}
	if (answering && spliced(x))
		return;
	if (have > 0)
		memcpy(w->scratch, part->data, have);
	n = wire_recv(&x->up->wire, w->scratch + have, stride(x) - have);
	if (n == -EAGAIN)
		return;
	if (n < 0) {
		exchange_lost(x, (int)-n);
		return;
	}
	if (n == 0) {
		closed(x);
		return;
	}
	x->heard = true;
	if (answering) {
		cut_piece(x, (struct span){ w->scratch, (size_t)n }, &p);
		send_piece(x, &p);
	} else {
		parse_heads(x, (struct span){ w->scratch, have + (size_t)n });
	}
}
