/* SPDX-License-Identifier: ISC */

#include "conf/peek.h"

#include <string.h>

#include "base/fd.h"

#define PEEK_MAX (1 << 20) /* bytes of the file */
#define PEEK_DEFAULT "/run/drover"

static struct span
without_comment(struct span line)
{
	const char *hash = line.n > 0 ? memchr(line.p, '#', line.n) : NULL;

	if (hash != NULL)
		line.n = (size_t)(hash - line.p);
	return line;
}

static bool
is_border(char c)
{
	return c == ' ' || c == '\t' || c == '{' || c == ',';
}

/* What stands behind the key in this line, up to a comma, brace or space. */
static struct span
value_in(struct span line, struct span key)
{
	for (size_t i = 0; i + key.n < line.n; i++) {
		struct span rest = { line.p + i, line.n - i };

		if (!span_starts(rest, key) ||
		    (i > 0 && !is_border(line.p[i - 1])))
			continue;
		rest.p += key.n;
		rest.n -= key.n;
		rest = span_trim(rest);
		for (size_t n = 0; n < rest.n; n++)
			if (strchr(",} \t\r", rest.p[n]) != NULL)
				rest.n = n;
		if (rest.n > 1 && (*rest.p == '"' || *rest.p == '\'')) {
			rest.p++;
			rest.n -= 2;
		}
		return rest;
	}
	return (struct span){ NULL, 0 };
}

int
conf_peek_runtime(const char *path, char *out, size_t size, struct err *err)
{
	struct span rest, line, found = { NULL, 0 };
	struct buf text;
	int r;

	buf_init(&text, PEEK_MAX);
	r = fd_read_file(path, &text);
	if (r < 0) {
		buf_done(&text);
		return err_errno(err, r, "cannot read %s", path);
	}
	rest = buf_span(&text);
	while (found.n == 0 && span_next(&rest, '\n', &line))
		found = value_in(without_comment(line), SPAN("runtime:"));
	r = str_copy(out, size, found.n > 0 ? found : span_of(PEEK_DEFAULT));
	buf_done(&text);
	return r < 0 ? err_errno(err, r, "%s: runtime", path) : 0;
}
