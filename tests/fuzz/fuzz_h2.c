/* SPDX-License-Identifier: ISC */

/*
 * Whatever comes, the session stays within its limits, what it takes for a
 * request is one for head_request() or refused there, and bodies are inside
 * what was given. Requests are answered, in pieces; each third one is cut.
 *
 * The first byte says how to cut; the rest follows the preface and SETTINGS.
 */

#include <stdlib.h>
#include <string.h>

#include "http/h2.h"

#define MUST(what)               \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

#define STREAMS 8

static const struct h2_limits limits = { STREAMS, 1024, 20, NULL, H2_RESETS,
	H2_CONTROLS, H2_WINDOW };

static struct {
	struct h2 *h;
	struct h2_stream *s[STREAMS + 1];
	size_t out;
} t;

static int
on_emit(void *arg, const void *data, size_t n, bool lent)
{
	(void)arg;
	(void)lent;
	MUST(data != NULL && n > 0);
	t.out += n;
	return 0;
}

static bool
on_open(void *arg)
{
	(void)arg;
	return true;
}

static void
on_closed(void *arg, struct h2_stream *s)
{
	(void)arg;
	MUST(s->closed);
}

/* An owner frees it later, not from inside. */
static void
sweep(void)
{
	for (size_t i = 0; i <= STREAMS; i++) {
		if (t.s[i] == NULL || !t.s[i]->closed)
			continue;
		h2_stream_done(t.s[i]);
		free(t.s[i]);
		t.s[i] = NULL;
	}
}

static const struct h2_ops ops = { on_emit, on_open, on_closed };

static void
answer(struct h2_stream *s)
{
	char sized[] =
	    "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 10\r\n\r\n";
	char open[] = "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n";
	char body[] = "hello";
	struct iovec iov[2] = { { sized, sizeof(sized) - 1 }, { body, 5 } };

	if (s->id % 5 == 0)
		iov[0] = (struct iovec){ open, sizeof(open) - 1 };

	MUST(h2_answer(t.h, s, iov, 2) <= 0);
}

static void
begin(const struct h2_event *ev)
{
	struct head_header room[20];
	struct head head;
	struct h2_stream *s;
	size_t i = 0, scanned = 0;

	while (t.s[i] != NULL)
		MUST(++i <= STREAMS);
	s = t.s[i] = calloc(1, sizeof(*s));
	MUST(s != NULL && h2_open(t.h, s, ev) == 0);
	if (ev->refusal == REFUSED_NOT) {
		MUST(ev->text.n <= limits.head);
		head_init(&head, room, ARRAY_LEN(room));
		switch (head_request(&head, ev->text, &scanned)) {
		case HEAD_MORE:
			abort();
		case HEAD_OK:
			MUST(head.size == ev->text.n && head.minor == 1);
			break;
		case HEAD_REFUSED:
			break;
		}
	}
	answer(s);
}

static void
go_on(struct h2_stream *s)
{
	char body[] = "world";
	struct iovec iov = { body, 5 };

	if (s->closed)
		return;
	if (s->id % 3 == 0)
		h2_cut(t.h, s, true);
	else if (h2_body(t.h, s, &iov, 1) == 0 &&
	    h2_trailers(t.h, s, SPAN("X-Sum: 1\r\n")) <= 0)
		h2_end(t.h, s, true);
}

static void
take(const struct h2_event *ev, struct span given)
{
	if (ev->kind == H2_REQUEST)
		begin(ev);
	if (ev->kind != H2_BODY)
		return;
	if (ev->data.n > 0) {
		MUST(ev->data.p >= given.p);
		MUST(ev->data.p + ev->data.n <= given.p + given.n);
		h2_credit(t.h, ev->stream, ev->data.n);
	}
	if (ev->stream != NULL)
		go_on(ev->stream);
}

static bool
feed(struct span in)
{
	struct span given = in;
	struct h2_event ev;

	while (in.n > 0) {
		size_t before = in.n;

		if (h2_read(t.h, 0, &in, &ev) < 0) {
			MUST(h2_fault(t.h) != H2_FINE);
			return false;
		}
		MUST(in.n < before);
		take(&ev, given);
		sweep();
	}
	if (h2_write(t.h) < 0)
		return false;
	sweep();
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char first[] = H2_PREFACE "\0\0\0\4\0\0\0\0";
	struct span in = { (const char *)data + 1, size - 1 };
	size_t step;

	if (size < 1)
		return 0;
	step = data[0] == 0 ? size : data[0];
	memset(&t, 0, sizeof(t));
	t.h = h2_new(&limits, &ops, NULL);
	MUST(t.h != NULL);
	MUST(feed((struct span){ first, sizeof(first) }));
	while (in.n > 0) {
		size_t n = in.n < step ? in.n : step;

		if (!feed((struct span){ in.p, n }))
			break;
		in.p += n;
		in.n -= n;
	}
	(void)h2_write(t.h);
	h2_free(t.h);
	for (size_t i = 0; i <= STREAMS; i++) {
		if (t.s[i] != NULL)
			h2_stream_done(t.s[i]);
		free(t.s[i]);
	}
	return 0;
}
