/* SPDX-License-Identifier: ISC */

#include "lib/json.h"

#include <errno.h>

struct sink {
	struct buf *out;
	int r; /* the first failure: the library goes on past some */
};

static int
append(const char *data, size_t n, void *arg)
{
	struct sink *sink = arg;

	if (sink->r == 0)
		sink->r = buf_append(sink->out, data, n);
	return sink->r;
}

int
svc_json_write(struct buf *out, json_t *value)
{
	struct sink sink = { out, 0 };
	size_t before = out->len;

	if (value == NULL)
		return -ENOMEM;
	if (json_dump_callback(value, append, &sink, JSON_COMPACT) != 0 &&
	    sink.r == 0)
		sink.r = -ENOMEM;
	if (sink.r == 0)
		sink.r = buf_append(out, "\n", 1);
	json_decref(value);
	if (sink.r < 0)
		out->len = before;
	return sink.r;
}
