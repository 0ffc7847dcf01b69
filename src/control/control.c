/* SPDX-License-Identifier: ISC */

#include "control/control.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/rand.h"
#include "conf/secrets.h"
#include "control/access.h"
#include "control/adopt.h"
#include "control/applied.h"
#include "control/cells.h"
#include "control/certificates.h"
#include "control/enroll.h"
#include "control/event.h"
#include "control/folders.h"
#include "control/health.h"
#include "control/held.h"
#include "control/listeners.h"
#include "control/readers.h"
#include "control/passed.h"
#include "control/publish.h"
#include "control/records.h"
#include "control/reload.h"
#include "control/replica.h"
#include "control/rollout.h"
#include "control/sample.h"
#include "control/scaling.h"
#include "control/service.h"
#include "control/state.h"
#include "control/upgrade.h"
#include "control/workers.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define SCOREBOARD_FD "scoreboard" /* its name with the keeper */

/* --- the end -------------------------------------------------------------- */

static void
on_end(void *arg)
{
	struct control *c = arg;

	c->args.ended(c->args.owner, c->end_code, &c->end_why);
}

static void
end(struct control *c, int r, const struct err *why)
{
	c->end_code = r;
	if (why != &c->end_why)
		c->end_why = *why;
	loop_defer(c->loop, &c->ending, on_end, c);
}

static void
on_left_registry(void *arg)
{
	struct control *c = arg;

	(void)herd_shutdown(c->herd); /* it hangs up when all are gone */
}

void
control_shutdown(struct control *c)
{
	if (c->stopping)
		return;
	c->stopping = true;
	log_info("herd", "shutting down");
	if (c->enroll.registry != NULL)
		enroll_leave(c, on_left_registry, c);
	else
		on_left_registry(c);
}

/* --- beginning ------------------------------------------------------------ */

static int
open_rooms(struct control *c, struct err *err)
{
	const struct conf *conf = c->conf;
	int r = folders_make_roots(conf, err);

	if (r == 0)
		r = herd_set_logs(c->herd, conf->dirs.logs, conf->log_size,
		    conf->log_files, conf->log_journal);
	if (r == 0)
		r = workers_open(c, err);
	if (r == 0)
		r = health_open_notify(c, c->notify.fd, err);
	if (r == 0)
		r = listeners_apply(c, conf, err);
	if (r == 0)
		r = enroll_open(c, err);
	return r;
}

static int
make_services(struct control *c, const struct applied *a, struct err *err)
{
	int r = enroll_add_redis(c, err);

	for (size_t i = 0; r == 0 && i < c->conf->nservices; i++) {
		const struct conf_service *spec = &c->conf->services[i];
		struct service *s = service_add(
		    c, c->conf, spec, applied_cell(a, spec->name));

		if (s == NULL)
			return err_errno(err, -ENOMEM, "%s", spec->name);
		applied_restore(a, s);
	}
	return r;
}

static void
set_going(struct control *c)
{
	LIST_EACH (s, &c->services, struct service, link)
		scaling_take_over(s);
	LIST_EACH_SAFE (s, &c->services, struct service, link)
		service_settle(s);
	LIST_EACH_SAFE (s, &c->services, struct service, link)
		rollout_resume(s);
	conf_unref(c->earlier);
	c->earlier = NULL;
	workers_start(c);
	upgrade_soon(c);
	enroll_begin(c);
	certificates_begin(c);
	sample_begin(c);
	access_apply(c);
	publish_soon(c);
	applied_save(c);
}

/* A takeover goes on with what can be read: other routes let nobody in. */
static void
load_secrets(struct control *c)
{
	struct buf errors;
	struct faults f = { .out = &errors };

	buf_init(&errors, sizeof(c->errors));
	c->credentials = secrets_load(c->conf, &f);
	if (f.n > 0)
		log_error("config", "%s", buf_str(&errors));
	buf_done(&errors);
}

static int
begin_with(struct control *c, const struct applied *a, struct err *err)
{
	int r;

	load_secrets(c);
	c->wishes = a->wishes + 1;
	r = open_rooms(c, err);
	if (r == 0)
		r = make_services(c, a, err);
	if (r < 0)
		return r;
	c->begun = true;
	c->earlier = applied_earlier(c);
	adopt_all(c);
	set_going(c);
	return c->args.begun(c->args.owner, c, err);
}

