/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/admin.h"
#include "cli/cli.h"
#include "cli/show.h"
#include "cli_world.h"
#include "fake_control.h"

#define WORDS_MAX 16

char folder[] = "/tmp/test_cli.XXXXXX";
char path[64];
char page[PAGE_MAX];
pid_t server;

/* --- the daemon: a child -------------------------------------------------- */

static struct control control;
static struct loop *loop;
static struct loop_timer tick;

static void
on_tick(void *arg)
{
	const struct scene *scene = arg;

	if (scene->goes_down && control.down)
		loop_stop(loop);
	if (scene->line_later && control.follower != NULL)
		fake_line(&control, "image.0", "came later");
	loop_timer_arm(&tick, 20);
}

static void
set_scene(const struct scene *s)
{
	control.settle = s->settle;
	control.stuck = s->stuck;
	control.fail = s->fail;
	control.broken_file = s->broken_file;
	control.no_changes = s->no_changes;
	control.failed = s->given_up;
	control.refused = s->refused;
	control.registry_down = s->registry_down;
	control.phase = s->phase;
	if (s->all_well) {
		control.services[2].pids[1] = 103;
		control.services[2].crashed[1] = false;
	}
	for (unsigned i = 0; i < s->events; i++)
		fake_event(&control, "image.0", "starting", "ready");
}

static void
serve(int fd, const struct scene *scene)
{
	struct err err = { "" };
	struct admin_args args = {
		.fd = fd,
		.uid = scene->stranger ? (uid_t)-2 : getuid(),
	};
	struct admin *admin;

	loop = loop_new(&err);
	if (loop == NULL)
		_exit(90);
	fake_control_init(&control, loop);
	set_scene(scene);
	admin = admin_new(loop, &control, &args, &err);
	if (admin == NULL)
		_exit(91);
	loop_timer_init(&tick, loop, on_tick, (void *)(uintptr_t)scene);
	loop_timer_arm(&tick, 20);
	loop_run(loop);
	admin_free(admin);
	fake_control_done(&control);
	loop_timer_done(&tick);
	loop_free(loop);
	exit(0);
}

void
begin(const struct scene *scene)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 64), 0);
	fflush(NULL);
	server = fork();
	assert_true(server >= 0);
	if (server == 0) {
		dup2(open("/dev/null", 1), 2); /* its log */
		serve(fd, scene);
	}
	close(fd);
}

void
end(void)
{
	int status;

	kill(server, SIGKILL);
	waitpid(server, &status, 0);
	unlink(path);
}

/* --- the command line: a child, too, with its output in page -------------- */

static size_t
read_all(int fd)
{
	size_t n = 0;
	ssize_t r;

	while (
	    n < PAGE_MAX - 1 && (r = read(fd, page + n, PAGE_MAX - 1 - n)) > 0)
		n += (size_t)r;
	page[n] = '\0';
	return n;
}

void
exec_line(const char *line, int out)
{
	static const struct cli_daemon none = { NULL };
	char text[512], *words[WORDS_MAX];
	int argc = 0;

	snprintf(text, sizeof(text), "drover --socket %s %s", path, line);
	for (char *p = text; p != NULL && argc < WORDS_MAX - 1;) {
		words[argc++] = p;
		p = strchr(p, ' ');
		if (p != NULL)
			*p++ = '\0';
	}
	words[argc] = NULL;
	dup2(out, 1);
	dup2(out, 2);
	exit(cli_main(argc, words, &none));
}

/* The exit code. */
int
drover(const char *line)
{
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		exec_line(line, fds[1]);
	}
	close(fds[1]);
	read_all(fds[0]);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void
assert_said(const char *what)
{
	if (strstr(page, what) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", what, page);
}
