/* SPDX-License-Identifier: ISC */

/* A rollout for people, and for the control process after this one. */

#include <stdio.h>
#include <string.h>

#include "control/replica.h"
#include "control/rollout_impl.h"
#include "control/service.h"

static const char *const kinds[] = {
	[ROLLOUT_RESTART] = "restart",
	[ROLLOUT_DEPLOY] = "deploy",
	[ROLLOUT_REVERT] = "rollback",
};

static const char *const results[] = {
	[ROLLOUT_NONE] = "none",
	[ROLLOUT_DONE] = "done",
	[ROLLOUT_FAILED] = "failed",
	[ROLLOUT_REVERTED] = "rolled-back",
	[ROLLOUT_UNDONE] = "undone",
	[ROLLOUT_CANCELLED] = "cancelled",
};

/* --- for people ----------------------------------------------------------- */

static bool
is_watched(const struct service *s)
{
	const struct rollout *ro = &s->rollout;

	return ro->kind == ROLLOUT_DEPLOY && !ro->proven &&
	    ro->candidate != NULL && replica_ready(ro->candidate);
}

static const char *
phase(const struct service *s)
{
	const struct rollout *ro = &s->rollout;

	if (!ro->on)
		return results[ro->result];
	if (ro->kind == ROLLOUT_REVERT)
		return "reverting";
	if (ro->paused)
		return "paused";
	if (is_watched(s))
		return "watching";
	return rollout_holding(s) ? "held" : "rolling";
}

static void
say_deploy(const struct service *s, char *why, size_t size)
{
	const struct rollout *ro = &s->rollout;
	struct rollout_tally t = rollout_tally(s);
	char answers[80];

	snprintf(answers, sizeof(answers), "%llu of %llu answers failed",
	    (unsigned long long)t.errors, (unsigned long long)t.answers);
	if (ro->paused)
		snprintf(why, size, "deploy paused, %u of %u copies new, %s",
		    rollout_new_copies(s), service_desired(s), answers);
	else if (is_watched(s))
		snprintf(why, size, "deploy: %s watched, %llu s left, %s",
		    ro->candidate->id,
		    (unsigned long long)(rollout_watch_left(s) + 999) / 1000,
		    answers);
	else if (rollout_holding(s))
		snprintf(why, size,
		    "canary: %u of %u copies new, %s; promote or undo",
		    rollout_new_copies(s), service_desired(s), answers);
	else
		snprintf(why, size, "deploy: %u of %u copies new, %s",
		    rollout_new_copies(s), service_desired(s), answers);
}

void
rollout_reason(const struct service *s, char *why, size_t size)
{
	const struct rollout *ro = &s->rollout;

	if (!ro->on)
		snprintf(why, size, "%s", ro->failed);
	else if (ro->kind == ROLLOUT_DEPLOY)
		say_deploy(s, why, size);
	else if (ro->kind == ROLLOUT_REVERT && ro->failed[0] != '\0')
		snprintf(why, size, "going back, %u of %u copies: %s",
		    rollout_new_copies(s), service_desired(s), ro->failed);
	else
		snprintf(why, size, "%s%s: %u of %u copies new", ro->cause,
		    ro->paused ? " paused" : "", rollout_new_copies(s),
		    service_desired(s));
}

bool
rollout_is_new(const struct replica *r)
{
	return r->service->rollout.on && !r->dropped && !rollout_outdated(r);
}

json_t *
rollout_json(const struct service *s)
{
	const struct rollout *ro = &s->rollout;
	struct rollout_tally t = { 0 };
	char why[256] = "";

	if (ro->on && ro->kind == ROLLOUT_DEPLOY)
		t = rollout_tally(s);
	rollout_reason(s, why, sizeof(why));
	return json_pack("{ss ss ss ss si si si sf sI sI sb sb}", "phase",
	    phase(s), "kind",
	    ro->on || ro->result != ROLLOUT_NONE ? kinds[ro->kind] : "none",
	    "cause", ro->cause, "reason", why, "new",
	    ro->on ? (int)rollout_new_copies(s) : 0, "copies",
	    (int)service_desired(s), "canary", (int)ro->canary, "watch_left_s",
	    is_watched(s) && ro->on ? (double)rollout_watch_left(s) / 1000.0
				    : 0.0,
	    "answers", (json_int_t)t.answers, "errors", (json_int_t)t.errors,
	    "can_undo", s->previous != NULL && !s->redis, "held",
	    json_object_get(s->control->held, s->spec->name) != NULL);
}

/* --- for the next control process ----------------------------------------- */

json_t *
rollout_save(const struct service *s)
{
	const struct rollout *ro = &s->rollout;

	if (!ro->on && ro->result == ROLLOUT_NONE)
		return NULL;
	return json_pack("{sb ss ss sI sI sI si sb sb ss ss}", "on", ro->on,
	    "kind", kinds[ro->kind], "result", results[ro->result], "first",
	    (json_int_t)ro->first, "last", (json_int_t)ro->last, "after",
	    (json_int_t)ro->after, "canary", (int)ro->canary, "proven",
	    ro->proven, "paused", ro->paused, "cause", ro->cause, "failed",
	    ro->failed);
}

static unsigned
index_of(const char *const *words, unsigned n, const char *word)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return 0;
}

void
rollout_restore(struct service *s, const json_t *saved)
{
	struct rollout *ro = &s->rollout;
	const char *kind = "", *result = "", *cause = "", *failed = "";
	json_int_t first = 0, last = 0, after = 0;
	int on = 0, canary = 0, proven = 0, paused = 0;

	if (saved == NULL ||
	    json_unpack((json_t *)(uintptr_t)saved,
		"{s:b s:s s:s s:I s:I s:I s:i s:b s:b s:s s:s}", "on", &on,
		"kind", &kind, "result", &result, "first", &first, "last",
		&last, "after", &after, "canary", &canary, "proven", &proven,
		"paused", &paused, "cause", &cause, "failed", &failed) < 0)
		return;
	ro->on = ro->asleep = on;
	ro->kind = (enum rollout_kind)index_of(kinds, ARRAY_LEN(kinds), kind);
	ro->result = (enum rollout_result)index_of(
	    results, ARRAY_LEN(results), result);
	ro->first = ro->next = (unsigned)first;
	ro->last = (unsigned)last;
	ro->after = (uint64_t)after;
	ro->canary = canary > 0 ? (unsigned)canary : 0;
	ro->proven = proven;
	ro->paused = paused;
	str_cut(ro->cause, sizeof(ro->cause), cause);
	str_cut(ro->failed, sizeof(ro->failed), failed);
}
