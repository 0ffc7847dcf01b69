/* SPDX-License-Identifier: ISC */

#include "tls/jose.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/base64.h"

/* --- base64url ------------------------------------------------------------ */

ssize_t
jose_decode(struct span in, void *out, size_t room)
{
	unsigned char *to = out;
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	if (in.n % 4 == 1)
		return -EINVAL;
	if (in.n / 4 * 3 + in.n % 4 * 3 / 4 > room)
		return -ENOBUFS;
	for (size_t i = 0; i < in.n; i++) {
		int d = base64_digit(in.p[i], "-_");

		if (d < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		to[n++] = (unsigned char)(bits >> have);
		bits &= (1U << have) - 1;
	}
	return bits == 0 ? (ssize_t)n : -EINVAL;
}

/* --- strings -------------------------------------------------------------- */

struct parser {
	char *at;
	char *end;
	struct jose_doc *doc;
	unsigned depth;
};

/* What the first byte promises; 0: it cannot be first. */
static size_t
utf8_promise(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* Bytes of the character that begins at s; 0: it is none. */
static size_t
utf8_size(const unsigned char *s, size_t n)
{
	size_t size = utf8_promise(s[0]);

	if (size > n)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, a surrogate, or over U+10FFFF. */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return size;
}

static char *
put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* XXXX behind \u. */
static int
read_hex(struct parser *p, uint32_t *out)
{
	uint32_t v = 0;

	if (p->end - p->at < 4)
		return -EINVAL;
	for (int i = 0; i < 4; i++) {
		int d = hex_digit(*p->at++);

		if (d < 0)
			return -EINVAL;
		v = v << 4 | (uint32_t)d;
	}
	*out = v;
	return 0;
}

static int
read_unicode(struct parser *p, char **to)
{
	uint32_t c, low;

	if (read_hex(p, &c) < 0 || c == 0 || (c >= 0xdc00 && c <= 0xdfff))
		return -EINVAL;
	if (c >= 0xd800 && c <= 0xdbff) {
		if (p->end - p->at < 6 || p->at[0] != '\\' || p->at[1] != 'u')
			return -EINVAL;
		p->at += 2;
		if (read_hex(p, &low) < 0 || low < 0xdc00 || low > 0xdfff)
			return -EINVAL;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*to = put_utf8(*to, c);
	return 0;
}

static int
read_escape(struct parser *p, char **to)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *which;

	if (p->end - p->at < 2 || p->at[1] == '\0')
		return -EINVAL;
	p->at += 2;
	if (p->at[-1] == 'u')
		return read_unicode(p, to);
	which = strchr(from, p->at[-1]);
	if (which == NULL)
		return -EINVAL;
	*(*to)++ = into[which - from];
	return 0;
}

static int
read_string(struct parser *p, struct span *out)
{
	char *start, *to;

	if (p->at == p->end || *p->at != '"')
		return -EINVAL;
	start = to = ++p->at;
	while (p->at < p->end && *p->at != '"') {
		const unsigned char *c = (const unsigned char *)p->at;
		size_t n;

		if (*c == '\\') {
			if (read_escape(p, &to) < 0)
				return -EINVAL;
			continue;
		}
		n = *c < ' ' ? 0 : utf8_size(c, (size_t)(p->end - p->at));
		if (n == 0)
			return -EINVAL;
		memmove(to, p->at, n);
		to += n;
		p->at += n;
	}
	if (p->at == p->end)
		return -EINVAL;
	p->at++;
	*out = (struct span){ start, (size_t)(to - start) };
	return 0;
}

/* --- values --------------------------------------------------------------- */

static int read_value(struct parser *p, struct jose_value *v);

static void
skip_space(struct parser *p)
{
	while (p->at < p->end &&
	    (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' ||
		*p->at == '\r'))
		p->at++;
}

static bool
take(struct parser *p, char c)
{
	skip_space(p);
	if (p->at == p->end || *p->at != c)
		return false;
	p->at++;
	return true;
}

static struct jose_value *
new_value(struct parser *p)
{
	struct jose_doc *d = p->doc;

	if (d->n == d->max)
		return NULL;
	d->values[d->n] = (struct jose_value){ .kind = JOSE_NULL };
	return &d->values[d->n++];
}

static bool
stands_before(const struct jose_value *first, const struct jose_value *v)
{
	for (; first != v; first = first->next)
		if (span_eq(first->key, v->key))
			return true;
	return false;
}

static int
read_member(
    struct parser *p, const struct jose_value *object, struct jose_value *v)
{
	skip_space(p);
	if (read_string(p, &v->key) < 0 || stands_before(object->first, v) ||
	    !take(p, ':'))
		return -EINVAL;
	return read_value(p, v);
}

/* What is between the brackets; the first has been taken. */
static int
read_inside(struct parser *p, struct jose_value *v, char close)
{
	struct jose_value **link = &v->first;

	if (take(p, close))
		return 0;
	do {
		struct jose_value *child = new_value(p);
		int r;

		if (child == NULL)
			return -E2BIG;
		*link = child;
		link = &child->next;
		r = v->kind == JOSE_OBJECT ? read_member(p, v, child)
					   : read_value(p, child);
		if (r < 0)
			return r;
	} while (take(p, ','));
	return take(p, close) ? 0 : -EINVAL;
}

static int
read_nested(struct parser *p, struct jose_value *v)
{
	char close = *p->at++ == '{' ? '}' : ']';
	int r;

	v->kind = close == '}' ? JOSE_OBJECT : JOSE_ARRAY;
	if (++p->depth > JOSE_DEPTH_MAX)
		return -E2BIG;
	r = read_inside(p, v, close);
	p->depth--;
	return r;
}

static size_t
skip_digits(struct parser *p)
{
	char *start = p->at;

	while (p->at < p->end && *p->at >= '0' && *p->at <= '9')
		p->at++;
	return (size_t)(p->at - start);
}

static int
read_number(struct parser *p, struct jose_value *v)
{
	char *start = p->at, *digits;
	size_t n;

	p->at += *p->at == '-';
	digits = p->at;
	n = skip_digits(p);
	if (n == 0 || (n > 1 && *digits == '0'))
		return -EINVAL;
	if (p->at < p->end && *p->at == '.') {
		p->at++;
		if (skip_digits(p) == 0)
			return -EINVAL;
	}
	if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
		p->at++;
		if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
			p->at++;
		if (skip_digits(p) == 0)
			return -EINVAL;
	}
	v->kind = JOSE_NUMBER;
	v->text = (struct span){ start, (size_t)(p->at - start) };
	return 0;
}

static int
read_word(struct parser *p, struct jose_value *v)
{
	static const struct {
		struct span word;
		enum jose_kind kind;
	} words[] = {
		{ { "null", 4 }, JOSE_NULL },
		{ { "false", 5 }, JOSE_FALSE },
		{ { "true", 4 }, JOSE_TRUE },
	};
	struct span rest = { p->at, (size_t)(p->end - p->at) };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!span_starts(rest, words[i].word))
			continue;
		v->kind = words[i].kind;
		p->at += words[i].word.n;
		return 0;
	}
	return -EINVAL;
}

