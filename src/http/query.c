/* SPDX-License-Identifier: ISC */

#include "http/query.h"

#include <errno.h>
#include <string.h>

#include "http/chars.h"

static bool
needs_decoding(struct span s, bool plus)
{
	return s.n > 0 &&
	    (memchr(s.p, '%', s.n) != NULL ||
		(plus && memchr(s.p, '+', s.n) != NULL));
}

/* One character of `in`, which is stepped over it; -1 for a broken escape. */
static int
next_char(struct span *in, bool plus)
{
	char c = *in->p;
	size_t n = 1;
	int value = (unsigned char)c;

	if (plus && c == '+')
		value = ' ';
	if (c == '%') {
		if (in->n < 3 || !char_is(in->p[1], CHAR_HEX) ||
		    !char_is(in->p[2], CHAR_HEX))
			return -1;
		value = (int)(char_hex(in->p[1]) << 4 | char_hex(in->p[2]));
		n = 3;
	}
	in->p += n;
	in->n -= n;
	return value;
}

int
query_decode(struct arena *a, struct span in, bool plus, struct span *out)
{
	char *p;

	*out = in;
	if (!needs_decoding(in, plus))
		return 0;
	p = arena_alloc(a, in.n + 1);
	if (p == NULL)
		return -ENOMEM;
	*out = (struct span){ p, 0 };
	while (in.n > 0) {
		int c = next_char(&in, plus);

		if (c <= 0)
			return -EINVAL;
		p[out->n++] = (char)c;
	}
	return 0;
}

static int
parse_param(struct arena *a, struct span part, struct query_param *param)
{
	struct span rest = part;
	struct span name = { NULL, 0 };
	struct span value;
	int r;

	span_next(&rest, '=', &name);
	value = rest.p == NULL ? (struct span){ name.p + name.n, 0 } : rest;
	r = query_decode(a, name, true, &param->name);
	return r < 0 ? r : query_decode(a, value, true, &param->value);
}

int
query_parse(struct arena *a, struct span in,
    struct query_param params[QUERY_MAX], size_t *n)
{
	struct span part;
	int r = 0;

	*n = 0;
	while (r == 0 && span_next(&in, '&', &part)) {
		if (part.n == 0)
			continue;
		if (*n == QUERY_MAX)
			return -E2BIG;
		r = parse_param(a, part, &params[*n]);
		*n += r == 0;
	}
	return r;
}
