/* SPDX-License-Identifier: ISC */

/* The commands that change something, and wait for it when asked to. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/remote.h"
#include "cli/run.h"
#include "cli/show.h"
#include "cli/wait.h"

#define PAGE_MAX (1024 * 1024)

/* "/v1/services/image" or "/v1/instances/image.0" */
static void
view_target(char *out, size_t size, const char *name)
{
	char escaped[256];

	snprintf(out, size, "/v1/%s/%s",
	    remote_is_instance(name) ? "instances" : "services",
	    remote_escape(escaped, sizeof(escaped), name));
}

static int
print_state(const struct invocation *in, const json_t *view)
{
	const char *name = json_text(view, "name");
	const char *id = json_text(view, "id");

	if (in->given & OPT_JSON)
		return print_json(view);
	if (name[0] != '\0')
		printf("%s: %s, %lld of %lld ready\n", name,
		    json_text(view, "state"),
		    (long long)json_number(view, "ready"),
		    (long long)json_number(view, "desired"));
	else
		printf("%s: %s\n", id, json_text(view, "state"));
	return fflush(stdout) == 0 ? CLI_OK : CLI_ERROR;
}

/* POST target/verb, then wait for the goal if that was asked for; print. */
static int
change(const struct invocation *in, const char *verb, const json_t *body,
    const struct wait_goal *goal)
{
	char target[REMOTE_TARGET_MAX + 16];
	json_t *view;
	int r;

	snprintf(target, sizeof(target), "%s/%s", goal->target, verb);
	r = remote_call(in, "POST", target, body, &view);
	if (r == CLI_OK && (in->given & OPT_WAIT)) {
		json_decref(view);
		r = wait_for(in, goal, &view);
	}
	if (r == CLI_OK)
		r = print_state(in, view);
	json_decref(view);
	return r;
}

/* The pids that a view has now; NULL with the exit code in *r. */
static json_t *
pids_now(const struct invocation *in, const char *target, int *r)
{
	json_t *view, *pids;

	*r = remote_call(in, "GET", target, NULL, &view);
	if (*r != CLI_OK)
		return NULL;
	pids = json_array();
	if (pids == NULL || wait_pids(view, pids) < 0) {
		json_decref(pids);
		pids = NULL;
		*r = print_failed(in->command->name);
	}
	json_decref(view);
	return pids;
}

/* A stopped instance is started by its restart; one that is up is left. */
static int
start_instance(const struct invocation *in, const struct wait_goal *goal)
{
	json_t *view;
	bool down;
	int r = remote_call(in, "GET", goal->target, NULL, &view);

	if (r != CLI_OK)
		return r;
	down = strcmp(json_text(view, "state"), "stopped") == 0 ||
	    strcmp(json_text(view, "state"), "idle") == 0;
	if (!down && (in->given & OPT_WAIT)) {
		json_decref(view);
		r = wait_for(in, goal, &view);
	}
	if (!down && r == CLI_OK)
		r = print_state(in, view);
	json_decref(view);
	return down ? change(in, "restart", NULL, goal) : r;
}

int
run_start(const struct invocation *in)
{
	char target[REMOTE_TARGET_MAX];
	struct wait_goal goal = { .kind = WAIT_UP, .target = target };

	view_target(target, sizeof(target), in->args[0]);
	if (remote_is_instance(in->args[0]))
		return start_instance(in, &goal);
	return change(in, "start", NULL, &goal);
}

int
run_stop(const struct invocation *in)
{
	char target[REMOTE_TARGET_MAX];
	struct wait_goal goal = { .kind = WAIT_DOWN, .target = target };

	view_target(target, sizeof(target), in->args[0]);
	return change(in, "stop", NULL, &goal);
}

int
run_restart(const struct invocation *in)
{
	char target[REMOTE_TARGET_MAX];
	struct wait_goal goal = { .kind = WAIT_UP, .target = target };
	json_t *pids;
	int r;

	view_target(target, sizeof(target), in->args[0]);
	pids = pids_now(in, target, &r);
	if (pids == NULL)
		return r;
	goal.before = pids;
	r = change(in, "restart", NULL, &goal);
	json_decref(pids);
	return r;
}

static int
bad_scale(const char *word)
{
	fprintf(stderr,
	    "drover scale: %s: must be service=N with a whole number, or "
	    "service=auto\n",
	    word);
	return CLI_USAGE;
}

int
run_scale(const struct invocation *in)
{
	const char *equals = strchr(in->args[0], '=');
	char target[REMOTE_TARGET_MAX], name[128];
	struct wait_goal goal = { .kind = WAIT_SCALED, .target = target };
	bool by_load = equals != NULL && strcmp(equals + 1, "auto") == 0;
	uint64_t n = 0;
	json_t *body;
	int r;

	if (equals == NULL || equals == in->args[0] ||
	    str_copy(name, sizeof(name),
		(struct span){ in->args[0], (size_t)(equals - in->args[0]) }) <
		0 ||
	    (!by_load &&
		(str_u64(span_of(equals + 1), &n) < 0 || n > INT32_MAX)))
		return bad_scale(in->args[0]);
	view_target(target, sizeof(target), name);
	if (by_load)
		goal.kind = WAIT_SETTLED;
	goal.replicas = (json_int_t)n;
	body = by_load ? json_pack("{s:b}", "auto", 1)
		       : json_pack("{s:I}", "replicas", (json_int_t)n);
	if (body == NULL)
		return print_failed("scale");
	r = change(in, "scale", body, &goal);
	json_decref(body);
	return r;
}

/* --- reload --------------------------------------------------------------- */

