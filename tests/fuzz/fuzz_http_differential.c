/* SPDX-License-Identifier: ISC */

/*
 * What we take for a message llhttp must take for the same one
 *
 * The same bytes go through http/head and http/chunk and through llhttp in its
 * strict mode. If ours accepts them, llhttp must, and must see the same method,
 * target, status, headers, body bytes, end, and whether the connection goes on.
 * A body that is not whole yet must not be whole there either.
 *
 * Not compared, because it is meant to differ:
 *
 *   ours refuses      whatever llhttp says: head.h and chunk.h have the rules.
 *                     So only one direction is looked at
 *   extension methods llhttp knows a list, any token is a method (RFC 9110,
 *                     9.1): it is shown GET in the place of those
 *   HEAD, 1xx, 204,   end with the head, whatever they announce (RFC 9112,
 *   304               6.3, 1): llhttp leaves that to its caller, so it is told
 *   101, Upgrade      llhttp stops for the other protocol; where it stops is
 *                     the end (RFC 9110, 7.8)
 *   chunk extensions  llhttp wants their grammar, we ignore all of them that
 *                     hold no control character (RFC 9112, 7.1.1)
 *   persistence       ours closes after a response without a length and after a
 *                     204 with one, and Proxy-Connection says nothing to us
 *                     (RFC 9112, 9.3 and C.2.2); otherwise the same
 *
 * The first byte says what it is: a request (even), or a response to the method
 * in its other bits.
 */

#include <llhttp.h>

#include "pieces.h"

#define SIZE_MAX_ 8192

/* What llhttp heard. Names and values stand one after the other in text. */
struct heard {
	llhttp_t parser;
	bool skip_body; /* told */
	bool whole, in_trailers;
	int keep_alive;
	char target[SIZE_MAX_], reason[SIZE_MAX_], body[SIZE_MAX_];
	size_t ntarget, nreason, nbody;
	char text[SIZE_MAX_];
	size_t ntext, nheaders;
	size_t at[HEAD_HEADERS_MAX + 1][2]; /* of name and value in text */
};

static struct heard *
heard_of(llhttp_t *p)
{
	return p->data;
}

static void
add(char *to, size_t *n, const char *p, size_t len)
{
	MUST(*n + len <= SIZE_MAX_);
	memcpy(to + *n, p, len);
	*n += len;
}

static int
on_url(llhttp_t *p, const char *at, size_t len)
{
	add(heard_of(p)->target, &heard_of(p)->ntarget, at, len);
	return 0;
}

static int
on_status(llhttp_t *p, const char *at, size_t len)
{
	add(heard_of(p)->reason, &heard_of(p)->nreason, at, len);
	return 0;
}

static int
on_body(llhttp_t *p, const char *at, size_t len)
{
	add(heard_of(p)->body, &heard_of(p)->nbody, at, len);
	return 0;
}

static int
on_field(llhttp_t *p, const char *at, size_t len)
{
	struct heard *h = heard_of(p);

	if (h->in_trailers)
		return 0;
	MUST(h->nheaders < HEAD_HEADERS_MAX);
	add(h->text, &h->ntext, at, len);
	return 0;
}

static int
on_field_complete(llhttp_t *p)
{
	heard_of(p)->at[heard_of(p)->nheaders][1] = heard_of(p)->ntext;
	return 0;
}

static int
on_value(llhttp_t *p, const char *at, size_t len)
{
	struct heard *h = heard_of(p);

	if (!h->in_trailers)
		add(h->text, &h->ntext, at, len);
	return 0;
}

static int
on_value_complete(llhttp_t *p)
{
	struct heard *h = heard_of(p);

	if (!h->in_trailers)
		h->at[++h->nheaders][0] = h->ntext;
	return 0;
}

static int
on_headers_complete(llhttp_t *p)
{
	struct heard *h = heard_of(p);

	h->in_trailers = true;
	return h->skip_body ? 1 : 0;
}

