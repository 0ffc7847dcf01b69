/* SPDX-License-Identifier: ISC */

#include "cli/wait.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/remote.h"
#include "cli/show.h"

#define POLL_MS 100
#define WHY_MAX 512

/* --- what there is -------------------------------------------------------- */

static json_int_t
count_processes(const json_t *view)
{
	const json_t *all = json_object_get(view, "instances");
	json_int_t n = json_number(view, "pid") > 0 ? 1 : 0;
	size_t i;
	json_t *in;

	json_array_foreach(all, i, in) if (json_number(in, "pid") > 0) n++;
	return n;
}

static int
push_pid(const json_t *view, json_t *pids)
{
	json_int_t pid = json_number(view, "pid");

	return pid > 0 ? json_array_append_new(pids, json_integer(pid)) : 0;
}

int
wait_pids(const json_t *view, json_t *pids)
{
	const json_t *all = json_object_get(view, "instances");
	size_t i;
	json_t *in;
	int r = push_pid(view, pids);

	json_array_foreach(all, i, in) if (r == 0) r = push_pid(in, pids);
	return r;
}

static bool
has_pid(const json_t *pids, json_int_t pid)
{
	size_t i;
	json_t *one;

	json_array_foreach(
	    pids, i, one) if (json_integer_value(one) == pid) return true;
	return false;
}

/* The first pid of before that the view still has; 0: none. */
static json_int_t
old_process(const json_t *view, const json_t *before)
{
	const json_t *all = json_object_get(view, "instances");
	const json_t *beside = json_object_get(view, "beside");
	json_int_t pid = json_number(view, "pid");
	size_t i;
	json_t *in;

	if (pid > 0 && has_pid(before, pid))
		return pid;
	json_array_foreach(beside, i, in)
	{
		pid = json_integer_value(in);
		if (has_pid(before, pid))
			return pid;
	}
	json_array_foreach(all, i, in)
	{
		pid = json_number(in, "pid");
		if (pid > 0 && has_pid(before, pid))
			return pid;
	}
	return 0;
}

/* --- whether it is enough ------------------------------------------------- */

static const char *
name_of(const json_t *view)
{
	const char *name = json_text(view, "name");

	return name[0] != '\0' ? name : json_text(view, "id");
}

static bool
not_yet(const json_t *view, char *why, size_t size)
{
	const char *reason = json_text(view, "reason");

	snprintf(why, size, "%s is %s%s%s", name_of(view),
	    json_text(view, "state"), reason[0] != '\0' ? ": " : "", reason);
	return false;
}

static bool
judge_up(const json_t *view, const json_t *before, char *why, size_t size)
{
	json_int_t pid = old_process(view, before);

	/* Nothing ran that could be replaced. */
	if (before != NULL && json_array_size(before) == 0 &&
	    strcmp(json_text(view, "state"), "idle") == 0)
		return true;
	if (strcmp(json_text(view, "state"), "ready") != 0)
		return not_yet(view, why, size);
	if (pid == 0)
		return true;
	snprintf(why, size, "%s still runs its old process %lld", name_of(view),
	    (long long)pid);
	return false;
}

static bool
judge_down(const json_t *view, char *why, size_t size)
{
	if (strcmp(json_text(view, "state"), "stopped") == 0 &&
	    count_processes(view) == 0)
		return true;
	return not_yet(view, why, size);
}

static bool
judge_scaled(const json_t *view, json_int_t replicas, char *why, size_t size)
{
	json_int_t n = count_processes(view);

	if (json_number(view, "desired") == replicas &&
	    json_number(view, "ready") == replicas && n == replicas)
		return true;
	snprintf(why, size, "%s has %lld of %lld ready, and %lld processes",
	    name_of(view), (long long)json_number(view, "ready"),
	    (long long)replicas, (long long)n);
	return false;
}

static bool
judge_settled(const json_t *view, char *why, size_t size)
{
	return service_healthy(view) || not_yet(view, why, size);
}

static const json_t *
change_of(const json_t *changes, const char *service)
{
	size_t i;
	json_t *change;

	json_array_foreach(changes, i,
	    change) if (strcmp(json_text(change, "service"), service) ==
	    0) return change;
	return NULL;
}

static const char *
phase_of(const json_t *service)
{
	return json_text(json_object_get(service, "rollout"), "phase");
}

/* A deploy has come as far as it was asked to. */
static bool
has_rolled_out(const struct wait_goal *g, const json_t *service)
{
	static const char *const on[] = { "rolling", "watching", "held",
		"paused", "reverting" };
	const char *phase = phase_of(service);

	if (g->canary && strcmp(phase, "held") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(on); i++)
		if (strcmp(phase, on[i]) == 0)
			return false;
	return true;
}

static bool
judge_anew(
    const struct wait_goal *g, const json_t *service, char *why, size_t size)
{
	if (count_processes(service) == 0)
		return true;
	if (!has_rolled_out(g, service))
		return not_yet(service, why, size);
	return strcmp(phase_of(service), "held") == 0 ||
	    judge_up(service, g->before, why, size);
}

