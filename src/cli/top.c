/* SPDX-License-Identifier: ISC */

/* A live table: asked for again each second, until q or Ctrl-C. */

#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/remote.h"
#include "cli/run.h"
#include "cli/show.h"
#include "loop/loop.h"

#define REFRESH_MS 1000
#define PAGE_MAX (16 * 1024 * 1024)

struct top {
	const struct invocation *in;
	struct loop *loop;
	struct loop_timer tick;
	struct loop_io keys;
	struct loop_signal interrupt, terminate, resize;
	struct termios before;
	bool raw;
	int exit;
};

static unsigned
screen_lines(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row < 4)
		return 24;
	return size.ws_row;
}

/* Of a page longer than the screen, its beginning. */
static void
cut_page(struct buf *page, unsigned lines)
{
	for (size_t i = 0; i < page->len; i++) {
		if (page->data[i] != '\n' || --lines > 0)
			continue;
		page->len = i;
		page->data[i] = '\0';
		return;
	}
}

static int
draw(const json_t *status)
{
	char when[CLOCK_TEXT];
	struct buf page;
	int r;

	buf_init(&page, PAGE_MAX);
	r = buf_printf(&page, "\033[H\033[2J%s  %s  drover %s\n\n",
	    json_text(status, "node"), clock_text(when, clock_wall_ms()),
	    json_text(status, "version"));
	if (r == 0)
		r = show_status(status, print_in_colour(), &page);
	if (r == 0)
		cut_page(&page, screen_lines() - 1);
	r = r < 0 ? print_failed("top") : print_buf(&page);
	buf_done(&page);
	return r;
}

static void
on_tick(void *arg)
{
	struct top *t = arg;
	json_t *status;
	int r = remote_call(t->in, "GET", "/v1/status", NULL, &status);

	if (r == CLI_OK)
		r = draw(status);
	json_decref(status);
	t->exit = r;
	if (r == CLI_OK)
		loop_timer_arm(&t->tick, REFRESH_MS);
	else
		loop_stop(t->loop);
}

static void
on_stop(void *arg)
{
	struct top *t = arg;

	loop_stop(t->loop);
}

static void
on_resize(void *arg)
{
	struct top *t = arg;

	loop_timer_arm(&t->tick, 0);
}

static void
on_key(void *arg, unsigned what)
{
	struct top *t = arg;
	char c;
	ssize_t n = read(STDIN_FILENO, &c, 1);

	(void)what;
	if (n <= 0 || c == 'q' || c == 'Q' || c == 3)
		loop_stop(t->loop);
	else if (c == ' ' || c == '\n')
		loop_timer_arm(&t->tick, 0);
}

static void
keys_on(struct top *t)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &t->before) < 0)
		return; /* no terminal to type on: Ctrl-C still ends it */
	raw = t->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
	loop_io_init(&t->keys, t->loop, STDIN_FILENO, on_key, t);
	if (loop_io_want(&t->keys, LOOP_READ) < 0)
		loop_io_done(&t->keys);
}

static void
keys_off(struct top *t)
{
	loop_io_done(&t->keys);
	if (t->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
}

static int
watch(struct top *t)
{
	if (loop_signal_init(&t->interrupt, t->loop, SIGINT, on_stop, t) < 0 ||
	    loop_signal_init(&t->terminate, t->loop, SIGTERM, on_stop, t) < 0 ||
	    loop_signal_init(&t->resize, t->loop, SIGWINCH, on_resize, t) < 0)
		return print_failed("top");
	loop_timer_init(&t->tick, t->loop, on_tick, t);
	loop_timer_arm(&t->tick, 0);
	keys_on(t);
	loop_run(t->loop);
	keys_off(t);
	loop_timer_done(&t->tick);
	return t->exit;
}

static int
top_live(const struct invocation *in)
{
	struct top t = { .in = in };
	struct err err;
	int r;

	t.loop = loop_new(&err);
	if (t.loop == NULL)
		return print_failed("top");
	r = watch(&t);
	loop_signal_done(&t.interrupt);
	loop_signal_done(&t.terminate);
	loop_signal_done(&t.resize);
	loop_free(t.loop);
	return r;
}

int
run_top(const struct invocation *in)
{
	if ((in->given & OPT_JSON) || !print_is_terminal())
		return run_status(in);
	return top_live(in);
}
