/* SPDX-License-Identifier: ISC */

/* What explain says. */

#include <stdio.h>

#include "cli/show.h"

static int
put(struct buf *out, const char *name, const char *value)
{
	return value[0] == '\0' ? 0 : buf_printf(out, "%-12s%s\n", name, value);
}

/* 83us, 1.204ms, 2.000s */
static const char *
duration(char *text, size_t size, json_int_t us)
{
	if (us < 1000)
		snprintf(text, size, "%dus", (int)us);
	else if (us < 1000000)
		snprintf(text, size, "%.3fms", (double)us / 1e3);
	else
		snprintf(text, size, "%.3fs", (double)us / 1e6);
	return text;
}

static int
put_time(struct buf *out, const char *name, const json_t *req, const char *key)
{
	char text[32];

	return put(
	    out, name, duration(text, sizeof(text), json_number(req, key)));
}

/* A daemon that was there before this command may not know. */
static int
put_tls(struct buf *out, const json_t *req)
{
	const json_t *tls = json_object_get(req, "tls");

	if (!json_is_boolean(tls))
		return 0;
	return put(out, "tls", json_is_true(tls) ? "yes" : "no");
}

static int
put_head(struct buf *out, const json_t *req)
{
	int r = buf_printf(out, "%-12s%s %s %s\n", "request",
	    json_text(req, "method"), json_text(req, "path"),
	    json_text(req, "protocol"));

	if (r == 0)
		r = put(out, "id", json_text(req, "request_id"));
	if (r == 0)
		r = put(out, "trace", json_text(req, "trace_id"));
	if (r == 0)
		r = put(out, "at", json_text(req, "at"));
	if (r == 0)
		r = put(out, "client", json_text(req, "client"));
	return r == 0 ? put_tls(out, req) : r;
}

static int
put_answer(struct buf *out, const json_t *req)
{
	const char *fault = json_text(req, "fault");

	return buf_printf(out, "%-12s%d %s%s%s\n", "answer",
	    (int)json_number(req, "status"), json_text(req, "end"),
	    fault[0] != '\0' ? ": " : "", fault);
}

static int
put_flags(struct buf *out, const json_t *req)
{
	const json_t *flags = json_object_get(req, "flags");
	size_t i;
	json_t *flag;
	int r = 0;

	json_array_foreach(flags, i, flag) if (r == 0) r = buf_printf(out,
	    "%s%s", i == 0 ? "flags       " : ", ", json_string_value(flag));
	return r == 0 && json_array_size(flags) > 0 ? buf_puts(out, "\n") : r;
}

static int
put_tried(struct buf *out, const json_t *req)
{
	const json_t *tried = json_object_get(req, "tried");
	size_t i;
	json_t *hop;
	int r = buf_printf(out, "%-12s%d, %d of them ejected\n", "candidates",
	    (int)json_number(req, "candidates"),
	    (int)json_number(req, "ejected"));

	json_array_foreach(tried, i, hop) if (r == 0)
	    r = buf_printf(out, "%-12s%s: %s\n", i == 0 ? "tried" : "then",
		json_text(hop, "endpoint"), json_text(hop, "outcome"));
	return r;
}

static int
put_times(struct buf *out, const json_t *req)
{
	int r = put_time(out, "queue wait", req, "wait_us");

	if (r == 0)
		r = put_time(out, "connect", req, "connect_us");
	if (r == 0 && json_number(req, "first_byte_us") > 0)
		r = put_time(out, "first byte", req, "first_byte_us");
	if (r == 0)
		r = put_time(out, "total", req, "total_us");
	if (r == 0)
		r = buf_printf(out, "%-12s%lld in, %lld out\n", "bytes",
		    (long long)json_number(req, "bytes_in"),
		    (long long)json_number(req, "bytes_out"));
	return r;
}

static int
show_request(const json_t *req, struct buf *out)
{
	int r = put_head(out, req);

	if (r == 0)
		r = put(out, "service", json_text(req, "service"));
	if (r == 0)
		r = put(out, "route", json_text(req, "route"));
	if (r == 0)
		r = put_tried(out, req);
	if (r == 0)
		r = put_answer(out, req);
	if (r == 0)
		r = put_flags(out, req);
	return r == 0 ? put_times(out, req) : r;
}

int
show_requests(const json_t *found, bool colour, struct buf *out)
{
	const json_t *requests = json_object_get(found, "requests");
	size_t i;
	json_t *req;
	int r = 0;

	(void)colour;
	json_array_foreach(requests, i, req)
	{
		if (r == 0 && i > 0)
			r = buf_puts(out, "\n");
		if (r == 0)
			r = show_request(req, out);
	}
	return r;
}
