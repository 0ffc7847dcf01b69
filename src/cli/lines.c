/* SPDX-License-Identifier: ISC */

#include "cli/lines.h"

#include <errno.h>
#include <string.h>

#include "cli/remote.h"
#include "http/client.h"

#define LINES_MS 5000

void
lines_init(struct lines *l, int (*line)(void *arg, char *line), void *arg)
{
	*l = (struct lines){ .line = line, .arg = arg };
	buf_init(&l->rest, LINES_MAX);
}

void
lines_done(struct lines *l)
{
	buf_done(&l->rest);
}

static int
whole_line(struct lines *l, struct span tail)
{
	int r = buf_append(&l->rest, tail.p, tail.n);

	if (r == 0)
		r = l->line(l->arg, l->rest.data);
	buf_clear(&l->rest);
	return r;
}

int
lines_feed(struct lines *l, struct span data)
{
	int r = 0;

	while (r == 0 && data.n > 0) {
		const char *end = memchr(data.p, '\n', data.n);
		size_t n = end != NULL ? (size_t)(end - data.p) : data.n;

		if (end == NULL) {
			r = buf_append(&l->rest, data.p, n);
			break;
		}
		/* The empty line has no bytes to make a buffer of. */
		if (n + l->rest.len > 0)
			r = whole_line(l, (struct span){ data.p, n });
		data.p += n + 1;
		data.n -= n + 1;
	}
	return r == -ENOBUFS ? -EMSGSIZE : r;
}

const char *
lines_sse_data(const char *line)
{
	if (strncmp(line, "data:", 5) != 0)
		return NULL;
	return line[5] == ' ' ? line + 6 : line + 5;
}

static int
on_line(void *arg, char *line)
{
	json_t *value = json_loads(line, 0, NULL);

	return value != NULL ? json_array_append_new(arg, value) : 0;
}

static json_t *
split(const struct buf *body)
{
	json_t *array = json_array();
	struct lines l;

	lines_init(&l, on_line, array);
	if (array != NULL && lines_feed(&l, buf_span(body)) < 0) {
		json_decref(array);
		array = NULL;
	}
	lines_done(&l);
	return array;
}

json_t *
lines_get(const struct invocation *in, const char *target)
{
	char address[REMOTE_ADDRESS_MAX];
	struct client_request request = {
		.address = address,
		.target = target,
		.total_ms = LINES_MS,
	};
	struct client_answer answer;
	json_t *array = NULL;

	if (remote_address(in, address, sizeof(address)) != CLI_OK ||
	    client_call(&request, &answer, NULL) < 0)
		return NULL;
	if (answer.status == 200)
		array = split(&answer.body);
	buf_done(&answer.body);
	return array;
}
