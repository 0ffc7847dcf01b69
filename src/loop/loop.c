/* SPDX-License-Identifier: ISC */

#include "loop/loop.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

struct loop {
	struct event_base *base;
	struct list later;
	bool stop;
};

struct loop *
loop_new(struct err *err)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	struct event_config *cfg = event_config_new();

	if (loop == NULL || cfg == NULL)
		goto fail;
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	loop->base = event_base_new_with_config(cfg);
	if (loop->base == NULL)
		goto fail;
	event_config_free(cfg);
	list_init(&loop->later);
	return loop;
fail:
	if (cfg != NULL)
		event_config_free(cfg);
	free(loop);
	err_set(err, -ENOMEM, "cannot make an event loop");
	return NULL;
}

static void
run_later(struct loop *loop)
{
	struct loop_later *later;

	while ((later = LIST_FIRST(&loop->later, struct loop_later, link))) {
		list_remove(&later->link);
		later->fn(later->arg);
	}
}

void
loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	run_later(loop);
	/* libevent frees buffered connections in a turn of their own. */
	event_base_loop(loop->base, EVLOOP_NONBLOCK);
	run_later(loop);
	event_base_free(loop->base);
	free(loop);
}

int
loop_run(struct loop *loop)
{
	int r = 0;

	loop->stop = false;
	while (!loop->stop && r == 0) {
		int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

		if (!list_empty(&loop->later))
			flags |= EVLOOP_NONBLOCK;
		r = event_base_loop(loop->base, flags);
		run_later(loop);
	}
	return r < 0 ? -EIO : 0;
}

void
loop_stop(struct loop *loop)
{
	loop->stop = true;
	event_base_loopbreak(loop->base);
}

uint64_t
loop_now(const struct loop *loop)
{
	(void)loop;
	return clock_ms();
}

struct event_base *
loop_base(struct loop *loop)
{
	return loop->base;
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct loop_io *io = arg;

	(void)fd;
	(void)what;
	io->fn(io->arg, LOOP_READ);
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct loop_io *io = arg;

	(void)fd;
	(void)what;
	io->fn(io->arg, LOOP_WRITE);
}

void
loop_io_init(struct loop_io *io, struct loop *loop, int fd,
    void (*fn)(void *arg, unsigned what), void *arg)
{
	*io = (struct loop_io){ .loop = loop, .fn = fn, .arg = arg, .fd = fd };
	event_assign(
	    &io->read, loop->base, fd, EV_READ | EV_PERSIST, on_read, io);
	event_assign(
	    &io->write, loop->base, fd, EV_WRITE | EV_PERSIST, on_write, io);
}

void
loop_io_done(struct loop_io *io)
{
	if (io->loop != NULL)
		loop_io_want(io, 0);
	io->loop = NULL;
	io->fd = -1;
}

static int
set_event(struct event *ev, bool had, bool want)
{
	if (had == want)
		return 0;
	return (want ? event_add(ev, NULL) : event_del(ev)) < 0 ? -ENOMEM : 0;
}

int
loop_io_want(struct loop_io *io, unsigned want)
{
	unsigned had = io->want;

	io->want = want;
	if (set_event(&io->read, had & LOOP_READ, want & LOOP_READ) < 0 ||
	    set_event(&io->write, had & LOOP_WRITE, want & LOOP_WRITE) < 0)
		return -ENOMEM;
	return 0;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg);
}

void
loop_timer_init(
    struct loop_timer *t, struct loop *loop, void (*fn)(void *arg), void *arg)
{
	*t = (struct loop_timer){ .loop = loop, .fn = fn, .arg = arg };
	event_assign(&t->event, loop->base, -1, 0, on_timer, t);
}

void
loop_timer_done(struct loop_timer *t)
{
	if (t->loop != NULL)
		event_del(&t->event);
	t->loop = NULL;
}

void
loop_timer_arm(struct loop_timer *t, uint64_t ms)
{
	struct timeval tv = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	/* Fails only out of memory for the timer heap: then drover is done. */
	if (event_add(&t->event, &tv) < 0)
		abort();
}

void
loop_timer_disarm(struct loop_timer *t)
{
	event_del(&t->event);
}

bool
loop_timer_armed(const struct loop_timer *t)
{
	return t->loop != NULL && event_pending(&t->event, EV_TIMEOUT, NULL);
}

static void
on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct loop_signal *s = arg;

	(void)fd;
	(void)what;
	s->fn(s->arg);
}

int
loop_signal_init(struct loop_signal *s, struct loop *loop, int signo,
    void (*fn)(void *arg), void *arg)
{
	*s = (struct loop_signal){ .fn = fn, .arg = arg };
	event_assign(
	    &s->event, loop->base, signo, EV_SIGNAL | EV_PERSIST, on_signal, s);
	return event_add(&s->event, NULL) < 0 ? -ENOMEM : 0;
}

void
loop_signal_done(struct loop_signal *s)
{
	if (s->fn != NULL)
		event_del(&s->event);
	s->fn = NULL;
}

void
loop_defer(struct loop *loop, struct loop_later *later, void (*fn)(void *arg),
    void *arg)
{
	later->fn = fn;
	later->arg = arg;
	if (!link_on_list(&later->link))
		list_push(&loop->later, &later->link);
}

void
loop_defer_cancel(struct loop_later *later)
{
	list_remove(&later->link);
}
