/* SPDX-License-Identifier: ISC */

/* drover rollout: how rollouts go, and what an operator says to them. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "base/clock.h"
#include "cli/remote.h"
#include "cli/run.h"
#include "cli/show.h"

#define POLL_MS 200
#define AWAY_MS 10000 /* for so long nobody may answer */
#define SEEN_MAX 4096 /* of what was printed last */

struct follow {
	const struct invocation *in;
	char target[REMOTE_TARGET_MAX];
	char seen[SEEN_MAX];
	uint64_t end;	/* clock_ms(); UINT64_MAX: never */
	uint64_t heard; /* the last answer */
	bool undo;	/* to be undone is what was asked for */
};

/* --- one look ------------------------------------------------------------- */

/* The services of a view that is all of them, or one. */
static const json_t *
nth(const json_t *view, size_t i)
{
	if (json_is_array(view))
		return json_array_get(view, i);
	return i == 0 ? view : NULL;
}

static const char *
phase_of(const json_t *service)
{
	return json_text(json_object_get(service, "rollout"), "phase");
}

static bool
is_one_of(const char *phase, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(phase, words[i]) == 0)
			return true;
	return false;
}

static bool
is_on(const json_t *view)
{
	static const char *const on[] = { "rolling", "watching", "held",
		"paused", "reverting" };
	const json_t *s;

	for (size_t i = 0; (s = nth(view, i)) != NULL; i++)
		if (is_one_of(phase_of(s), on, ARRAY_LEN(on)))
			return true;
	return false;
}

static int
exit_of(const json_t *view, bool undo)
{
	static const char *const bad[] = { "rolled-back", "failed", "undone",
		"cancelled" };
	size_t n = undo ? 2 : ARRAY_LEN(bad);
	const json_t *s;

	for (size_t i = 0; (s = nth(view, i)) != NULL; i++)
		if (is_one_of(phase_of(s), bad, n))
			return CLI_UNHEALTHY;
	return CLI_OK;
}

static void
print_one(const json_t *service)
{
	const json_t *rollout = json_object_get(service, "rollout");
	char reason[512];

	snprintf(reason, sizeof(reason), "%s", json_text(rollout, "reason"));
	text_clean(reason);
	printf("%s: %s%s%s\n", json_text(service, "name"),
	    json_text(rollout, "phase"), reason[0] != '\0' ? ": " : "", reason);
}

/* What tells one line from the one before: not the seconds, nor counts. */
static size_t
mark(const json_t *service, char *out, size_t size)
{
	const json_t *rollout = json_object_get(service, "rollout");
	int n = snprintf(out, size, "%s %s %lld\n", json_text(service, "name"),
	    json_text(rollout, "phase"),
	    (long long)json_number(rollout, "new"));

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* Each service whose rollout has come further, or is new to us. */
static void
print_news(struct follow *f, const json_t *view)
{
	char now[SEEN_MAX];
	const json_t *s;
	size_t len = 0;

	now[0] = '\0';
	for (size_t i = 0; (s = nth(view, i)) != NULL; i++) {
		char line[256];
		size_t n = mark(s, line, sizeof(line));

		if (strcmp(phase_of(s), "none") == 0 && json_is_array(view))
			continue;
		if (n == 0 || strstr(f->seen, line) == NULL)
			print_one(s);
		if (n > 0 && len + n < sizeof(now)) {
			memcpy(now + len, line, n + 1);
			len += n;
		}
	}
	memcpy(f->seen, now, len + 1);
	fflush(stdout);
}

static int
print_rollouts(const json_t *view)
{
	json_t *list = json_array();
	const json_t *s;
	int r;

	for (size_t i = 0; (s = nth(view, i)) != NULL; i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:O}", "service", json_text(s, "name"),
			"rollout", json_object_get(s, "rollout")));
	r = print_json(json_is_array(view) ? list : json_array_get(list, 0));
	json_decref(list);
	return r;
}

