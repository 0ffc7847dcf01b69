/* SPDX-License-Identifier: ISC */

/* Answers: from the text of HTTP/1.1 and raw bodies to frames. */

#include <errno.h>
#include <string.h>

#include "http/h2_session.h"

#define STATUS_AT 9 /* in "HTTP/1.1 200 OK" */
#define FIELDS_MAX 640
#define DIRECT 2048 /* from so many bytes on a piece is not copied */

/* --- heads ---------------------------------------------------------------- */

struct fields {
	nghttp2_nv nv[FIELDS_MAX];
	size_t n;
	unsigned status;
	bool sized;
	uint64_t length;
};

static void
add(struct fields *f, char *name, size_t nname, char *value, size_t nvalue,
    unsigned flags)
{
	f->nv[f->n++] = (nghttp2_nv){
		.name = (uint8_t *)name,
		.value = (uint8_t *)value,
		.namelen = nname,
		.valuelen = nvalue,
		.flags = (uint8_t)(NGHTTP2_NV_FLAG_NO_COPY_NAME |
		    NGHTTP2_NV_FLAG_NO_COPY_VALUE | flags),
	};
}

static void
lower(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] >= 'A' && p[i] <= 'Z')
			p[i] = (char)(p[i] | 0x20);
}

/* "Name: value", without its CRLF. */
static void
add_line(struct fields *f, char *line, size_t n)
{
	char *colon = memchr(line, ':', n);
	struct span name = { line, (size_t)(colon - line) }, value;
	unsigned flags = 0;

	value = span_trim((struct span){ colon + 1, n - name.n - 1 });
	switch (hdr_of(name)) {
	case HDR_CONNECTION:
	case HDR_KEEP_ALIVE:
	case HDR_PROXY_CONNECTION:
	case HDR_TRANSFER_ENCODING:
	case HDR_UPGRADE:
		return;
	case HDR_CONTENT_LENGTH:
		f->sized = http_length(value, &f->length) == 0;
		break;
	case HDR_X_REQUEST_ID: /* never twice: it would only push others out */
		flags = NGHTTP2_NV_FLAG_NO_INDEX;
		break;
	default:
		break;
	}
	lower(line, name.n);
	add(f, line, name.n, line + (value.p - line), value.n, flags);
}

static int
read_fields(struct fields *f, struct iovec *iov)
{
	char *text = iov->iov_base;
	static char status[] = ":status";
	char *at = text + STATUS_AT, *end = text + iov->iov_len;

	f->n = 0;
	f->sized = false;
	f->status = (unsigned)((at[0] - '0') * 100 + (at[1] - '0') * 10 +
	    (at[2] - '0'));
	add(f, status, sizeof(status) - 1, at, 3, 0);
	for (;;) {
		char *line = (char *)memchr(at, '\n', (size_t)(end - at)) + 1;

		if (*line == '\r') {
			iov->iov_base = line + 2;
			iov->iov_len = (size_t)(end - line - 2);
			return 0;
		}
		if (f->n == FIELDS_MAX)
			return -ENOBUFS;
		at = memchr(line, '\r', (size_t)(end - line));
		add_line(f, line, (size_t)(at - line));
	}
}

/* --- trailers ------------------------------------------------------------- */

static size_t
count_lines(struct span lines)
{
	size_t n = 0;

	for (size_t i = 0; i < lines.n; i++)
		n += lines.p[i] == '\n';
	return n;
}

/* nghttp2 copies them: they go out later than this. */
static int
submit_trailers(struct h2 *h, struct h2_stream *s)
{
	char *at = s->trailers.data, *end = at + s->trailers.len;
	struct fields f;
	int r;

	f.n = 0;
	while (at < end && f.n < FIELDS_MAX) {
		char *cr = memchr(at, '\r', (size_t)(end - at));

		add_line(&f, at, (size_t)(cr - at));
		at = cr + 2;
	}
	for (size_t i = 0; i < f.n; i++)
		f.nv[i].flags = NGHTTP2_NV_FLAG_NONE;
	r = nghttp2_submit_trailer(h->ng, s->id, f.nv, f.n);
	buf_done(&s->trailers);
	return r;
}

/* --- bodies --------------------------------------------------------------- */

static size_t
lent(const struct h2_stream *s)
{
	size_t n = 0;

	for (int i = 0; i < s->nlent; i++)
		n += s->lent[i].iov_len;
	return n;
}

