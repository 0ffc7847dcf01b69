/* SPDX-License-Identifier: ISC */

/* The session: reading frames, windows, floods, and the end. */

#include "http/h2.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "http/h2_session.h"

#define PREFACE_LEN (sizeof(H2_PREFACE) - 1)
#define FRAME_HEAD 9
#define UPDATES_MAX 1024
#define ANSWER_HEAD_MAX (256 * 1024) /* more than any that is handed in */

/* --- floods --------------------------------------------------------------- */

static void
blame(struct h2 *h, enum h2_fault fault)
{
	if (h->fault == H2_FINE)
		h->fault = fault;
}

static struct h2_budget
budget(uint32_t most)
{
	return (struct h2_budget){
		.most = most,
		.per_s = most < H2_REFILL_S ? 1 : most / H2_REFILL_S,
		.left = most,
	};
}

/* False: there is none left. */
static bool
spend(struct h2 *h, struct h2_budget *b)
{
	uint64_t more = (h->now_ms - b->since_ms) * b->per_s / 1000;

	if (more > 0) {
		b->left = more < b->most - b->left ? b->left + (uint32_t)more
						   : b->most;
		b->since_ms = h->now_ms;
	}
	if (b->left == 0)
		return false;
	b->left--;
	return true;
}

static void
spend_or_blame(struct h2 *h, struct h2_budget *b, enum h2_fault fault)
{
	if (!spend(h, b))
		blame(h, fault);
}

/* A header of a frame came: what it costs whoever sent it. */
static void
charge(struct h2 *h)
{
	bool ends = h->frame[4] & NGHTTP2_FLAG_END_STREAM; /* = ACK */

	switch (h->frame[3]) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_CONTINUATION:
		break;
	case NGHTTP2_DATA:
		if (h->rest == 0 && !ends)
			spend_or_blame(h, &h->controls, H2_CONTROL);
		break;
	case NGHTTP2_RST_STREAM:
		spend_or_blame(h, &h->resets, H2_RESET);
		break;
	case NGHTTP2_WINDOW_UPDATE:
		if (h->updates > 0)
			h->updates--;
		else
			spend_or_blame(h, &h->controls, H2_CONTROL);
		break;
	default:
		spend_or_blame(h, &h->controls, H2_CONTROL);
		break;
	}
}

/* --- what nghttp2 tells --------------------------------------------------- */

static int
on_begin_headers(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct h2 *h = arg;

	(void)ng;
	h2_head_begin(&h->head, f->headers.cat != NGHTTP2_HCAT_REQUEST);
	return 0;
}

static int
on_header(nghttp2_session *ng, const nghttp2_frame *f, const uint8_t *name,
    size_t nname, const uint8_t *value, size_t nvalue, uint8_t flags, void *arg)
{
	struct h2 *h = arg;

	(void)ng;
	(void)f;
	(void)flags;
	if (h2_head_field(&h->head, (struct span){ (const char *)name, nname },
		(struct span){ (const char *)value, nvalue }) == 0)
		return 0;
	blame(h, H2_HEADS);
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* No request can be made of it; the stream may have an owner or not. */
static void
malformed(struct h2 *h, int32_t id, uint32_t code)
{
	h->ev->kind = H2_MALFORMED;
	h->ev->id = id;
	nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, id, code);
}

