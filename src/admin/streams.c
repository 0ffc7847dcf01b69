/* SPDX-License-Identifier: ISC */

/*
 * Logs and events as they happen. Control calls, the stream writes; a reader
 * that lets its queue grow over the limit is cut, in a later turn, because
 * nothing may be taken from under control's own callback.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "admin/call.h"
#include "admin/input.h"
#include "base/clock.h"
#define LOG_SUBSYSTEM "admin"
#include "base/log.h"

#define LINES_DEFAULT 100
#define STREAM_LINE_MAX (64 * 1024)

enum stream_end { END_NOT, END_WHOLE, END_CUT };

struct stream {
	struct link link; /* admin.streams */
	struct admin *admin;
	struct request *req;
	struct loop_later later;
	enum stream_end end; /* what `later` is to do */
	size_t limit;	     /* bytes unsent */
	bool follow;
	struct control_watch watch; /* events */
	struct control_logs logs;   /* or lines, when logging is true */
	bool logging;
	const char *type;
	bool started;
};

static void
stream_free(struct stream *s)
{
	control_unwatch(&s->watch);
	if (s->logging)
		control_logs_cancel(s->admin->control, &s->logs);
	loop_defer_cancel(&s->later);
	list_remove(&s->link);
	s->admin->nstreams--;
	free(s);
}

static void
stream_close(struct stream *s, enum stream_end end)
{
	struct request *req = s->req;

	stream_free(s);
	if (end == END_WHOLE)
		request_end(req);
	else
		request_drop(req);
}

static void
on_later(void *arg)
{
	struct stream *s = arg;

	stream_close(s, s->end);
}

static void
stream_finish(struct stream *s, enum stream_end end)
{
	if (s->end != END_NOT)
		return;
	s->end = end;
	loop_defer(s->admin->loop, &s->later, on_later, s);
}

static void
on_gone(struct request *req, void *arg)
{
	struct stream *s = arg;

	(void)req;
	stream_close(s, END_CUT);
}

static int
stream_start(struct stream *s)
{
	int r;

	if (s->started)
		return 0;
	s->started = true;
	r = request_set_header(s->req, "Cache-Control", "no-store");
	if (r == 0)
		r = request_start(s->req, 200, s->type);
	return r;
}

static void
stream_cut(struct stream *s)
{
	if (s->end != END_NOT)
		return;
	s->admin->count.streams_cut++;
	log_warn(request_peer(s->req)->text,
	    "stream cut, the reader is too slow unsent=%zu",
	    request_queued(s->req));
	stream_finish(s, END_CUT);
}

static void
stream_write(struct stream *s, struct span data)
{
	int r;

	if (s->end != END_NOT)
		return;
	if (request_queued(s->req) + data.n > s->limit) {
		stream_cut(s);
		return;
	}
	r = stream_start(s);
	if (r == 0)
		r = request_write(s->req, data);
	if (r == -ENOBUFS)
		stream_cut(s);
	else if (r < 0)
		stream_finish(s, END_CUT);
}

static void stream_printf(struct stream *s, const char *fmt, ...) PRINTF(2, 3);

static void
stream_printf(struct stream *s, const char *fmt, ...)
{
	struct buf text;
	va_list ap;
	int r;

	buf_init(&text, STREAM_LINE_MAX);
	va_start(ap, fmt);
	r = buf_vprintf(&text, fmt, ap);
	va_end(ap);
	if (r == 0)
		stream_write(s, buf_span(&text));
	else
		stream_finish(s, END_CUT);
	buf_done(&text);
}

/* From here on the reader has to keep up. */
static void
stream_replayed(struct stream *s)
{
	if (s->end != END_NOT)
		return;
	if (stream_start(s) < 0)
		stream_finish(s, END_CUT);
	else if (!s->follow)
		stream_finish(s, END_WHOLE);
	else
		s->limit = request_queued(s->req) + ADMIN_STREAM_QUEUE;
}