static bool
has_failed(const json_t *service, char *why, size_t size)
{
	static const char *const words[] = { "rolled-back", "failed", "undone",
		"cancelled" };
	const char *phase = phase_of(service);

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(phase, words[i]) != 0)
			continue;
		snprintf(why, size, "%s: %s: %s", name_of(service), phase,
		    json_text(json_object_get(service, "rollout"), "reason"));
		return true;
	}
	return false;
}

bool
wait_is_lost(
    const struct wait_goal *g, const json_t *view, char *why, size_t size)
{
	const json_t *services = json_object_get(view, "services");
	size_t i;
	json_t *s;

	if (g->kind == WAIT_UP)
		return g->before != NULL && has_failed(view, why, size);
	if (g->kind != WAIT_RELOADED)
		return false;
	json_array_foreach(services, i, s)
	{
		const json_t *change = change_of(
		    g->changes, json_text(s, "name"));

		if (strcmp(json_text(change, "kind"), "restarted") == 0 &&
		    count_processes(s) > 0 && has_failed(s, why, size))
			return true;
	}
	return false;
}

static bool
judge_reloaded(
    const struct wait_goal *g, const json_t *view, char *why, size_t size)
{
	const json_t *services = json_object_get(view, "services");
	size_t i;
	json_t *service;

	json_array_foreach(services, i, service)
	{
		const json_t *change = change_of(
		    g->changes, json_text(service, "name"));
		bool anew = strcmp(json_text(change, "kind"), "restarted") == 0;

		if (change == NULL)
			continue;
		if (!service_healthy(service))
			return not_yet(service, why, size);
		if (anew && !judge_anew(g, service, why, size))
			return false;
	}
	return true;
}

static bool
judge_upgraded(const json_t *view, json_int_t epoch, char *why, size_t size)
{
	const json_t *upgrade = json_object_get(view, "upgrade");

	if (json_number(upgrade, "epoch") > epoch &&
	    strcmp(json_text(upgrade, "phase"), "none") == 0)
		return true;
	snprintf(why, size, "the upgrade has come to the %s",
	    json_text(upgrade, "phase"));
	return false;
}

bool
wait_judge(
    const struct wait_goal *goal, const json_t *view, char *why, size_t size)
{
	switch (goal->kind) {
	case WAIT_UP:
		return judge_up(view, goal->before, why, size);
	case WAIT_DOWN:
		return judge_down(view, why, size);
	case WAIT_SCALED:
		return judge_scaled(view, goal->replicas, why, size);
	case WAIT_SETTLED:
		return judge_settled(view, why, size);
	case WAIT_RELOADED:
		return judge_reloaded(goal, view, why, size);
	case WAIT_UPGRADED:
		return judge_upgraded(view, goal->epoch, why, size);
	}
	return false;
}

/* --- again and again ------------------------------------------------------ */

static void
pause_ms(long ms)
{
	struct timespec t = { .tv_sec = 0, .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

static int
timed_out(const struct invocation *in, const struct wait_goal *goal, int last,
    const char *why)
{
	if (last != CLI_OK) {
		fprintf(stderr, "drover: the daemon did not answer any more\n");
		return last;
	}
	fprintf(stderr, "drover: not done after %llu ms: %s\n",
	    (unsigned long long)in->timeout_ms, why);
	return goal->kind == WAIT_DOWN ? CLI_ERROR : CLI_UNHEALTHY;
}

static int
lost(const char *why, json_t **view)
{
	json_decref(*view);
	*view = NULL;
	fprintf(stderr, "drover: %s\n", why);
	return CLI_UNHEALTHY;
}

int
wait_for(
    const struct invocation *in, const struct wait_goal *goal, json_t **view)
{
	uint64_t end = clock_ms() + in->timeout_ms;
	char why[WHY_MAX] = "";
	int r;

	for (;;) {
		r = remote_try(in, goal->target, view);
		if (r == CLI_OK && wait_judge(goal, *view, why, sizeof(why)))
			return CLI_OK;
		if (r == CLI_OK && wait_is_lost(goal, *view, why, sizeof(why)))
			return lost(why, view);
		json_decref(*view);
		*view = NULL;
		if (clock_ms() >= end)
			return timed_out(in, goal, r, why);
		pause_ms(POLL_MS);
	}
}

int
wait_gone(const struct invocation *in, pid_t keeper)
{
	uint64_t end = clock_ms() + in->timeout_ms;
	json_t *view;

	for (;;) {
		int r = remote_try(in, "/healthz", &view);
		bool dead = keeper <= 0 ||
		    (kill(keeper, 0) < 0 && errno == ESRCH);

		json_decref(view);
		if (r == CLI_UNREACHABLE && dead)
			return CLI_OK;
		if (clock_ms() >= end)
			break;
		pause_ms(POLL_MS);
	}
	fprintf(stderr, "drover: the herd still runs after %llu ms\n",
	    (unsigned long long)in->timeout_ms);
	return CLI_ERROR;
}