static void
on_request(struct h2 *h, const nghttp2_frame *f)
{
	struct h2_event *ev = h->ev;
	bool end = f->hd.flags & NGHTTP2_FLAG_END_STREAM;
	int r = h2_head_end(&h->head, end);

	if (r < 0) {
		malformed(h, f->hd.stream_id,
		    r == -ENOMEM ? NGHTTP2_REFUSED_STREAM
				 : NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	*ev = (struct h2_event){
		.kind = H2_REQUEST,
		.id = f->hd.stream_id,
		.text = buf_span(&h->head.text),
		.refusal = h->head.refusal,
		.end = end,
	};
}

static struct h2_stream *
stream_of(struct h2 *h, int32_t id)
{
	return nghttp2_session_get_stream_user_data(h->ng, id);
}

/* The body is over. False: Content-Length said otherwise. */
static bool
end_body(struct h2_stream *s)
{
	s->ended = true;
	return !s->sized || s->left == 0;
}

static void
on_trailers(struct h2 *h, const nghttp2_frame *f)
{
	struct h2_stream *s = stream_of(h, f->hd.stream_id);
	bool end = f->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (h2_head_end(&h->head, end) < 0 || (s != NULL && !end_body(s))) {
		malformed(h, f->hd.stream_id, NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	*h->ev = (struct h2_event){
		.kind = H2_BODY,
		.id = f->hd.stream_id,
		.stream = s,
		.trailers = buf_span(&h->head.text),
		.end = true,
	};
}

static void
on_data_end(struct h2 *h, int32_t id)
{
	struct h2_stream *s = stream_of(h, id);

	if (h->ev->kind == H2_MALFORMED)
		return;
	if (s != NULL && !end_body(s)) {
		malformed(h, id, NGHTTP2_PROTOCOL_ERROR);
		return;
	}
	h->ev->kind = H2_BODY;
	h->ev->id = id;
	h->ev->stream = s;
	h->ev->end = true;
}

static int
on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct h2 *h = arg;

	(void)ng;
	if (f->hd.type == NGHTTP2_HEADERS) {
		if (f->headers.cat == NGHTTP2_HCAT_REQUEST)
			on_request(h, f);
		else
			on_trailers(h, f);
	} else if (f->hd.type == NGHTTP2_DATA &&
	    (f->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
		on_data_end(h, f->hd.stream_id);
	}
	return 0;
}

static int
on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data,
    size_t n, void *arg)
{
	struct h2 *h = arg;
	struct h2_stream *s = stream_of(h, id);

	if (s != NULL && s->sized) {
		if (n > s->left) {
			h2_credit(h, s, n);
			malformed(h, id, NGHTTP2_PROTOCOL_ERROR);
			return 0;
		}
		s->left -= n;
	}
	*h->ev = (struct h2_event){
		.kind = H2_BODY,
		.id = id,
		.stream = s,
		.data = { (const char *)data, n },
		.shut = !(flags & NGHTTP2_FLAG_END_STREAM) &&
		    nghttp2_session_get_stream_local_window_size(ng, id) == 0,
	};
	return 0;
}

/* A reset that it made us send: as good as one of its own. */
static bool
provoked(uint32_t code)
{
	return code == NGHTTP2_PROTOCOL_ERROR ||
	    code == NGHTTP2_FLOW_CONTROL_ERROR ||
	    code == NGHTTP2_STREAM_CLOSED || code == NGHTTP2_FRAME_SIZE_ERROR ||
	    code == NGHTTP2_REFUSED_STREAM;
}

static void
after_end(struct h2 *h, const nghttp2_frame *f)
{
	struct h2_stream *s = stream_of(h, f->hd.stream_id);

	if (s != NULL && (f->hd.flags & NGHTTP2_FLAG_END_STREAM))
		h2_ended(h, s);
}

static int
on_sent(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct h2 *h = arg;

	(void)ng;
	switch (f->hd.type) {
	case NGHTTP2_DATA:
		if (h->updates < UPDATES_MAX)
			h->updates += 2;
		after_end(h, f);
		break;
	case NGHTTP2_HEADERS:
		after_end(h, f);
		break;
	case NGHTTP2_RST_STREAM:
		if (provoked(f->rst_stream.error_code))
			spend_or_blame(h, &h->resets, H2_RESET);
		break;
	case NGHTTP2_GOAWAY:
		if (f->goaway.error_code != NGHTTP2_NO_ERROR)
			blame(h, H2_PROTOCOL);
		break;
	default:
		break;
	}
	return 0;
}

static int
on_closed(nghttp2_session *ng, int32_t id, uint32_t code, void *arg)
{
	struct h2 *h = arg;
	struct h2_stream *s = nghttp2_session_get_stream_user_data(ng, id);

	(void)code;
	if (s == NULL)
		return 0;
	s->closed = true;
	h->ops->closed(h->arg, s);
	return 0;
}

/* --- beginning and end ---------------------------------------------------- */

static nghttp2_session_callbacks *
callbacks(void)
{
	nghttp2_session_callbacks *cb;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_begin_headers_callback(
	    cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_closed);
	nghttp2_session_callbacks_set_send_data_callback(cb, h2_on_send_data);
	return cb;
}

static nghttp2_option *
options(const struct h2_limits *l)
{
	nghttp2_option *o;

	if (nghttp2_option_new(&o) != 0)
		return NULL;
	nghttp2_option_set_no_auto_window_update(o, 1);
	/* One set of rules, and it is ours: h2_head.c, rules.c. */
	nghttp2_option_set_no_http_messaging(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_max_continuations(o, H2_CONTINUATIONS);
	nghttp2_option_set_max_outbound_ack(o, l->controls);
	nghttp2_option_set_max_send_header_block_length(o, ANSWER_HEAD_MAX);
	/* Ours is met first, and counted. */
	nghttp2_option_set_stream_reset_rate_limit(
	    o, 2 * (uint64_t)l->resets, 2 * (uint64_t)l->resets);
	return o;
}

static int
start(struct h2 *h, const struct h2_limits *l)
{
	nghttp2_mem mem = h2_memory(h);
	nghttp2_session_callbacks *cb = callbacks();
	nghttp2_option *o = options(l);
	int r = NGHTTP2_ERR_NOMEM;

	if (cb != NULL && o != NULL)
		r = nghttp2_session_server_new3(&h->ng, cb, h, o, &mem);
	nghttp2_option_del(o);
	nghttp2_session_callbacks_del(cb);
	return r;
}

static int
settle(struct h2 *h, const struct h2_limits *l)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, l->streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->window },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)l->head },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};
	int r = nghttp2_submit_settings(
	    h->ng, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings));

	if (r == 0)
		r = nghttp2_session_set_local_window_size(
		    h->ng, NGHTTP2_FLAG_NONE, 0, H2_WINDOW_ALL);
	return r;
}