/* After a takeover, what stands on disk is a reload like any other. */
static void
apply_disk(struct control *c)
{
	struct buf errors;

	if (c->disk == NULL) {
		log_error("config",
		    "not usable; the herd goes on as it was "
		    "configured last: %s",
		    c->errors);
		return;
	}
	buf_init(&errors, sizeof(c->errors));
	if (reload_apply(c, c->disk, &errors) < 0)
		log_error("config", "not applied: %s", buf_str(&errors));
	buf_done(&errors);
}

static int
take_over(struct control *c, const struct applied *a, struct err *err)
{
	int r;

	c->conf = conf_ref(a->conf);
	c->held = json_incref(a->held);
	r = begin_with(c, a, err);
	if (r < 0)
		return r;
	log_info("herd", "taken over pid=%d", (int)herd_keeper_pid(c->herd));
	apply_disk(c);
	return 0;
}

/* The files decide, but for a version that had failed in the herd before. */
static int
begin_anew(struct control *c, json_t *held, struct err *err)
{
	const struct applied none = { 0 };
	struct buf errors;

	if (c->disk == NULL)
		return err_set(err, -EINVAL, "%s", c->errors);
	c->held = json_incref(held);
	buf_init(&errors, sizeof(c->errors));
	c->conf = held_apply(c, c->disk, &errors);
	if (c->conf == NULL) {
		log_error("config", "%s", buf_str(&errors));
		held_clear(c);
		c->conf = conf_ref(c->disk);
	}
	held_forget(c, c->disk);
	buf_done(&errors);
	return begin_with(c, &none, err);
}

/* A herd that never began is ended with us; one that runs goes on. */
static void
fail(struct control *c, int r, const struct err *why, bool fresh)
{
	c->end_code = r;
	c->end_why = *why;
	if (!fresh) {
		end(c, r, why);
		return;
	}
	c->stopping = true;
	(void)herd_shutdown(c->herd);
}

static void
on_ready(void *owner)
{
	struct control *c = owner;
	struct applied applied;
	struct err err = { "" };
	int r;

	c->last_child = herd_last_id(c->herd);
	r = applied_load(c, &applied, &err);
	if (r == -EBADMSG)
		log_error("applied.json", "not usable: %s", err.text);
	if (r == 0)
		r = take_over(c, &applied, &err);
	else
		r = begin_anew(c, applied.held, &err);
	if (r < 0)
		fail(c, r, &err, applied.conf == NULL);
	applied_done(&applied);
}

/* --- what the herd says --------------------------------------------------- */

static void
on_child(void *owner, const struct herd_child *child)
{
	adopt_keep(owner, child);
}

static void
on_fd(void *owner, const char *name, int fd)
{
	struct control *c = owner;
	struct err err;

	if (strcmp(name, SCOREBOARD_FD) == 0) {
		if (workers_adopt_board(c, fd, &err) == 0)
			return;
		log_error(name, "not usable: %s", err.text);
	} else if (strcmp(name, RECORDS_NAME) == 0) {
		if (records_adopt(c, fd, &err) == 0)
			return;
		log_error(name, "not usable: %s", err.text);
	} else if (strcmp(name, HEALTH_NOTIFY) == 0) {
		c->notify.fd = fd;
		return;
	} else if (strcmp(name, CERTIFICATES_FD) == 0) {
		certificates_adopt(c, fd);
	} else if (strcmp(name, UPGRADE_FD) == 0) {
		upgrade_adopt(c, fd);
		return;
	} else if (listeners_adopt(c, name, fd) || passed_adopt(c, name, fd)) {
		return;
	}
	fd_close(&fd);
}

static void
on_spawned(void *owner, uint64_t id, pid_t pid, unsigned missing)
{
	struct control *c = owner;
	struct replica *r = replica_by_child(c, id);
	struct worker *w = workers_by_child(c, id);

	if (r != NULL && r->service->redis)
		enroll_redis_spawned(c);
	if (r != NULL)
		replica_spawned(r, pid, missing);
	if (w != NULL)
		workers_spawned(w, pid);
}

static void
on_spawn_failed(void *owner, uint64_t id, int error, const char *stage)
{
	const struct spawn_exit exit = { .kind = EXIT_EXITED, .code = 127 };
	struct control *c = owner;
	struct replica *r = replica_by_child(c, id);
	struct worker *w = workers_by_child(c, id);

	if (r != NULL)
		replica_spawn_failed(r, error, stage);
	else if (w != NULL)
		workers_spawn_failed(w, error, stage);
	else
		(void)health_exited(c, id, &exit);
}