static int
on_message_complete(llhttp_t *p)
{
	heard_of(p)->whole = true;
	heard_of(p)->keep_alive = llhttp_should_keep_alive(p);
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_status = on_status,
	.on_header_field = on_field,
	.on_header_field_complete = on_field_complete,
	.on_header_value = on_value,
	.on_header_value_complete = on_value_complete,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

/* --- the two readings ----------------------------------------------------- */

/* What we make of it. */
struct ours {
	struct reading head;
	struct unchunked chunks;
	struct span body; /* as much of it as is there */
	bool whole;
	size_t end; /* if whole */
};

static bool
read_chunks(struct ours *o, const char *rest, size_t n)
{
	unchunk(&o->chunks, rest, n, n, n);
	o->body = (struct span){ o->chunks.data, o->chunks.n };
	o->whole = o->chunks.verdict == CHUNK_END;
	o->end = o->head.head.size + o->chunks.used;
	return o->chunks.verdict != CHUNK_BAD;
}

/* False: it is refused, or not even a head. */
static bool
read_ours(struct ours *o, const char *bytes, size_t n, int what)
{
	const struct head *h = &o->head.head;
	const char *rest;

	memset(o, 0, sizeof(*o));
	reading_init(&o->head, NULL);
	reading_show(&o->head, bytes, n, what);
	if (o->head.verdict != HEAD_OK)
		return false;
	rest = bytes + h->size;
	n -= h->size;
	if (h->framing == FRAMING_CHUNKED)
		return read_chunks(o, rest, n);
	o->body = (struct span){ rest, h->framing == FRAMING_NONE ? 0 : n };
	if (h->framing == FRAMING_LENGTH && h->length < n)
		o->body.n = (size_t)h->length;
	o->whole = h->framing == FRAMING_NONE ||
	    (h->framing == FRAMING_LENGTH && o->body.n == h->length);
	o->end = h->size + o->body.n;
	return true;
}

static void
ours_done(struct ours *o)
{
	reading_done(&o->head);
	free(o->chunks.data);
}

/* Whether llhttp has that method for HTTP. */
static bool
is_known(struct span method)
{
#define NAME(num, name, string) #string,
	static const char *const names[] = { HTTP_METHOD_MAP(NAME) };
#undef NAME

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_eq(method, span_of(names[i])))
			return true;
	return false;
}

static llhttp_errno_t
read_theirs(struct heard *t, const struct ours *o, const char *bytes, size_t n,
    int what)
{
	const struct head *h = &o->head.head;
	size_t skipped = 0;

	memset(t, 0, sizeof(*t));
	llhttp_init(&t->parser,
	    what == READ_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
	t->parser.data = t;
	t->skip_body = what != READ_REQUEST && h->framing == FRAMING_NONE;
	if (what == READ_REQUEST && !is_known(h->method_name)) {
		skipped = (size_t)(h->method_name.p - o->head.bytes) +
		    h->method_name.n;
		MUST(llhttp_execute(&t->parser, "GET", 3) == HPE_OK);
	}
	return llhttp_execute(&t->parser, bytes + skipped, n - skipped);
}

/* --- the comparison ------------------------------------------------------- */

/* Whether it stopped in a chunk extension. */
static bool
is_extension(const struct ours *o, const char *bytes, const char *at)
{
	const char *body = bytes + o->head.head.size;
	const char *p = at;

	if (o->head.head.framing != FRAMING_CHUNKED || p < body)
		return false;
	while (p > body && p[-1] != '\n')
		p--;
	return memchr(p, ';', (size_t)(at - p)) != NULL;
}

static bool
same_bytes(struct span ours, const char *p, size_t n)
{
	return span_eq(ours, (struct span){ p, n });
}

static bool
same_value(struct span ours, const char *p, size_t n)
{
	return span_eq(ours, span_trim((struct span){ p, n }));
}

static void
compare_heads(const struct ours *o, const struct heard *t, int what)
{
	const struct head *h = &o->head.head;
	const llhttp_t *p = &t->parser;

	MUST(p->http_major == 1 && p->http_minor == h->minor);
	if (what == READ_REQUEST) {
		MUST(same_bytes(h->target, t->target, t->ntarget));
		if (is_known(h->method_name))
			MUST(span_eq(h->method_name,
			    span_of(llhttp_method_name(p->method))));
	} else {
		MUST(p->status_code == h->status);
		MUST(same_bytes(h->reason, t->reason, t->nreason));
	}
	MUST(h->nheaders == t->nheaders);
	for (size_t i = 0; i < h->nheaders; i++) {
		size_t name = t->at[i][0], value = t->at[i][1];

		MUST(same_bytes(
		    h->headers[i].name, t->text + name, value - name));
		MUST(same_value(h->headers[i].value, t->text + value,
		    t->at[i + 1][0] - value));
	}
	if (t->whole && h->framing != FRAMING_CLOSE && h->status != 204 &&
	    !head_has(h, HDR_PROXY_CONNECTION))
		MUST(h->keep_alive == (t->keep_alive != 0));
}

static void
compare(const struct ours *o, const char *bytes, size_t n, int what)
{
	static struct heard t;
	llhttp_errno_t r = read_theirs(&t, o, bytes, n, what);
	const char *stop = llhttp_get_error_pos(&t.parser);

	if (r != HPE_OK && !t.whole && is_extension(o, bytes, stop))
		return;
	compare_heads(o, &t, what);
	MUST(t.whole == o->whole);
	MUST(r == (o->whole ? HPE_PAUSED : HPE_OK));
	MUST(same_bytes(o->body, t.body, t.nbody));
	if (o->whole)
		MUST((size_t)(stop - bytes) == o->end);
	else if (o->head.head.framing == FRAMING_CLOSE)
		MUST(llhttp_finish(&t.parser) == HPE_PAUSED && t.whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 1;
	struct ours o;
	int what;

	if (size < 1 || size > SIZE_MAX_)
		return 0;
	what = data[0] & 1 ? (data[0] >> 1) % METHOD_N : READ_REQUEST;
	if (read_ours(&o, bytes, size - 1, what))
		compare(&o, bytes, size - 1, what);
	ours_done(&o);
	return 0;
}