struct h2 *
h2_new(const struct h2_limits *limits, const struct h2_ops *ops, void *arg)
{
	struct h2 *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->ops = ops;
	h->arg = arg;
	h->rest = PREFACE_LEN;
	h->preface = true;
	h->updates = UPDATES_MAX / 2;
	h->resets = budget(limits->resets);
	h->controls = budget(limits->controls);
	h->meter = limits->meter;
	h2_head_init(&h->head, limits->head, limits->lines, limits->meter);
	if (start(h, limits) != 0 || settle(h, limits) != 0 ||
	    h->fault != H2_FINE) {
		h2_free(h);
		return NULL;
	}
	return h;
}

void
h2_free(struct h2 *h)
{
	if (h == NULL)
		return;
	nghttp2_session_del(h->ng);
	h2_head_done(&h->head);
	free(h);
}

bool
h2_in_head(const struct h2 *h)
{
	unsigned type = h->frame[3];
	bool open = (type == NGHTTP2_HEADERS || type == NGHTTP2_CONTINUATION) &&
	    !(h->frame[4] & NGHTTP2_FLAG_END_HEADERS);

	return open || h->nhead > 0 || h->preface ||
	    (h->rest > 0 && type != NGHTTP2_DATA);
}

bool
h2_over(const struct h2 *h)
{
	return !nghttp2_session_want_read(h->ng) &&
	    !nghttp2_session_want_write(h->ng);
}

enum h2_fault
h2_fault(const struct h2 *h)
{
	return h->fault;
}

void
h2_notice(struct h2 *h)
{
	if (nghttp2_submit_shutdown_notice(h->ng) != 0)
		blame(h, H2_MEMORY);
}

