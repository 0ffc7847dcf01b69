/* SPDX-License-Identifier: ISC */

#include "control/event.h"

#include <stdlib.h>

#include "base/clock.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

void
event_init(struct control *c)
{
	list_init(&c->events.watches);
	/* Above those of the control process before: a watcher may go on. */
	c->events.first = c->events.next = clock_wall_ms();
}

void
event_done(struct control *c)
{
	LIST_EACH_SAFE (w, &c->events.watches, struct control_watch, link)
		list_remove(&w->link);
	for (size_t i = 0; i < CONTROL_EVENTS; i++)
		free(c->events.ring[i]);
}

static void
log_note(const struct event_note *e)
{
	const char *who = e->instance ? e->instance
	    : e->service	      ? e->service
				      : e->type;

	log_info(who, "%s -> %s cause=%s ms=%llu", e->from ? e->from : "-",
	    e->to ? e->to : "-", e->cause ? e->cause : "-",
	    (unsigned long long)e->ms);
}

static void
set_text(json_t *o, const char *key, const char *text)
{
	if (text != NULL)
		json_object_set_new(o, key, json_string(text));
}

static char *
encode(uint64_t id, const struct event_note *e)
{
	char when[CLOCK_TEXT], *text;
	json_t *o = json_object();

	json_object_set_new(o, "id", json_integer((json_int_t)id));
	set_text(o, "at", clock_text(when, clock_wall_ms()));
	set_text(o, "type", e->type);
	set_text(o, "service", e->service);
	set_text(o, "instance", e->instance);
	set_text(o, "from", e->from);
	set_text(o, "to", e->to);
	set_text(o, "cause", e->cause);
	json_object_set_new(o, "ms", json_integer((json_int_t)e->ms));
	text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	return text;
}

void
event_post(struct control *c, const struct event_note *note)
{
	uint64_t id = c->events.next++;
	char **slot = &c->events.ring[id % CONTROL_EVENTS];

	if (!note->logged)
		log_note(note);
	free(*slot);
	*slot = encode(id, note);
	if (*slot == NULL)
		return; /* out of memory: the log line stands */
	LIST_EACH_SAFE (w, &c->events.watches, struct control_watch, link)
		w->event(w->arg, id, *slot);
}

void
control_watch(struct control *c, struct control_watch *w, uint64_t after)
{
	uint64_t end = c->events.next;
	uint64_t id = end - c->events.first > CONTROL_EVENTS
	    ? end - CONTROL_EVENTS
	    : c->events.first;

	list_push(&c->events.watches, &w->link);
	for (id = id > after ? id : after + 1; id < end; id++) {
		const char *json = c->events.ring[id % CONTROL_EVENTS];

		if (json != NULL && link_on_list(&w->link))
			w->event(w->arg, id, json);
	}
}

void
control_unwatch(struct control_watch *w)
{
	list_remove(&w->link);
}
