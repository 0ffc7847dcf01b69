/* SPDX-License-Identifier: ISC */

/*
 * loop - one event loop: descriptors, timers, signals, and work for later
 *
 * A thin hand over libevent, so that the rooms above say what they mean and
 * their callbacks stay short. The structs are embedded in what they serve and
 * own no memory of their own; _done() may be called twice, and from inside the
 * callback itself. The thing that holds them must not be freed inside its own
 * callback: loop_defer() a free to the end of the turn.
 *
 * One thread. Times are milliseconds.
 */

#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"

struct loop;

struct loop *loop_new(struct err *err); /* NULL with the reason */
void loop_free(struct loop *loop);	/* runs what was deferred */

int loop_run(struct loop *loop);   /* until loop_stop(); 0 or -EIO */
void loop_stop(struct loop *loop); /* after this turn */

/* Monotonic (clock_ms() of base): the one clock of all that stands on a loop.
 */
uint64_t loop_now(const struct loop *loop);

/* For libraries that want libevent itself (evhtp, hiredis). */
struct event_base *loop_base(struct loop *loop);

/* --- descriptors ---------------------------------------------------------- */

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop_io {
	struct event read;
	struct event write;
	struct loop *loop;
	void (*fn)(void *arg, unsigned what);
	void *arg;
	int fd; /* borrowed; -1 when closed */
	unsigned want;
};

/* `what` in the callback is LOOP_READ or LOOP_WRITE, never both. */
void loop_io_init(struct loop_io *io, struct loop *loop, int fd,
    void (*fn)(void *arg, unsigned what), void *arg);
void loop_io_done(struct loop_io *io); /* does not close fd */

/* What to wait for from now on; level-triggered, stays armed. 0 or -ENOMEM. */
int loop_io_want(struct loop_io *io, unsigned want);

/* --- timers --------------------------------------------------------------- */

struct loop_timer {
	struct event event;
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
};

void loop_timer_init(
    struct loop_timer *t, struct loop *loop, void (*fn)(void *arg), void *arg);
void loop_timer_done(struct loop_timer *t);

/* Once, ms from now; a pending shot is replaced. 0 fires in the next turn. */
void loop_timer_arm(struct loop_timer *t, uint64_t ms);
void loop_timer_disarm(struct loop_timer *t);
bool loop_timer_armed(const struct loop_timer *t);

/* --- signals -------------------------------------------------------------- */

struct loop_signal {
	struct event event;
	void (*fn)(void *arg);
	void *arg;
};

int loop_signal_init(struct loop_signal *s, struct loop *loop, int signo,
    void (*fn)(void *arg), void *arg) MUST_CHECK;
void loop_signal_done(struct loop_signal *s);

/* --- later ---------------------------------------------------------------- */

/* Embedded and zeroed at first; queued at most once at a time. */
struct loop_later {
	struct link link;
	void (*fn)(void *arg);
	void *arg;
};

/* Run fn(arg) when this turn's callbacks are done. */
void loop_defer(struct loop *loop, struct loop_later *later,
    void (*fn)(void *arg), void *arg);
void loop_defer_cancel(struct loop_later *later);

#endif /* LOOP_LOOP_H */