void
h2_goaway(struct h2 *h)
{
	if (nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE,
		nghttp2_session_get_last_proc_stream_id(h->ng),
		NGHTTP2_NO_ERROR, NULL, 0) != 0)
		blame(h, H2_MEMORY);
}

/* --- reading -------------------------------------------------------------- */

/* How much of `in` belongs to the frame that is under way. */
static size_t
one_frame(struct h2 *h, struct span in)
{
	size_t n = 0;

	if (h->rest == 0) {
		while (n < in.n && h->nhead < FRAME_HEAD)
			h->frame[h->nhead++] = (unsigned char)in.p[n++];
		if (h->nhead < FRAME_HEAD)
			return n;
		h->nhead = 0;
		h->preface = false;
		h->rest = (size_t)h->frame[0] << 16 | (size_t)h->frame[1] << 8 |
		    h->frame[2];
		charge(h);
	}
	if (in.n - n < h->rest) {
		h->rest -= in.n - n;
		return in.n;
	}
	n += h->rest;
	h->rest = 0;
	return n;
}

static enum h2_fault
fault_of(ssize_t r)
{
	switch (r) {
	case NGHTTP2_ERR_NOMEM:
		return H2_MEMORY;
	case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
		return H2_HEADS;
	case NGHTTP2_ERR_FLOODED:
		return H2_CONTROL;
	default:
		return H2_PROTOCOL;
	}
}

void
h2_stop(struct h2 *h)
{
	/* One that fails leaves a connection that ends without a word. */
	if (h->fault != H2_MEMORY && h->fault != H2_GONE)
		(void)nghttp2_session_terminate_session(h->ng,
		    h->fault == H2_PROTOCOL ? NGHTTP2_PROTOCOL_ERROR
					    : NGHTTP2_ENHANCE_YOUR_CALM);
}

int
h2_read(struct h2 *h, uint64_t now_ms, struct span *in, struct h2_event *ev)
{
	size_t n;
	ssize_t r;

	*ev = (struct h2_event){ .kind = H2_NOTHING };
	h->ev = ev;
	h->now_ms = now_ms;
	n = one_frame(h, *in);
	r = h->fault == H2_FINE
	    ? nghttp2_session_mem_recv(h->ng, (const uint8_t *)in->p, n)
	    : 0;
	in->p += n;
	in->n -= n;
	if (r < 0)
		blame(h, fault_of(r));
	else if (!nghttp2_session_want_read(h->ng))
		blame(h, H2_GONE);
	if (h->fault == H2_FINE)
		return 0;
	h2_stop(h);
	return -EPROTO;
}

/* --- writing -------------------------------------------------------------- */

int
h2_write(struct h2 *h)
{
	for (;;) {
		const uint8_t *p;
		ssize_t n = nghttp2_session_mem_send(h->ng, &p);
		int r;

		if (h->error < 0)
			return h->error;
		if (h->fault == H2_MEMORY)
			return -ENOMEM;
		if (n == 0)
			return 0;
		if (n < 0)
			return n == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPROTO;
		r = h->ops->emit(h->arg, p, (size_t)n, false);
		if (r < 0)
			return r;
	}
}

/* --- windows and resets --------------------------------------------------- */

void
h2_credit(struct h2 *h, struct h2_stream *s, size_t n)
{
	int r = s == NULL || s->closed
	    ? nghttp2_session_consume_connection(h->ng, n)
	    : nghttp2_session_consume(h->ng, s->id, n);

	if (r == NGHTTP2_ERR_NOMEM)
		blame(h, H2_MEMORY);
}

void
h2_cut(struct h2 *h, struct h2_stream *s, bool broken)
{
	if (!s->closed &&
	    nghttp2_submit_rst_stream(h->ng, NGHTTP2_FLAG_NONE, s->id,
		broken ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_CANCEL) != 0)
		blame(h, H2_MEMORY);
}