static void
on_exited(
    void *owner, uint64_t id, const struct spawn_exit *exit, struct span tail)
{
	struct control *c = owner;
	struct replica *r = replica_by_child(c, id);
	struct worker *w = workers_by_child(c, id);

	if (c->stopping)
		return; /* the keeper ends them, in its order */
	if (r != NULL)
		replica_exited(r, exit, tail);
	else if (w != NULL)
		workers_exited(w, exit);
	else {
		(void)herd_forget(c->herd, id);
		(void)health_exited(c, id, exit);
	}
}

static void
on_line(void *owner, const struct herd_line *line)
{
	readers_line(owner, line);
}

/* After a clean end nothing of ours is left but the lock. */
static void
clean_up(struct control *c)
{
	static const char *const names[] = { "control.sock", "notify.sock",
		"redis.sock", "applied.json", "i" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(
		    path, sizeof(path), "%s/%s", c->args.runtime, names[i]);
		fd_remove_tree(path);
	}
	LIST_EACH (l, &c->workers.listeners, struct listener, link)
		if (strncmp(l->address, "unix:", 5) == 0)
			unlink(l->address + 5);
}

static void
on_lost(void *owner, const struct err *why)
{
	struct control *c = owner;

	if (c->stopping)
		clean_up(c);
	if (c->stopping)
		end(c, c->end_code, &c->end_why);
	else
		end(c, -EPIPE, why);
}

static void
on_upgraded(void *owner, const char *why)
{
	upgrade_answered(owner, why);
}

static const struct herd_ops herd_ops = {
	.child = on_child,
	.fd = on_fd,
	.ready = on_ready,
	.spawned = on_spawned,
	.spawn_failed = on_spawn_failed,
	.exited = on_exited,
	.line = on_line,
	.upgraded = on_upgraded,
	.lost = on_lost,
};

/* --- its life ------------------------------------------------------------- */

static void
init(struct control *c, struct loop *loop, const struct control_args *args)
{
	uint64_t seed;

	c->loop = loop;
	c->args = *args;
	c->notify.fd = -1;
	c->workers.board_fd = c->workers.listen_fd = -1;
	c->workers.records_fd = -1;
	access_init(c);
	list_init(&c->services);
	list_init(&c->adopt);
	list_init(&c->workers.strangers);
	cells_init(c);
	publish_init(c);
	listeners_init(c);
	certificates_init(c);
	event_init(c);
	upgrade_open(c);
	readers_init(c);
	rand_bytes(&seed, sizeof(seed));
	rng_seed(&c->rng, seed);
}

int
control_new(struct control **control, struct loop *loop,
    const struct control_args *args, const struct conf *disk,
    const char *errors, struct err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	char path[PATH_MAX];
	int r;

	if (c == NULL)
		return err_errno(err, -ENOMEM, "control");
	init(c, loop, args);
	c->disk = conf_ref(disk);
	snprintf(c->errors, sizeof(c->errors), "%s", errors);
	snprintf(path, sizeof(path), "%s/keeper.sock", args->runtime);
	r = herd_connect(&c->herd, loop, path, &herd_ops, c, err);
	if (r < 0) {
		control_free(c);
		return r;
	}
	*control = c;
	return 0;
}

static void
free_services(struct control *c)
{
	LIST_EACH_SAFE (s, &c->services, struct service, link) {
		LIST_EACH_SAFE (r, &s->replicas, struct replica, link)
			replica_abandon(r);
		LIST_EACH_SAFE (r, &s->extra, struct replica, link)
			replica_abandon(r);
		service_free(s);
	}
}

void
control_free(struct control *c)
{
	if (c == NULL)
		return;
	sample_end(c);
	loop_defer_cancel(&c->scaling.save);
	access_close(c);
	upgrade_close(c);
	enroll_close(c);
	free_services(c);
	adopt_done(c);
	publish_done(c);
	cells_done(c);
	workers_close(c);
	listeners_done(c);
	certificates_done(c);
	health_close_notify(c);
	readers_done(c);
	event_done(c);
	loop_defer_cancel(&c->ending);
	herd_free(c->herd);
	secrets_free(c->credentials);
	conf_unref(c->conf);
	conf_unref(c->disk);
	conf_unref(c->earlier);
	json_decref(c->held);
	free(c);
}

const struct conf *
control_conf(const struct control *c)
{
	return c->conf;
}
