/* SPDX-License-Identifier: ISC */

/* The commands that look once. */

#include <stdio.h>
#include <string.h>

#include "cli/lines.h"
#include "cli/remote.h"
#include "cli/run.h"
#include "cli/show.h"

#define PAGE_MAX (16 * 1024 * 1024)
#define STATUS_LINES 10

typedef int shower(const json_t *value, bool colour, struct buf *out);

/* As JSON or for a person, as it was asked for. */
static int
print_view(const struct invocation *in, const json_t *value, shower *show)
{
	struct buf out;
	int r;

	if (in->given & OPT_JSON)
		return print_json(value);
	buf_init(&out, PAGE_MAX);
	if (show(value, print_in_colour(), &out) < 0)
		r = print_failed(in->command->name);
	else
		r = print_buf(&out);
	buf_done(&out);
	return r;
}

static int
status_all(const struct invocation *in)
{
	json_t *status;
	int r = remote_call(in, "GET", "/v1/status", NULL, &status);

	if (r != CLI_OK)
		return r;
	r = print_view(in, status, show_status);
	if (r == CLI_OK && !status_healthy(status))
		r = CLI_UNHEALTHY;
	json_decref(status);
	return r;
}

/* Its last lines, for the reader to see why; without them it does as well. */
static json_t *
last_lines(const struct invocation *in, const char *service)
{
	char target[REMOTE_TARGET_MAX];

	snprintf(target, sizeof(target), "/v1/services/%s/logs?lines=%d",
	    service, STATUS_LINES);
	return lines_get(in, target);
}

static int
print_service(const struct invocation *in, const json_t *service, json_t *lines)
{
	struct buf out;
	int r;

	if (in->given & OPT_JSON)
		return print_json(service);
	buf_init(&out, PAGE_MAX);
	r = show_service(service, lines, print_in_colour(), &out);
	r = r < 0 ? print_failed("status") : print_buf(&out);
	buf_done(&out);
	return r;
}

static int
status_one(const struct invocation *in, const char *name)
{
	char target[REMOTE_TARGET_MAX], escaped[256];
	json_t *service, *lines;
	int r;

	remote_escape(escaped, sizeof(escaped), name);
	snprintf(target, sizeof(target), "/v1/services/%s", escaped);
	r = remote_call(in, "GET", target, NULL, &service);
	if (r != CLI_OK)
		return r;
	lines = in->given & OPT_JSON ? NULL : last_lines(in, escaped);
	r = print_service(in, service, lines);
	if (r == CLI_OK && !service_healthy(service))
		r = CLI_UNHEALTHY;
	json_decref(lines);
	json_decref(service);
	return r;
}

int
run_status(const struct invocation *in)
{
	return in->nargs > 0 ? status_one(in, in->args[0]) : status_all(in);
}

int
run_explain(const struct invocation *in)
{
	char target[REMOTE_TARGET_MAX], escaped[256];
	json_t *found;
	int r;

	remote_escape(escaped, sizeof(escaped), in->args[0]);
	snprintf(target, sizeof(target), "/v1/requests/%s", escaped);
	r = remote_call(in, "GET", target, NULL, &found);
	if (r != CLI_OK)
		return r;
	r = print_view(in, found, show_requests);
	json_decref(found);
	return r;
}

int
run_nodes(const struct invocation *in)
{
	json_t *nodes;
	int r = remote_call(in, "GET", "/v1/nodes", NULL, &nodes);

	if (r != CLI_OK)
		return r;
	r = print_view(in, nodes, show_nodes);
	json_decref(nodes);
	return r;
}

static int
show_plan(const json_t *plan, bool colour, struct buf *out)
{
	(void)colour;
	return show_changes(plan, out);
}

int
run_plan(const struct invocation *in)
{
	json_t *plan;
	int r = remote_call(in, "POST", "/v1/plan", NULL, &plan);

	if (r != CLI_OK)
		return r;
	r = print_view(in, plan, show_plan);
	if (r == CLI_OK && json_array_size(json_object_get(plan, "changes")))
		r = CLI_CHANGES;
	json_decref(plan);
	return r;
}