static int
read_value(struct parser *p, struct jose_value *v)
{
	skip_space(p);
	if (p->at == p->end)
		return -EINVAL;
	switch (*p->at) {
	case '{':
	case '[':
		return read_nested(p, v);
	case '"':
		v->kind = JOSE_STRING;
		return read_string(p, &v->text);
	case 'n':
	case 'f':
	case 't':
		return read_word(p, v);
	default:
		return read_number(p, v);
	}
}

int
jose_parse(struct jose_doc *d, char *text, size_t n)
{
	struct parser p = { .at = text, .end = text + n, .doc = d };
	struct jose_value *root;
	int r;

	d->n = 0;
	root = new_value(&p);
	if (root == NULL)
		return -E2BIG;
	r = read_value(&p, root);
	if (r < 0)
		return r;
	skip_space(&p);
	return p.at == p.end ? 0 : -EINVAL;
}

/* --- questions ------------------------------------------------------------ */

const struct jose_value *
jose_get(const struct jose_value *object, const char *key)
{
	struct span name = span_of(key);

	if (object == NULL || object->kind != JOSE_OBJECT)
		return NULL;
	for (const struct jose_value *v = object->first; v != NULL; v = v->next)
		if (span_eq(v->key, name))
			return v;
	return NULL;
}

struct span
jose_text(const struct jose_value *object, const char *key)
{
	const struct jose_value *v = jose_get(object, key);

	return v != NULL && v->kind == JOSE_STRING ? v->text
						   : (struct span){ NULL, 0 };
}

int
jose_date(const struct jose_value *v, uint64_t *seconds)
{
	struct span rest, whole;

	if (v == NULL || v->kind != JOSE_NUMBER ||
	    memchr(v->text.p, 'e', v->text.n) != NULL ||
	    memchr(v->text.p, 'E', v->text.n) != NULL)
		return -EINVAL;
	rest = v->text;
	if (!span_next(&rest, '.', &whole) || str_u64(whole, seconds) < 0 ||
	    *seconds >= UINT64_C(1) << 53)
		return -EINVAL;
	return 0;
}
