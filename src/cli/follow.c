/* SPDX-License-Identifier: ISC */

/* The commands that read a stream: logs and events. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/lines.h"
#include "cli/remote.h"
#include "cli/run.h"
#include "cli/show.h"
#include "http/client.h"
#include "loop/loop.h"

#define PROBLEM_MAX 65536

struct follow {
	const struct invocation *in;
	struct loop *loop;
	struct client *client;
	struct lines lines;
	struct buf problem; /* the body of an answer that is not 200 */
	unsigned status;
	bool events; /* an event stream; else a line of JSON each */
	int exit;
};

static void
follow_end(struct follow *f, int code)
{
	f->exit = code;
	loop_stop(f->loop);
}

static int
print_text(struct follow *f, const json_t *value)
{
	struct buf out;
	int r;

	buf_init(&out, LINES_MAX * 2);
	r = f->events ? show_event(value, &out)
		      : show_line(value, print_is_terminal(), &out);
	if (r == 0 && fwrite(buf_str(&out), 1, out.len, stdout) != out.len)
		r = -EIO;
	buf_done(&out);
	return r;
}

static int
on_line(void *arg, char *line)
{
	struct follow *f = arg;
	const char *text = f->events ? lines_sse_data(line) : line;
	json_t *value;
	int r;

	if (text == NULL)
		return 0;
	if (f->in->given & OPT_JSON)
		return puts(text) < 0 ? -EIO : 0;
	value = json_loads(text, 0, NULL);
	r = value != NULL ? print_text(f, value) : 0;
	json_decref(value);
	return r;
}

static void
on_head(void *arg, const struct head *head)
{
	struct follow *f = arg;

	f->status = head->status;
}

static void
on_body(void *arg, struct span data)
{
	struct follow *f = arg;
	int r;

	if (f->status != 200)
		r = buf_append(&f->problem, data.p, data.n);
	else
		r = lines_feed(&f->lines, data);
	if (r == 0 && fflush(stdout) == 0)
		return;
	fprintf(stderr, "drover: the stream cannot be printed: %s\n",
	    strerror(r < 0 ? -r : errno));
	client_cancel(f->client);
	follow_end(f, CLI_ERROR);
}

static void
on_done(void *arg, int r, const struct err *err)
{
	struct follow *f = arg;

	if (r < 0 && f->status != 200) {
		follow_end(f, remote_failed(f->in, r, err));
	} else if (f->status != 200) {
		follow_end(f, remote_refused(f->in, f->status, &f->problem));
	} else if (r < 0 || (f->in->given & OPT_FOLLOW)) {
		fprintf(stderr, "drover: the daemon ended the stream\n");
		follow_end(f, CLI_UNREACHABLE);
	} else {
		follow_end(f, CLI_OK);
	}
}

static int
follow_run(struct follow *f, const char *target)
{
	static const struct client_ops ops = { on_head, on_body, on_done };
	char address[REMOTE_ADDRESS_MAX];
	struct client_request request = {
		.address = address,
		.target = target,
		.max_body = UINT64_MAX,
	};
	struct err err = { "" };
	int r = remote_address(f->in, address, sizeof(address));

	if (r != CLI_OK)
		return r;
	f->client = client_start(f->loop, &request, &ops, f, &err);
	if (f->client == NULL) {
		fprintf(stderr, "drover: %s\n", err.text);
		return CLI_ERROR;
	}
	loop_run(f->loop);
	return f->exit;
}

static int
follow(const struct invocation *in, const char *target, bool events)
{
	struct follow f = { .in = in, .events = events, .exit = CLI_ERROR };
	struct err err;
	int r;

	f.loop = loop_new(&err);
	if (f.loop == NULL)
		return print_failed(in->command->name);
	lines_init(&f.lines, on_line, &f);
	buf_init(&f.problem, PROBLEM_MAX);
	r = follow_run(&f, target);
	lines_done(&f.lines);
	buf_done(&f.problem);
	loop_free(f.loop);
	return r;
}

int
run_logs(const struct invocation *in)
{
	char target[REMOTE_TARGET_MAX], name[256], service[256];
	bool whole = !remote_is_instance(in->args[0]);

	remote_escape(name, sizeof(name), in->args[0]);
	snprintf(
	    service, sizeof(service), "%.*s", (int)strcspn(name, "."), name);
	snprintf(target, sizeof(target),
	    "/v1/services/%s/logs?lines=%u%s%s%s%s%s", service, in->lines,
	    whole ? "" : "&instance=", whole ? "" : name,
	    in->since != NULL ? "&since=" : "",
	    in->since != NULL ? in->since : "",
	    in->given & OPT_FOLLOW ? "&follow=true" : "");
	return follow(in, target, false);
}

int
run_events(const struct invocation *in)
{
	return follow(in,
	    in->given & OPT_FOLLOW ? "/v1/events" : "/v1/events?follow=false",
	    true);
}
