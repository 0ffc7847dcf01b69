/* SPDX-License-Identifier: ISC */

#include "proxy/caller.h"

#include <string.h>

#include "base/base64.h"

/* The bytes of it, up to size; stops at what is not base64. */
static size_t
decode(struct span in, char *out, size_t size)
{
	unsigned bits = 0, have = 0;
	size_t n = 0;

	for (size_t i = 0; i < in.n && n < size; i++) {
		int d = base64_digit(in.p[i], "+/");

		if (d < 0)
			break;
		bits = (bits << 6 | (unsigned)d) & 0xffff;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		out[n++] = (char)(bits >> have & 0xff);
	}
	return n;
}

size_t
caller_token(struct span value, char *out, size_t size)
{
	struct span scheme;
	const char *colon;
	size_t n;

	if (!span_next(&value, ' ', &scheme) ||
	    !span_eq_nocase(scheme, SPAN("Basic")))
		return 0;
	n = decode(span_trim(value), out, size);
	colon = memchr(out, ':', n);
	return colon == NULL ? 0 : (size_t)(colon - out);
}

const struct snapshot_service *
caller_of(const struct table *t, const struct head *h)
{
	const struct head_header *hh = head_find(h, HDR_AUTHORIZATION);
	char token[SNAPSHOT_TOKEN_MAX + 1];
	size_t n;

	if (hh == NULL)
		return NULL;
	n = caller_token(hh->value, token, sizeof(token));
	return n == 0 ? NULL : table_caller(t, (struct span){ token, n });
}
