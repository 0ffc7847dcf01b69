/* SPDX-License-Identifier: ISC */

#include "http/trace.h"

#include <string.h>

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: no digits. *any: one of the bytes is not zero. */
static bool
bytes(const char *s, unsigned char *out, size_t n, bool *any)
{
	*any = false;
	for (size_t i = 0; i < n; i++) {
		int high = digit(s[2 * i]), low = digit(s[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
		*any |= out[i] != 0;
	}
	return true;
}

bool
trace_parse(struct trace *t, struct span s)
{
	unsigned char version;
	bool later, id, span, any;

	if (s.n < TRACE_TEXT || s.p[2] != '-' || s.p[35] != '-' ||
	    s.p[52] != '-' || !bytes(s.p, &version, 1, &later) ||
	    version == 0xff)
		return false;
	if (s.n > TRACE_TEXT && (!later || s.p[TRACE_TEXT] != '-'))
		return false;
	if (!bytes(s.p + 3, t->id, sizeof(t->id), &id) ||
	    !bytes(s.p + 36, t->span, sizeof(t->span), &span) ||
	    !bytes(s.p + 53, &t->flags, 1, &any))
		return false;
	if (later)
		t->flags &= TRACE_SAMPLED;
	return id && span;
}

void
trace_put(const struct trace *t, char *out)
{
	memcpy(out, "00-", 3);
	str_hex(out + 3, t->id, sizeof(t->id));
	out[35] = '-';
	str_hex(out + 36, t->span, sizeof(t->span));
	out[52] = '-';
	str_hex(out + 53, &t->flags, 1);
}
