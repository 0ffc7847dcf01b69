/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "control/upgrade.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "control/control.h"
#include "control/event.h"
#include "control/workers.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define MAGIC 0x31677075u /* and the version of the sheet */

struct sheet {
	uint32_t magic;
	uint32_t epoch;
	uint32_t phase;
	uint32_t tries; /* to become the program */
	char failed[UPGRADE_FAILED_MAX];
	char program[PATH_MAX];
};

static const char *const phases[] = {
	[UPGRADE_NONE] = "none",
	[UPGRADE_TRIAL] = "trial",
	[UPGRADE_WORKERS] = "workers",
	[UPGRADE_KEEPER] = "keeper",
};

/* --- the sheet ------------------------------------------------------------ */

void
upgrade_adopt(struct control *c, int fd)
{
	struct sheet s;

	fd_close(&c->upgrade.fd);
	c->upgrade.fd = fd;
	if (pread(fd, &s, sizeof(s), 0) != (ssize_t)sizeof(s) ||
	    s.magic != MAGIC || s.phase >= ARRAY_LEN(phases) ||
	    memchr(s.failed, '\0', sizeof(s.failed)) == NULL ||
	    memchr(s.program, '\0', sizeof(s.program)) == NULL) {
		log_error(UPGRADE_FD, "not usable: forgotten");
		return;
	}
	c->upgrade.epoch = s.epoch;
	c->upgrade.phase = (enum upgrade_phase)s.phase;
	c->upgrade.tries = s.tries;
	memcpy(c->upgrade.failed, s.failed, sizeof(s.failed));
	memcpy(c->upgrade.program, s.program, sizeof(s.program));
}

/* From here on the next control goes on with it. */
static int
write_down(struct control *c, uint32_t epoch, enum upgrade_phase phase)
{
	struct sheet s = { .magic = MAGIC,
		.epoch = epoch,
		.phase = phase,
		.tries = c->upgrade.tries };
	bool fresh = c->upgrade.fd < 0;
	int r = 0;

	memcpy(s.failed, c->upgrade.failed, sizeof(s.failed));
	memcpy(s.program, c->upgrade.program, sizeof(s.program));
	if (fresh)
		c->upgrade.fd = memfd_create(UPGRADE_FD, MFD_CLOEXEC);
	if (c->upgrade.fd < 0 ||
	    pwrite(c->upgrade.fd, &s, sizeof(s), 0) != (ssize_t)sizeof(s))
		r = -errno;
	if (r == 0 && fresh)
		r = herd_put_fd(c->herd, UPGRADE_FD, c->upgrade.fd);
	if (r < 0)
		return r;
	c->upgrade.epoch = epoch;
	c->upgrade.phase = phase;
	return 0;
}

static void
enter(struct control *c, enum upgrade_phase phase)
{
	const struct event_note note = {
		.type = "upgrade",
		.from = phases[c->upgrade.phase],
		.to = phases[phase],
		.cause = c->upgrade.failed,
	};
	int r = write_down(c, c->upgrade.epoch, phase);

	if (r < 0)
		log_error("upgrade", "cannot write it down: %s", strerror(-r));
	c->upgrade.phase = phase;
	event_post(c, &note);
}

static void
give_up(struct control *c, const char *what, const char *why)
{
	snprintf(c->upgrade.failed, sizeof(c->upgrade.failed), "%.160s: %.80s",
	    what, why);
	log_error("upgrade", "given up: %s", c->upgrade.failed);
	enter(c, UPGRADE_NONE);
}

/* --- the trial ------------------------------------------------------------ */

static void
tell(struct control *c, const char *why)
{
	void (*done)(void *arg, const char *why) = c->upgrade.done;

	c->upgrade.done = NULL;
	if (done != NULL)
		done(c->upgrade.arg, why);
}

int
control_upgrade(struct control *c, const char *program,
    void (*done)(void *arg, const char *why), void *arg, struct err *err)
{
	int r;

	if (c->upgrade.phase != UPGRADE_NONE || c->stopping)
		return err_set(err, -EBUSY, "%s",
		    c->stopping ? "the herd is being ended"
				: "an upgrade is under way");
	if (program != NULL && program[0] != '/')
		return err_set(
		    err, -EINVAL, "path: %s: must begin with /", program);
	if (str_copy(c->upgrade.program, sizeof(c->upgrade.program),
		span_of(program != NULL ? program : c->args.program)) < 0)
		return err_set(err, -EINVAL, "path: too long");
	r = herd_upgrade(c->herd, c->upgrade.program, false);
	if (r == -EPROTONOSUPPORT)
		return err_set(err, -ENOTSUP,
		    "the keeper is of a version that cannot be upgraded in "
		    "place: restart the service");
	if (r < 0)
		return err_errno(err, r, "the keeper");
	c->upgrade.phase = UPGRADE_TRIAL;
	c->upgrade.done = done;
	c->upgrade.arg = arg;
	return 0;
}

void
control_upgrade_forget(struct control *c, void *arg)
{
	if (c->upgrade.arg == arg)
		c->upgrade.done = NULL;
}

