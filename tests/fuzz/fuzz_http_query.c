/* SPDX-License-Identifier: ISC */

/*
 * A query string decodes to at most as many bytes as it has, without a NUL, or
 * is refused; and a problem with any text in it stays one JSON string.
 */

#include <string.h>

#include "http/problem.h"
#include "http/query.h"
#include "pieces.h"

static void
check_string(const char *text)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	MUST(problem_string(&b, text) == 0);
	MUST(b.len >= 2 && b.data[0] == '"' && b.data[b.len - 1] == '"');
	for (size_t i = 1; i + 1 < b.len; i++) {
		MUST((unsigned char)b.data[i] >= 0x20 && b.data[i] != '"');
		if (b.data[i] == '\\')
			i++; /* whatever it is, it is escaped */
	}
	buf_done(&b);
}

static void
check_query(struct span in)
{
	struct query_param params[QUERY_MAX];
	struct arena a;
	size_t total = 0;
	size_t n = 0;

	arena_init(&a, 256, 4 * in.n + 4096);
	if (query_parse(&a, in, params, &n) == 0)
		for (size_t i = 0; i < n; i++) {
			struct span s = params[i].value;

			total += params[i].name.n + s.n;
			MUST(s.n == 0 || memchr(s.p, '\0', s.n) == NULL ||
			    memchr(in.p, '\0', in.n) != NULL);
		}
	MUST(n <= QUERY_MAX && total <= in.n);
	arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	MUST(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	check_query((struct span){ text, size });
	check_string(text);
	free(text);
	return 0;
}
