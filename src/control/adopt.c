/* SPDX-License-Identifier: ISC */

#include "control/adopt.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "control/bounds.h"
#include "control/cells.h"
#include "control/enroll.h"
#include "control/health.h"
#include "control/note.h"
#include "control/publish.h"
#include "control/replica.h"
#include "control/rollout.h"
#include "control/service.h"
#include "control/workers.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

struct orphan {
	struct link link;
	uint64_t id;
	pid_t pid;
	unsigned missing;
	uint64_t started_wall;
	bool known; /* the note could be read */
	struct note note;
	bool exited;
	struct spawn_exit exit;
	size_t tail_len;
	char tail[REPLICA_TAIL_MAX];
};

void
adopt_keep(struct control *c, const struct herd_child *child)
{
	struct orphan *o = calloc(1, sizeof(*o));
	struct span tail = child->tail;

	if (o == NULL)
		return; /* the herd still has it; the next control asks again */
	o->id = child->id;
	o->pid = child->pid;
	o->missing = child->missing;
	o->started_wall = child->started_wall_ms;
	o->known = note_parse(&o->note, child->note, child->note_len) == 0;
	o->exited = child->exited;
	o->exit = child->exit;
	o->tail_len = tail.n < sizeof(o->tail) ? tail.n : sizeof(o->tail);
	if (o->tail_len > 0)
		memcpy(o->tail, tail.p, o->tail_len);
	list_push(&c->adopt, &o->link);
}

bool
adopt_any(const struct control *c)
{
	return !list_empty(&c->adopt);
}

void
adopt_done(struct control *c)
{
	LIST_EACH_SAFE (o, &c->adopt, struct orphan, link) {
		list_remove(&o->link);
		free(o);
	}
}

/* Nobody's: its exit will be forgotten when it comes. */
static void
disown(struct control *c, const struct orphan *o)
{
	if (o->exited) {
		(void)herd_forget(c->herd, o->id);
		return;
	}
	log_warn("adopt", "child %llu (pid %d) fits nothing: killed",
	    (unsigned long long)o->id, (int)o->pid);
	(void)herd_signal(c->herd, o->id, SIGKILL, true);
}

static uint64_t
loop_time(struct control *c, uint64_t wall)
{
	uint64_t now = loop_now(c->loop), wall_now = clock_wall_ms();
	uint64_t ago = wall_now > wall ? wall_now - wall : 0;

	return now > ago ? now - ago : 1;
}

static void
fill(struct replica *r, const struct orphan *o)
{
	struct control *c = r->service->control;
	const struct note *n = &o->note;

	r->child = o->id;
	r->pid = o->pid;
	r->missing = bounds_not_given(r, o->missing);
	memcpy(r->address, n->address, sizeof(r->address));
	r->port = n->port;
	r->cell = n->cell;
	cells_mark(c, n->cell);
	r->restarts = n->restarts;
	r->has_exit = n->has_exit;
	r->exit = n->exit;
	r->spawned = loop_time(c, o->started_wall);
	if (n->state == INSTANCE_READY) {
		r->ready_wall = n->ready_wall;
		r->ready_at = loop_time(c, n->ready_wall);
	}
}

/* What it was started with, as far as that is known. */
static void
find_version(struct replica *r, uint64_t spawn_hash)
{
	const struct conf *earlier = r->service->control->earlier;
	const struct conf_service *before = earlier == NULL
	    ? NULL
	    : conf_service(earlier, r->service->spec->name);

	if (r->process_conf->hash_spawn == spawn_hash)
		return;
	if (before != NULL)
		replica_take(r, earlier, before);
	r->other = r->process_conf->hash_spawn != spawn_hash;
}

/* It goes on from the state in which it was left. */
static void
resume(struct replica *r, const struct orphan *o)
{
	switch (o->note.state) {
	case INSTANCE_STARTING:
	case INSTANCE_READY:
	case INSTANCE_UNREADY:
		health_adopt(r, o->note.state == INSTANCE_READY);
		break;
	case INSTANCE_DRAINING:
		r->drain_generation = publish_next(r->service->control);
		loop_timer_arm(&r->drain, 0);
		break;
	default:
		break;
	}
	if (!r->current && !rollout_adopt(r))
		replica_post(r, INSTANCE_EV_UNWANT, "left by a rollout");
	if (o->exited)
		replica_exited(
		    r, &o->exit, (struct span){ o->tail, o->tail_len });
}

static bool
place_is_free(struct service *s, unsigned n)
{
	LIST_EACH (r, &s->replicas, struct replica, link)
		if (r->n == n)
			return false;
	return true;
}

static void
insert_by_number(struct service *s, struct replica *r)
{
	LIST_EACH (at, &s->replicas, struct replica, link) {
		if (at->n > r->n) {
			link_insert(&r->link, &at->link);
			return;
		}
	}
	list_push(&s->replicas, &r->link);
}

static void
adopt_replica(struct control *c, const struct orphan *o)
{
	const struct note *n = &o->note;
	struct service *s = service_by_name(c, n->service);
	struct replica *r = s == NULL ? NULL : replica_new(s, n->n);

	if (r == NULL) {
		disown(c, o);
		return;
	}
	r->current = !n->extra && place_is_free(s, n->n);
	if (r->current)
		insert_by_number(s, r);
	else
		list_push(&s->extra, &r->link);
	fill(r, o);
	find_version(r, n->spawn_hash);
	if (instance_adopt(r->in, n->state, n->crashes) < 0) {
		disown(c, o);
		r->child = 0;
		replica_free_later(r);
		return;
	}
	if (r->current)
		enroll_replica(r);
	resume(r, o);
}

void
adopt_all(struct control *c)
{
	LIST_EACH_SAFE (o, &c->adopt, struct orphan, link) {
		bool taken = false;

		if (o->known && o->note.kind == NOTE_WORKER && !o->exited)
			taken = workers_adopt(c, &o->note, o->id, o->pid);
		if (o->known && o->note.kind == NOTE_REPLICA)
			adopt_replica(c, o);
		else if (!taken)
			disown(c, o);
		list_remove(&o->link);
		free(o);
	}
}