/* What the sheet says is what the next one goes by, whoever it is. */
static int
leave(struct control *c, uint32_t epoch)
{
	int r = write_down(c, epoch, UPGRADE_WORKERS);

	if (r < 0)
		return r;
	log_info("upgrade", "to %s", c->upgrade.program);
	c->upgrade.leaving = true;
	return 0;
}

static void
tried(struct control *c, const char *why)
{
	int r;

	c->upgrade.phase = UPGRADE_NONE;
	if (why != NULL) {
		log_warn("upgrade", "%s: %s", c->upgrade.program, why);
		tell(c, why);
		return;
	}
	c->upgrade.failed[0] = '\0';
	c->upgrade.tries = 0;
	r = leave(c, c->upgrade.epoch + 1);
	tell(c, r < 0 ? strerror(-r) : NULL);
	if (r == 0)
		c->args.upgrade(c->args.owner, c->upgrade.program);
}

static bool
are_the_program(const struct control *c)
{
	struct stat ours, its;

	return strcmp(c->args.program, c->upgrade.program) == 0 ||
	    (stat(c->args.program, &ours) == 0 &&
		stat(c->upgrade.program, &its) == 0 &&
		ours.st_dev == its.st_dev && ours.st_ino == its.st_ino);
}

/*
 * Somebody started the old one again, or the exec failed: once more, for a
 * program that never stays is not to be run for ever.
 */
static void
leave_again(struct control *c)
{
	if (c->upgrade.tries++ == 0 && leave(c, c->upgrade.epoch) == 0)
		c->args.upgrade(c->args.owner, c->upgrade.program);
	else
		give_up(c, c->upgrade.program, "control did not become it");
}

/* --- workers -------------------------------------------------------------- */

static bool
is_new(const struct control *c, const struct worker *w)
{
	return w->epoch == c->upgrade.epoch;
}

/* The one that serves a lane, or is about to; NULL: none. */
static struct worker *
lane_holder(struct control *c, unsigned lane, bool fresh)
{
	for (unsigned i = 0; i < c->workers.n; i++) {
		struct worker *w = &c->workers.all[i];

		if (w->lane == lane && instance_wanted(w->in) &&
		    is_new(c, w) == fresh)
			return w;
	}
	return NULL;
}

/* One lane a step: true when all of it is new. */
static bool
replace(struct control *c, unsigned lane)
{
	struct worker *old = lane_holder(c, lane, false);
	struct worker *next = lane_holder(c, lane, true);

	/* Without a free place it waits for one that drains. */
	if (next == NULL && workers_begin(c, lane) == NULL &&
	    c->workers.lanes == c->workers.n && old != NULL)
		workers_again(old); /* there never is one: in its own */
	if (next == NULL)
		return false;
	if (instance_state(next->in) == INSTANCE_READY) {
		if (old != NULL)
			workers_leave(old);
		return true;
	}
	if (instance_crashes(next->in) > 0 && old != NULL) {
		workers_leave(next);
		give_up(c, next->slot, "the new worker does not get ready");
	}
	return false;
}

static void
become(struct control *c)
{
	int r;

	c->upgrade.asked = true;
	enter(c, UPGRADE_KEEPER);
	r = herd_upgrade(c->herd, c->args.program, true);
	if (r < 0)
		give_up(c, "the keeper", strerror(-r));
}

static void
on_step(void *arg)
{
	struct control *c = arg;
	unsigned done = 0;

	if (c->upgrade.leaving || c->stopping)
		return;
	if (!are_the_program(c)) {
		leave_again(c);
		return;
	}
	if (c->upgrade.phase == UPGRADE_KEEPER) {
		if (!c->upgrade.asked)
			become(c); /* who asked has died before the answer */
		return;
	}
	while (done < c->workers.lanes && replace(c, done))
		done++;
	if (done == c->workers.lanes)
		become(c);
}

/* Not from inside what brought us here. */
void
upgrade_soon(struct control *c)
{
	if (c->upgrade.phase == UPGRADE_WORKERS ||
	    c->upgrade.phase == UPGRADE_KEEPER)
		loop_defer(c->loop, &c->upgrade.later, on_step, c);
}

/* --- the keeper ----------------------------------------------------------- */

void
upgrade_answered(struct control *c, const char *why)
{
	if (c->upgrade.phase == UPGRADE_TRIAL) {
		tried(c, why);
		return;
	}
	if (c->upgrade.phase != UPGRADE_KEEPER)
		return;
	if (why != NULL) {
		give_up(c, "the keeper", why);
		return;
	}
	log_info("upgrade", "done");
	enter(c, UPGRADE_NONE);
}

/* --- life ----------------------------------------------------------------- */

void
upgrade_open(struct control *c)
{
	c->upgrade.fd = -1;
}

void
upgrade_close(struct control *c)
{
	loop_defer_cancel(&c->upgrade.later);
	fd_close(&c->upgrade.fd);
}

json_t *
upgrade_json(const struct control *c)
{
	return json_pack("{s:s, s:I, s:s}", "phase", phases[c->upgrade.phase],
	    "epoch", (json_int_t)c->upgrade.epoch, "failed", c->upgrade.failed);
}