static struct stream *
stream_new(struct call *call, const char *type)
{
	struct admin *a = call->admin;
	struct stream *s;

	if (request_method(call->req) == METHOD_HEAD) {
		request_reply(call->req, 200, type, span_of(NULL));
		return NULL;
	}
	if (a->draining || a->nstreams >= ADMIN_STREAMS) {
		a->count.streams_refused++;
		call_problem(call, 503, "too-many-streams", NULL,
		    a->draining ? "drover is going down"
				: "all streams are taken; close one");
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		call_problem(call, 503, "out-of-memory", NULL,
		    "drover is out of memory");
		return NULL;
	}
	s->admin = a;
	s->req = call->req;
	s->type = type;
	s->limit = ADMIN_REPLY_QUEUE;
	s->follow = call_flag(call, "follow", false);
	list_push(&a->streams, &s->link);
	a->nstreams++;
	return s;
}

/* --- events --------------------------------------------------------------- */

static void
on_event(void *arg, uint64_t id, const char *json)
{
	stream_printf(arg, "id: %" PRIu64 "\ndata: %s\n\n", id, json);
}

void
on_events(struct call *call)
{
	uint64_t after = 0;
	struct span last = request_header(call->req, "Last-Event-ID");
	struct stream *s;

	if (last.n > 0 && str_u64(last, &after) < 0) {
		call_problem(call, 400, "bad-value", "Last-Event-ID",
		    "Last-Event-ID is not the id of an event");
		return;
	}
	s = stream_new(call, call->route->type);
	if (s == NULL)
		return;
	s->follow = call_flag(call, "follow", true);
	s->watch = (struct control_watch){ .event = on_event, .arg = s };
	request_watch(s->req, on_gone, NULL, s);
	stream_printf(s, "retry: 1000\n\n");
	control_watch(call->admin->control, &s->watch, after);
	stream_replayed(s);
}

void
streams_beat(struct admin *admin)
{
	LIST_EACH (s, &admin->streams, struct stream, link)
		if (!s->logging)
			stream_printf(s, ":\n\n");
}

/* --- logs ----------------------------------------------------------------- */

static void
on_line(void *arg, json_t *line)
{
	struct stream *s = arg;
	char *text;

	if (line == NULL) {
		stream_replayed(s);
		return;
	}
	text = json_dumps(line, JSON_COMPACT);
	if (text != NULL)
		stream_printf(s, "%s\n", text);
	else
		stream_finish(s, END_CUT);
	free(text);
}

static uint64_t
since_of(const struct call *call)
{
	struct span value;
	uint64_t ms = 0;

	if (request_query(call->req, "since", &value))
		(void)!input_since(value, clock_wall_ms(), &ms);
	return ms;
}

/* The service of the path, or the one instance of it that was asked for. */
static int
logs_name(struct call *call, char *name, struct err *err)
{
	struct span instance, service;

	call_name(call, "s", name);
	if (!request_query(call->req, "instance", &instance))
		return 0;
	service = span_of(name);
	if (instance.n <= service.n || !span_starts(instance, service) ||
	    instance.p[service.n] != '.')
		return err_set(err, -EINVAL, "%.*s is not an instance of %s",
		    (int)(instance.n < 64 ? instance.n : 64), instance.p, name);
	return str_copy(name, CALL_NAME_MAX, instance) < 0
	    ? err_set(err, -EINVAL, "no instance has a name that long")
	    : 0;
}

void
on_logs(struct call *call)
{
	unsigned lines = (unsigned)call_number(call, "lines", LINES_DEFAULT);
	char name[CALL_NAME_MAX];
	struct err err = { "" };
	struct stream *s;
	int r = logs_name(call, name, &err);

	if (r < 0) {
		call_problem(call, 400, "bad-value", "instance", err.text);
		return;
	}
	s = stream_new(call, call->route->type);
	if (s == NULL)
		return;
	s->logs = (struct control_logs){ .line = on_line, .arg = s };
	s->logging = true;
	r = control_logs(call->admin->control, name, since_of(call), lines,
	    s->follow, &s->logs, &err);
	if (r == 0) {
		request_watch(s->req, on_gone, NULL, s);
		return;
	}
	s->logging = false;
	stream_free(s);
	call_failed(call, r, &err);
}

/* --- all of them ---------------------------------------------------------- */

void
streams_end(struct admin *admin)
{
	LIST_EACH_SAFE (s, &admin->streams, struct stream, link)
		stream_close(
		    s, s->started && s->end != END_CUT ? END_WHOLE : END_CUT);
}

void
streams_free(struct admin *admin)
{
	LIST_EACH_SAFE (s, &admin->streams, struct stream, link)
		stream_close(s, END_CUT);
}