static int
print_changes(const struct invocation *in, const json_t *changes)
{
	struct buf out;
	int r;

	if (in->given & OPT_JSON)
		return print_json(changes);
	buf_init(&out, PAGE_MAX);
	if (show_changes(changes, &out) < 0)
		r = print_failed("reload");
	else
		r = print_buf(&out);
	buf_done(&out);
	return r;
}

/* The pids of all services, to know the old processes by. */
static json_t *
all_pids(const struct invocation *in, int *r)
{
	json_t *status, *pids, *service;
	size_t i;

	*r = remote_call(in, "GET", "/v1/status", NULL, &status);
	if (*r != CLI_OK)
		return NULL;
	pids = json_array();
	json_array_foreach(
	    json_object_get(status, "services"), i, service) if (pids == NULL ||
	    wait_pids(service, pids) < 0) *r = CLI_ERROR;
	json_decref(status);
	if (*r == CLI_OK)
		return pids;
	json_decref(pids);
	print_failed("reload");
	return NULL;
}

static int
reload(const struct invocation *in, const json_t *before)
{
	struct wait_goal goal = {
		.kind = WAIT_RELOADED,
		.target = "/v1/status",
		.before = before,
		.canary = in->canary > 0,
	};
	json_t *changes, *view = NULL, *body = json_object();
	int r;

	if (in->canary > 0)
		json_object_set_new(body, "canary", json_integer(in->canary));
	if (in->given & OPT_RETRY)
		json_object_set_new(body, "retry", json_true());
	r = remote_call(in, "POST", "/v1/reload", body, &changes);
	json_decref(body);
	if (r != CLI_OK)
		return r;
	goal.changes = json_object_get(changes, "changes");
	r = print_changes(in, changes);
	if (r == CLI_OK && (in->given & OPT_WAIT))
		r = wait_for(in, &goal, &view);
	json_decref(view);
	json_decref(changes);
	return r;
}

int
run_reload(const struct invocation *in)
{
	json_t *before = NULL;
	int r = CLI_OK;

	if (in->given & OPT_WAIT)
		before = all_pids(in, &r);
	if (r == CLI_OK)
		r = reload(in, before);
	json_decref(before);
	return r;
}

/* --- upgrade -------------------------------------------------------------- */

/* CLI_OK with {"path"} or NULL, which the caller frees. */
static int
upgrade_body(const struct invocation *in, json_t **body)
{
	char path[PATH_MAX];

	*body = NULL;
	if (in->nargs == 0)
		return CLI_OK;
	if (realpath(in->args[0], path) == NULL) {
		fprintf(stderr, "drover upgrade: %s: %s\n", in->args[0],
		    strerror(errno));
		return CLI_ERROR;
	}
	*body = json_pack("{s:s}", "path", path);
	return *body != NULL ? CLI_OK : print_failed("upgrade");
}

static int
upgrade_now(const struct invocation *in, json_int_t *epoch)
{
	json_t *status;
	int r = remote_call(in, "GET", "/v1/status", NULL, &status);

	if (r == CLI_OK)
		*epoch = json_number(
		    json_object_get(status, "upgrade"), "epoch");
	json_decref(status);
	return r;
}

static int
upgrade_wait(const struct invocation *in, json_int_t epoch)
{
	const struct wait_goal goal = {
		.kind = WAIT_UPGRADED, .target = "/v1/status", .epoch = epoch
	};
	json_t *view;
	const json_t *upgrade;
	const char *failed;
	int r = wait_for(in, &goal, &view);

	if (r != CLI_OK)
		return r;
	upgrade = json_object_get(view, "upgrade");
	failed = json_text(upgrade, "failed");
	if (failed[0] != '\0') {
		fprintf(stderr, "drover upgrade: given up: %s\n", failed);
		r = CLI_ERROR;
	} else if (in->given & OPT_JSON)
		r = print_json(upgrade);
	else
		r = puts("upgraded") < 0;
	json_decref(view);
	return r;
}

int
run_upgrade(const struct invocation *in)
{
	json_int_t epoch = 0;
	json_t *body, *answer = NULL;
	int r = upgrade_body(in, &body);

	if (r == CLI_OK && (in->given & OPT_WAIT))
		r = upgrade_now(in, &epoch);
	if (r == CLI_OK)
		r = remote_call(in, "POST", "/v1/upgrade", body, &answer);
	if (r == CLI_OK && (in->given & OPT_WAIT))
		r = upgrade_wait(in, epoch);
	else if (r == CLI_OK && (in->given & OPT_JSON))
		r = print_json(answer);
	else if (r == CLI_OK)
		r = puts("upgrading") < 0;
	json_decref(body);
	json_decref(answer);
	return r;
}

/* --- shutdown ------------------------------------------------------------- */

static pid_t
keeper_pid(const struct invocation *in)
{
	json_t *status;
	pid_t pid = 0;

	if (remote_try(in, "/v1/status", &status) == CLI_OK)
		pid = (pid_t)json_number(
		    json_object_get(status, "keeper"), "pid");
	json_decref(status);
	return pid;
}

int
run_shutdown(const struct invocation *in)
{
	pid_t keeper = in->given & OPT_WAIT ? keeper_pid(in) : 0;
	json_t *answer;
	int r = remote_call(in, "POST", "/v1/shutdown", NULL, &answer);

	if (r != CLI_OK)
		return r;
	if (in->given & OPT_WAIT)
		r = wait_gone(in, keeper);
	if (r == CLI_OK && (in->given & OPT_JSON))
		r = print_json(answer);
	else if (r == CLI_OK)
		r = puts(in->given & OPT_WAIT ? "the herd has ended"
					      : "shutting down") < 0;
	json_decref(answer);
	return r;
}
