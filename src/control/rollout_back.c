/* SPDX-License-Identifier: ISC */

/*
 * The way back from a deploy. The whole configuration of the service is put
 * back to what it was before; where that does not fit beside the others any
 * more (they may have taken its route over since), what a reload changes in
 * place stays as it is, and the processes alone go back.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "conf/schema.h"
#include "control/applied.h"
#include "control/held.h"
#include "control/reload.h"
#include "control/replica.h"
#include "control/rollout_impl.h"
#include "control/service.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

/* --- its configuration ---------------------------------------------------- */

/* The configuration at hand, with what processes are started with of before. */
static json_t *
processes_of(const struct conf_service *now, json_t *before)
{
	json_t *o = conf_service_json(now);

	for (const struct schema *row = schema_service; row->path != NULL;
	     row++) {
		char key[64];
		json_t *value;

		if (row->reload != SCHEMA_RESPAWN)
			continue;
		str_cut(key, sizeof(key), row->path);
		key[strcspn(key, ".[")] = '\0';
		value = json_object_get(before, key);
		if (value != NULL)
			json_object_set(o, key, value);
		else
			json_object_del(o, key);
	}
	return o;
}

static int
put_back(struct service *s, json_t *spec, bool whole, struct buf *errors)
{
	struct control *c = s->control;
	json_t *specs = spec == NULL ? NULL
				     : json_pack("{sO}", s->spec->name, spec);
	const struct conf *conf = specs == NULL
	    ? NULL
	    : held_compose(c->conf, specs, errors);
	int r = conf != NULL ? reload_back(c, conf, whole, errors) : -EINVAL;

	conf_unref(conf);
	json_decref(specs);
	return r;
}

static bool
take_back(struct service *s, const char *why)
{
	json_t *before = s->previous, *processes = NULL;
	uint64_t failed = s->spec->hash_all;
	struct buf errors;
	int r = -ENOENT;

	s->previous = NULL;
	buf_init(&errors, 4096);
	if (before != NULL)
		r = put_back(s, before, true, &errors);
	if (before != NULL && r < 0) {
		processes = processes_of(s->spec, before);
		r = put_back(s, processes, false, &errors);
	}
	if (r == 0)
		held_add(s, failed, why);
	else
		log_error(s->spec->name, "cannot be taken back: %s",
		    before == NULL ? "no earlier version is known"
				   : buf_str(&errors));
	buf_done(&errors);
	json_decref(processes);
	json_decref(before);
	return r == 0;
}

/* --- its processes -------------------------------------------------------- */

bool
rollout_back(struct service *s, enum rollout_result result, const char *why)
{
	struct rollout *ro = &s->rollout;
	char text[sizeof(ro->failed)];

	str_cut(text, sizeof(text), why);
	ro->on = ro->failing = false;
	rollout_drop_candidate(s, text);
	rollout_watch_end(s);
	if (!take_back(s, text)) {
		ro->on = true;
		snprintf(ro->failed, sizeof(ro->failed),
		    "%.200s; it cannot be taken back", text);
		rollout_end(s, ROLLOUT_FAILED);
		return false;
	}
	rollout_begin(s, ROLLOUT_REVERT, "rollback");
	ro->result = result;
	str_cut(ro->failed, sizeof(ro->failed), text);
	applied_save(s->control);
	rollout_advance(s);
	return true;
}

static void
on_back(void *arg)
{
	struct service *s = arg;
	char why[sizeof(s->rollout.failed)];

	str_cut(why, sizeof(why), s->rollout.failed);
	(void)rollout_back(s, ROLLOUT_REVERTED, why);
}

void
rollout_fail(struct service *s, const char *why)
{
	struct rollout *ro = &s->rollout;

	if (ro->failing || s->control->stopping)
		return;
	ro->failing = true;
	snprintf(
	    ro->failed, sizeof(ro->failed), "deploy rolled back: %.200s", why);
	rollout_say(s, "failed", why);
	rollout_drop_candidate(s, "deploy rolled back");
	loop_defer(s->control->loop, &ro->later, on_back, s);
}

void
rollout_stopped(struct service *s)
{
	struct rollout *ro = &s->rollout;
	bool proven = ro->kind != ROLLOUT_DEPLOY ||
	    (ro->proven && ro->canary == 0);

	if (!ro->on)
		return;
	rollout_end(s, proven ? ROLLOUT_CANCELLED : ROLLOUT_UNDONE);
	rollout_drop_candidate(s, "stopped");
	if (proven)
		return;
	str_cut(ro->failed, sizeof(ro->failed),
	    "deploy undone: stopped before it was done");
	(void)!take_back(s, ro->failed);
	applied_save(s->control);
}

/* --- an operator ---------------------------------------------------------- */

static int
undo(struct service *s, struct err *err)
{
	struct rollout *ro = &s->rollout;

	if (ro->on && ro->kind == ROLLOUT_REVERT)
		return err_set(
		    err, -EBUSY, "%s: on its way back already", s->spec->name);
	if (ro->on && ro->kind == ROLLOUT_RESTART) {
		rollout_end(s, ROLLOUT_CANCELLED);
		rollout_drop_candidate(s, "undone by an operator");
		return 0;
	}
	if (s->previous == NULL)
		return err_set(err, -ENOTSUP, "%s: no earlier version is known",
		    s->spec->name);
	if (!rollout_back(s, ROLLOUT_UNDONE, "deploy undone by an operator"))
		return err_set(err, -EIO, "%s: %s", s->spec->name, ro->failed);
	return 0;
}

static void
go_on(struct service *s, const char *to)
{
	s->rollout.paused = s->rollout.told = false;
	rollout_say(s, to, s->rollout.cause);
	rollout_advance(s);
}

int
rollout_do(struct service *s, enum control_verb verb, struct err *err)
{
	struct rollout *ro = &s->rollout;

	if (verb == CONTROL_UNDO)
		return undo(s, err);
	if (!ro->on || ro->kind == ROLLOUT_REVERT ||
	    (verb == CONTROL_PROMOTE && ro->kind != ROLLOUT_DEPLOY))
		return err_set(err, -ENOTSUP, "%s: no %s is under way",
		    s->spec->name,
		    verb == CONTROL_PROMOTE ? "deploy" : "rollout");
	if (verb == CONTROL_PAUSE) {
		ro->paused = true;
		rollout_say(s, "paused", ro->cause);
	} else if (verb == CONTROL_RESUME) {
		go_on(s, "resumed");
	} else {
		ro->proven = true;
		ro->canary = 0;
		go_on(s, "promoted");
	}
	return 0;
}