/* --- to the end ----------------------------------------------------------- */

static void
pause_ms(long ms)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

/* The next answer, over a change of the daemon's. */
static int
look_again(struct follow *f, json_t **view)
{
	int r;

	pause_ms(POLL_MS);
	r = remote_try(f->in, f->target, view);
	if (r == CLI_OK) {
		f->heard = clock_ms();
		return CLI_OK;
	}
	json_decref(*view);
	*view = NULL;
	if (clock_ms() - f->heard < AWAY_MS)
		return CLI_OK;
	fprintf(stderr, "drover: the daemon did not answer any more\n");
	return r;
}

static int
end_of(const struct follow *f, const json_t *view)
{
	int r = exit_of(view, f->undo);

	if (is_on(view) && !(f->in->given & OPT_ONCE)) {
		fprintf(stderr,
		    "drover rollout: not done after %" PRIu64 " ms\n",
		    f->in->timeout_ms);
		r = CLI_UNHEALTHY;
	}
	if (f->in->given & OPT_JSON && print_rollouts(view) != CLI_OK)
		r = CLI_ERROR;
	return r;
}

static int
follow(struct follow *f)
{
	json_t *view;
	int r = remote_call(f->in, "GET", f->target, NULL, &view);

	while (r == CLI_OK) {
		if (view != NULL && !(f->in->given & OPT_JSON))
			print_news(f, view);
		if (view != NULL &&
		    (!is_on(view) || f->in->given & OPT_ONCE ||
			clock_ms() >= f->end)) {
			r = end_of(f, view);
			break;
		}
		json_decref(view);
		view = NULL;
		r = look_again(f, &view);
	}
	json_decref(view);
	return r;
}

static void
view_target(struct follow *f, const char *service)
{
	char escaped[256];

	snprintf(f->target, sizeof(f->target), "/v1/services%s%s",
	    service == NULL ? "" : "/",
	    service == NULL ? ""
			    : remote_escape(escaped, sizeof(escaped), service));
}

static int
status(const struct invocation *in, const char *service, bool undo)
{
	static struct follow f;

	f = (struct follow){ .in = in, .heard = clock_ms(), .undo = undo };
	f.end = in->given & OPT_TIMEOUT ? clock_ms() + in->timeout_ms
					: UINT64_MAX;
	view_target(&f, service);
	return follow(&f);
}

/* --- what is said to it --------------------------------------------------- */

static int
say(const struct invocation *in, const char *verb, const char *service)
{
	char target[REMOTE_TARGET_MAX + 32], escaped[256];
	json_t *view;
	int r;

	if (service == NULL) {
		fprintf(stderr, "drover rollout %s: which service?\n", verb);
		return CLI_USAGE;
	}
	snprintf(target, sizeof(target), "/v1/services/%s/rollout/%s",
	    remote_escape(escaped, sizeof(escaped), service), verb);
	r = remote_call(in, "POST", target, NULL, &view);
	if (r == CLI_OK && in->given & OPT_WAIT)
		r = status(in, service, strcmp(verb, "undo") == 0);
	else if (r == CLI_OK && in->given & OPT_JSON)
		r = print_json(view);
	else if (r == CLI_OK)
		print_one(view);
	json_decref(view);
	return r;
}

int
run_rollout(const struct invocation *in)
{
	static const char *const verbs[] = { "promote", "undo", "pause",
		"resume" };
	const char *service = in->nargs > 1 ? in->args[1] : NULL;

	if (strcmp(in->args[0], "status") == 0)
		return status(in, service, false);
	if (is_one_of(in->args[0], verbs, ARRAY_LEN(verbs)))
		return say(in, in->args[0], service);
	fprintf(stderr,
	    "drover rollout: %s: must be status, promote, undo, pause or "
	    "resume\n",
	    in->args[0]);
	return CLI_USAGE;
}
