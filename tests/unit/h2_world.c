/* SPDX-License-Identifier: ISC */

#include "h2_world.h"

#include <stdio.h>
#include <string.h>

const struct h2_limits limits = { 4, 1024, 20, NULL, H2_RESETS, H2_CONTROLS,
	H2_WINDOW };
struct h2_world t;

/* --- the owner ------------------------------------------------------------ */

static int
on_emit(void *arg, const void *data, size_t n, bool lent)
{
	(void)arg;
	(void)lent;
	return buf_append(&t.out, data, n);
}

static bool
on_open(void *arg)
{
	(void)arg;
	return !t.shut;
}

static void
on_closed(void *arg, struct h2_stream *s)
{
	(void)arg;
	(void)s;
	t.closed++;
}

const struct h2_ops ops = { on_emit, on_open, on_closed };

/* --- frames --------------------------------------------------------------- */

void
add(struct buf *b, const void *data, size_t n)
{
	assert_int_equal(buf_append(b, data, n), 0);
}

void
add_frame(unsigned type, unsigned flags, uint32_t id, struct span payload)
{
	unsigned char head[9] = { (unsigned char)(payload.n >> 16),
		(unsigned char)(payload.n >> 8), (unsigned char)payload.n,
		(unsigned char)type, (unsigned char)flags,
		(unsigned char)(id >> 24), (unsigned char)(id >> 16),
		(unsigned char)(id >> 8), (unsigned char)id };

	add(&t.in, head, sizeof(head));
	if (payload.n > 0)
		add(&t.in, payload.p, payload.n);
}

void
add_word(unsigned type, uint32_t id, uint32_t word)
{
	char w[4] = { (char)(word >> 24), (char)(word >> 16), (char)(word >> 8),
		(char)word };

	add_frame(type, 0, id, (struct span){ w, 4 });
}

/* Literal, never indexed, no Huffman code (RFC 7541, 6.2.3). */
void
add_field(struct buf *b, const char *name, const char *value)
{
	unsigned char n = (unsigned char)strlen(name);
	unsigned char v = (unsigned char)strlen(value);

	assert_true(n < 127 && v < 127);
	add(b, "\x10", 1);
	add(b, &n, 1);
	add(b, name, n);
	add(b, &v, 1);
	add(b, value, v);
}

void
add_request(uint32_t id, const char *method, unsigned flags, const char *length)
{
	struct buf b;

	buf_init(&b, 4096);
	add_field(&b, ":method", method);
	add_field(&b, ":scheme", "http");
	add_field(&b, ":path", "/");
	add_field(&b, ":authority", "a");
	if (length != NULL)
		add_field(&b, "content-length", length);
	add_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | flags, id,
	    buf_span(&b));
	buf_done(&b);
}

void
note_sent(void)
{
	const unsigned char *p = (const unsigned char *)t.out.data;
	const unsigned char *end = p + t.out.len;

	while (end - p >= 9 && t.nsent < ARRAY_LEN(t.sent)) {
		struct frame *f = &t.sent[t.nsent++];

		f->n = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
		f->type = p[3];
		f->flags = p[4];
		f->id = (uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 |
		    (uint32_t)p[7] << 8 | p[8];
		if (f->type == NGHTTP2_GOAWAY)
			p += 4; /* the code is behind the last stream */
		if (f->n >= 4)
			f->word = (uint32_t)p[9] << 24 | (uint32_t)p[10] << 16 |
			    (uint32_t)p[11] << 8 | p[12];
		if (f->type == NGHTTP2_GOAWAY)
			p -= 4;
		p += 9 + f->n;
	}
	buf_clear(&t.out);
}

void
write_out(void)
{
	assert_int_equal(h2_write(t.h), 0);
	note_sent();
}

static void
take(const struct h2_event *ev)
{
	if (ev->kind == H2_NOTHING)
		return;
	assert_true(t.nev < ARRAY_LEN(t.ev));
	t.ev[t.nev++] = *ev;
	if (ev->kind == H2_REQUEST)
		assert_int_equal(h2_open(t.h, &t.s[ev->id / 2 % 8], ev), 0);
	if (ev->data.n > 0)
		add(&t.bodies, ev->data.p, ev->data.n);
}

/* Give the session what was added. */
void
go(void)
{
	struct span in = buf_span(&t.in);
	struct h2_event ev;

	t.nev = t.nsent = 0;
	t.verdict = 0;
	while (in.n > 0 && t.verdict == 0) {
		t.verdict = h2_read(t.h, t.now, &in, &ev);
		if (t.verdict == 0)
			take(&ev);
	}
	buf_clear(&t.in);
	write_out();
}

size_t
count(unsigned type)
{
	size_t n = 0;

	for (size_t i = 0; i < t.nsent; i++)
		n += t.sent[i].type == type;
	return n;
}

const struct frame *
find(unsigned type)
{
	for (size_t i = 0; i < t.nsent; i++)
		if (t.sent[i].type == type)
			return &t.sent[i];
	fail_msg("no frame of type %u", type);
	return NULL;
}

int
start(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	buf_init(&t.in, 1 << 24);
	buf_init(&t.out, 1 << 24);
	buf_init(&t.bodies, 1 << 24);
	t.h = h2_new(&limits, &ops, NULL);
	assert_non_null(t.h);
	assert_true(h2_in_head(t.h));
	add(&t.in, H2_PREFACE, sizeof(H2_PREFACE) - 1);
	add_frame(NGHTTP2_SETTINGS, 0, 0, SPAN(""));
	add_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, SPAN(""));
	go();
	assert_false(h2_in_head(t.h));
	return 0;
}

int
stop(void **state)
{
	(void)state;
	h2_free(t.h);
	for (size_t i = 0; i < ARRAY_LEN(t.s); i++)
		h2_stream_done(&t.s[i]);
	buf_done(&t.in);
	buf_done(&t.out);
	buf_done(&t.bodies);
	return 0;
}

int
answer(struct h2_stream *s, const char *head, const char *body)
{
	char text[512];
	struct iovec iov[2] = { { text, strlen(head) },
		{ (void *)(uintptr_t)body, strlen(body) } };

	memcpy(text, head, iov[0].iov_len);
	return h2_answer(t.h, s, iov, 2);
}
