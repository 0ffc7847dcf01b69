/* SPDX-License-Identifier: ISC */

#include "control/publish.h"

#include "base/fd.h"
#include "control/cells.h"
#include "control/publish_build.h"
#include "control/workers.h"
#include "link/worker_msg.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

static void
send_to(struct control *c, struct worker *w, int fd)
{
	const struct worker_msg m = {
		.type = WORKER_SNAPSHOT,
		.generation = c->publish.generation,
	};

	if (w->io.fd < 0)
		return;
	if (worker_msg_send(w->io.fd, &m, &fd, 1) < 0) {
		workers_hang_up(w); /* it comes again and gets the newest */
		return;
	}
	if (w->applied == UINT64_MAX)
		w->applied = 0; /* now it has one that it has to leave */
}

static void
on_publish(void *arg)
{
	struct control *c = arg;
	struct err err;
	int fd;

	c->publish.generation++;
	scoreboard_publish(c->workers.board, c->publish.generation);
	if (publish_build(c, &fd, &err) < 0) {
		log_error("snapshot", "generation %llu not published: %s",
		    (unsigned long long)c->publish.generation, err.text);
		c->publish.again = true; /* the next sample tries */
		return;
	}
	c->publish.again = false;
	fd_close(&c->publish.fd);
	c->publish.fd = fd;
	for (unsigned i = 0; i < c->workers.n; i++)
		send_to(c, &c->workers.all[i], fd);
	cells_sweep(c);
}

void
publish_init(struct control *c)
{
	c->publish.fd = -1;
}

void
publish_done(struct control *c)
{
	loop_defer_cancel(&c->publish.later);
	fd_close(&c->publish.fd);
}

void
publish_soon(struct control *c)
{
	if (c->workers.all != NULL)
		loop_defer(c->loop, &c->publish.later, on_publish, c);
}

uint64_t
publish_next(struct control *c)
{
	publish_soon(c);
	return c->publish.generation + 1;
}

void
publish_send(struct control *c, struct worker *w)
{
	if (c->publish.fd >= 0)
		send_to(c, w, c->publish.fd);
	else
		publish_soon(c);
}

void
publish_seen(struct control *c, uint64_t generation)
{
	if (generation < c->publish.generation || generation == UINT64_MAX)
		return;
	c->publish.generation = generation;
	publish_soon(c);
}