/* How much of it there is for the next frame. */
static ssize_t
on_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t most,
    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct h2 *h = arg;
	struct h2_stream *s = source->ptr;
	size_t have = s->tail.len + lent(s), n = have < most ? have : most;

	(void)ng;
	(void)id;
	(void)buf;
	if ((have == 0 && !s->last) || !h->ops->open(h->arg)) {
		s->asleep = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	if (n > 0)
		*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n < have || !s->last)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (s->trailers.len == 0) {
		s->sent = true;
		return (ssize_t)n;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	return submit_trailers(h, s) == 0 ? (ssize_t)n
					  : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int
emit_tail(struct h2 *h, struct h2_stream *s, size_t *n)
{
	size_t part = s->tail.len < *n ? s->tail.len : *n;
	int r;

	if (part == 0)
		return 0;
	r = h->ops->emit(h->arg, s->tail.data, part, false);
	buf_consume(&s->tail, part);
	if (s->tail.len == 0)
		buf_done(&s->tail);
	*n -= part;
	return r;
}

static int
emit_lent(struct h2 *h, struct h2_stream *s, size_t n)
{
	int r = 0;

	while (n > 0 && r == 0) {
		struct iovec *v = s->lent;
		size_t part = v->iov_len < n ? v->iov_len : n;

		if (part > 0)
			r = h->ops->emit(
			    h->arg, v->iov_base, part, part >= DIRECT);
		v->iov_base = (char *)v->iov_base + part;
		v->iov_len -= part;
		n -= part;
		if (v->iov_len == 0) {
			s->lent++;
			s->nlent--;
		}
	}
	return r;
}

int
h2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame,
    const uint8_t *framehd, size_t length, nghttp2_data_source *source,
    void *arg)
{
	struct h2 *h = arg;
	struct h2_stream *s = source->ptr;
	int r = h->ops->emit(h->arg, framehd, 9, false);

	(void)ng;
	(void)frame;
	s->moved += length;
	if (r == 0)
		r = emit_tail(h, s, &length);
	if (r == 0)
		r = emit_lent(h, s, length);
	if (r == 0)
		return 0;
	h->error = r;
	return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* These may be sent during this call, and are kept after it. */
static void
lend(struct h2_stream *s, struct iovec *iov, int n)
{
	uint64_t all;

	if (s->last)
		return;
	s->lent = iov;
	s->nlent = n;
	all = lent(s);
	if (!s->osized)
		return;
	s->oleft -= all < s->oleft ? all : s->oleft;
	s->last = s->oleft == 0;
}

static int
write_and_keep(struct h2 *h, struct h2_stream *s)
{
	int r;

	h2_wake(h, s);
	r = h2_write(h);
	for (; s->nlent > 0; s->nlent--, s->lent++)
		if (r == 0 && s->lent->iov_len > 0)
			r = buf_append(
			    &s->tail, s->lent->iov_base, s->lent->iov_len);
	s->lent = NULL;
	return r;
}

/* --- the owner's calls ---------------------------------------------------- */

int
h2_open(struct h2 *h, struct h2_stream *s, const struct h2_event *ev)
{
	s->id = ev->id;
	s->ended = ev->end;
	s->head = h->head.head;
	s->sized = h->head.sized;
	s->left = h->head.length;
	buf_init_metered(&s->tail, H2_TAIL_MAX, h->meter);
	buf_init_metered(&s->trailers, h->head.max, h->meter);
	return nghttp2_session_set_stream_user_data(h->ng, ev->id, s) == 0
	    ? 0
	    : -ENOENT;
}

void
h2_stream_done(struct h2_stream *s)
{
	buf_done(&s->tail);
	buf_done(&s->trailers);
}

static int
submit(struct h2 *h, struct h2_stream *s, const struct fields *f)
{
	nghttp2_data_provider body = { { .ptr = s }, on_read };

	if (f->status < 200)
		return nghttp2_submit_headers(
		    h->ng, NGHTTP2_FLAG_NONE, s->id, NULL, f->nv, f->n, NULL);
	s->begun = true;
	s->osized = f->sized;
	s->oleft = f->length;
	if (s->head || f->status == 204 || f->status == 304 ||
	    (f->sized && f->length == 0)) {
		s->last = s->sent = true;
		return nghttp2_submit_response(h->ng, s->id, f->nv, f->n, NULL);
	}
	return nghttp2_submit_response(h->ng, s->id, f->nv, f->n, &body);
}

int
h2_answer(struct h2 *h, struct h2_stream *s, struct iovec *iov, int n)
{
	struct fields f;
	int r;

	if (s->closed || s->begun)
		return -EPIPE;
	r = read_fields(&f, iov);
	if (r < 0)
		return r;
	r = submit(h, s, &f);
	if (r != 0)
		return r == NGHTTP2_ERR_NOMEM ? -ENOMEM : -EPIPE;
	if (s->begun)
		lend(s, iov, n);
	return write_and_keep(h, s);
}

int
h2_body(struct h2 *h, struct h2_stream *s, struct iovec *iov, int n)
{
	if (s->closed)
		return -EPIPE;
	lend(s, iov, n);
	return write_and_keep(h, s);
}

int
h2_trailers(struct h2 *h, struct h2_stream *s, struct span lines)
{
	if (s->closed || s->last)
		return -EPIPE;
	if (count_lines(lines) > h->head.max_lines)
		return -ENOBUFS;
	return lines.n == 0 ? 0 : buf_append(&s->trailers, lines.p, lines.n);
}

/* What is left of the request need not be sent (RFC 9113, 8.1). */
static void
drop_rest(struct h2 *h, struct h2_stream *s)
{
	if (!s->ended && !s->closed)
		nghttp2_submit_rst_stream(
		    h->ng, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_NO_ERROR);
}

void
h2_end(struct h2 *h, struct h2_stream *s, bool drop)
{
	s->drop = drop;
	s->last = true;
	if (s->sent && drop)
		drop_rest(h, s);
	else
		h2_wake(h, s);
}

void
h2_ended(struct h2 *h, struct h2_stream *s)
{
	if (s->drop)
		drop_rest(h, s);
}

void
h2_wake(struct h2 *h, struct h2_stream *s)
{
	if (!s->asleep || s->closed)
		return;
	s->asleep = false;
	if (nghttp2_session_resume_data(h->ng, s->id) == NGHTTP2_ERR_NOMEM)
		h->fault = H2_MEMORY;
}
