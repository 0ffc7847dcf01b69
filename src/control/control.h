/* SPDX-License-Identifier: ISC */

/*
 * control - the control process, as its admin API sees it
 *
 * Views are JSON values built on demand and owned by the caller. Commands
 * answer at once: they change what is wanted, and the herd follows; a client
 * that wants to see it done watches the views (the CLI's --wait does that).
 * What control_scale() set stands until control_scale_auto() gives the number
 * back to the configuration.
 *
 * Errors of commands: -ENOENT no such service or instance (err suggests the
 * near name), -EINVAL a value out of range, -EBUSY another change of the same
 * thing is under way, -ESTALE the expected generation is not the current one,
 * -ENOTSUP not possible for this one (err says why). Nothing was changed.
 */

#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include <jansson.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"
#include "control/herd.h"
#include "loop/loop.h"

struct control;

struct control_args {
	const char *config;  /* path of drover.yaml */
	const char *runtime; /* its directories.runtime, which is made */
	const char *program; /* path of our own binary, for the workers */

	/*
	 * The herd is up or taken over, and conf is in force: the time to open
	 * the admin socket. A negative errno ends control as ended() does.
	 */
	int (*begun)(void *owner, struct control *c, struct err *err);

	/*
	 * To become that program, by an exec in place, once what was answered
	 * is on its way: the herd goes on, and is taken over.
	 */
	void (*upgrade)(void *owner, const char *program);

	/* It is over: 0 after a shutdown, else why. The loop is to be left. */
	void (*ended)(void *owner, int r, const struct err *err);
	void *owner;
};

/*
 * Take over the herd of the keeper that listens below runtime, or begin one.
 * disk is the configuration as it is on disk, or NULL with errors when it
 * cannot be used: a herd that runs is then taken over all the same, as it was
 * configured last; without one, control ends with these errors. What happens
 * then is told through args; on error nothing has begun. Strings of args are
 * borrowed.
 */
int control_new(struct control **control, struct loop *loop,
    const struct control_args *args, const struct conf *disk,
    const char *errors, struct err *err) MUST_CHECK;

/* Hang up and forget; the herd goes on. NULL is fine. */
void control_free(struct control *c);

const struct conf *control_conf(const struct control *c);

/* --- views (GET) ---------------------------------------------------------- */

json_t *control_status(struct control *c);   /* DESIGN: status --json */
json_t *control_services(struct control *c); /* array, as in status */
json_t *control_service(struct control *c, const char *name); /* or NULL */
json_t *control_instances(struct control *c);		      /* array */
json_t *control_instance(struct control *c, const char *id);  /* or NULL */
json_t *control_config(struct control *c);
json_t *control_nodes(struct control *c);
int control_metrics(struct control *c, struct buf *out); /* Prometheus 0.0.4 */

/* {"requests": the newest first, 16 at most, "searched": n}; NULL: memory. */
json_t *control_request(struct control *c, const char *id);

/* The generation of the wishes: the ETag of services and config. */
uint64_t control_generation(const struct control *c);

/* --- commands (POST, PUT, DELETE) ----------------------------------------- */

int control_start(struct control *c, const char *service, struct err *err);
int control_stop(struct control *c, const char *service, struct err *err);
int control_restart(struct control *c, const char *service, struct err *err);
int control_scale(
    struct control *c, const char *service, unsigned replicas, struct err *err);
int control_scale_auto(struct control *c, const char *service, struct err *err);

int control_instance_restart(struct control *c, const char *id, struct err *e);
int control_instance_stop(struct control *c, const char *id, struct err *e);
int control_instance_kill(struct control *c, const char *id, struct err *e);

/*
 * What a reload would do: {"changes": [...], "held": [...]}; NULL with the
 * errors. Held are services whose version in the files was taken back, and is
 * not tried again until it changes: {"service", "why"}.
 */
json_t *control_plan(struct control *c, struct buf *errors);

struct control_reload {
	unsigned canary; /* new copies of each service to hold at; 0: none */
	bool retry;	 /* also what is held */
};

/* Do it: the same value, and "generation". NULL: nothing was changed. */
json_t *control_reload(
    struct control *c, const struct control_reload *how, struct buf *errors);

/* Of a rollout under way; UNDO also of the last deploy that is done. */
enum control_verb {
	CONTROL_PROMOTE, /* go on, without waiting or holding any more */
	CONTROL_UNDO,	 /* back to the version before */
	CONTROL_PAUSE,	 /* replace no further copy */
	CONTROL_RESUME,
};

int control_rollout(struct control *c, const char *service,
    enum control_verb verb, struct err *err);

void control_shutdown(struct control *c); /* the whole herd */

/* --- events --------------------------------------------------------------- */

/*
 * One event is one JSON object: {"id", "at", "type", "service", "instance",
 * "from", "to", "cause", "ms"}. The last CONTROL_EVENTS are kept.
 */
#define CONTROL_EVENTS 1024

struct control_watch {
	struct link link;
	void (*event)(void *arg, uint64_t id, const char *json);
	void *arg;
};

/* Those kept with an id above `after`, then each new one as it happens. */
void control_watch(struct control *c, struct control_watch *w, uint64_t after);
void control_unwatch(struct control_watch *w);

/* --- logs ----------------------------------------------------------------- */

/*
 * The lines of a service (all its instances, in the order of time) or of one
 * instance: those kept, then with follow each new one, until cancel. `line`
 * is {"at", "instance", "stream", "line"}; NULL marks the end of what was
 * kept. since_wall_ms 0: all.
 */
struct control_logs {
	void (*line)(void *arg, json_t *line); /* borrowed */
	void *arg;
	void *state; /* control's */
};

int control_logs(struct control *c, const char *name, uint64_t since_wall_ms,
    unsigned lines, bool follow, struct control_logs *logs, struct err *err);
void control_logs_cancel(struct control *c, struct control_logs *logs);

/* --- upgrade -------------------------------------------------------------- */

/*
 * Become another program (control/upgrade.h), or NULL: the one that stands
 * where ours came from. done is called once it was tried, with NULL or why it
 * cannot be; unless control_upgrade_forget() came before.
 */
int control_upgrade(struct control *c, const char *program,
    void (*done)(void *arg, const char *why), void *arg, struct err *err);
void control_upgrade_forget(struct control *c, void *arg);

#endif /* CONTROL_CONTROL_H */
