/* SPDX-License-Identifier: ISC */

/* Sockets that systemd opened: taken by the keeper, used by control. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "control/state.h"
#include "control_world.h"
#include "fake_herd.h"
#include "link/address.h"
#include "proc/activation.h"

static int
listener(int type)
{
	struct address a;
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(address_parse(&a, "127.0.0.1:0"), 0);
	assert_int_equal(bind(fd, &a.u.sa, a.len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* --- the protocol, in a process that has the descriptors ------------------ */

static unsigned taken; /* a bit for each descriptor */

static void
on_taken(void *arg, int fd)
{
	(void)arg;
	if (fd < 32 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 &&
	    (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0)
		taken |= 1u << fd;
}

/* What a process takes that finds these at 3, 4, 5; 255: an error. */
static int
take(const char *fds, const char *pid, const int *at)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		char own[16];

		snprintf(own, sizeof(own), "%d", (int)getpid());
		for (int i = 0; i < 3; i++)
			dup2(at[i], 20 + i);
		for (int i = 0; i < 3; i++)
			dup2(20 + i, 3 + i);
		closefrom(6);
		setenv("LISTEN_FDS", fds, 1);
		setenv("LISTEN_PID", pid == NULL ? own : pid, 1);
		setenv("LISTEN_FDNAMES", "a:b", 1);
		if (activation_take(on_taken, NULL) < 0 ||
		    getenv("LISTEN_FDS") != NULL ||
		    getenv("LISTEN_PID") != NULL ||
		    getenv("LISTEN_FDNAMES") != NULL)
			_exit(255);
		_exit((int)taken);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
listening_streams_are_taken_and_nothing_else(void **state)
{
	int pipe_[2], stream = listener(SOCK_STREAM),
		      datagram = listener(SOCK_DGRAM),
		      silent = socket(AF_INET, SOCK_STREAM, 0);
	const int good[] = { stream, stream, stream };
	const int mixed[] = { datagram, silent, stream };

	(void)state;
	assert_int_equal(pipe(pipe_), 0);
	const int files[] = { pipe_[0], stream, pipe_[1] };

	assert_int_equal(take("3", NULL, good), 1 << 3 | 1 << 4 | 1 << 5);
	assert_int_equal(take("2", NULL, good), 1 << 3 | 1 << 4);
	assert_int_equal(take("3", NULL, mixed), 1 << 5);
	assert_int_equal(take("3", NULL, files), 1 << 4);
	close(stream);
	close(datagram);
	close(silent);
	close(pipe_[0]);
	close(pipe_[1]);
}

static void
what_is_for_another_process_or_makes_no_sense_is_left(void **state)
{
	int stream = listener(SOCK_STREAM);
	const int fds[] = { stream, stream, stream };

	(void)state;
	assert_int_equal(take("3", "1", fds), 0);
	assert_int_equal(take("0", NULL, fds), 0);
	assert_int_equal(take("x", NULL, fds), 255);
	assert_int_equal(take("-1", NULL, fds), 255);
	assert_int_equal(take("1", "me", fds), 255);
	assert_int_equal(take("4294967296", NULL, fds), 255);
	/* More than there are: those that there are. */
	assert_int_equal(
	    take("2000000000", NULL, fds), 1 << 3 | 1 << 4 | 1 << 5);
	close(stream);
}

/* --- control -------------------------------------------------------------- */

static void
configure(struct world *w, const char *listen)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "listen: [%2$s]\nregistry: none\nworkers: 2\n"
	    "admin: {socket: %1$s/run/admin.sock}\n"
	    "directories: {runtime: %1$s/run, state: %1$s/state, "
	    "cache: %1$s/cache, logs: %1$s/logs}\n",
	    w->dir, listen);
	write_file(w, "drover.yaml", text);
}

/* A world whose keeper was handed a socket, and the address to listen on. */
static struct world *
activated(char listen[ADDRESS_TEXT + 32])
{
	struct world *w = world_new("", NULL);
	char text[ADDRESS_TEXT];
	struct address a;

	fake.activated = listener(SOCK_STREAM);
	assert_int_equal(address_of_socket(&a, fake.activated), 0);
	snprintf(listen, ADDRESS_TEXT + 32, "{address: \"%s\"}",
	    address_text(&a, text));
	return w;
}

/* The public listener; or NULL. */
static struct listener *public(struct world *w)
{
	LIST_EACH (l, &w->c->workers.listeners, struct listener, link)
		if (!l->internal)
			return l;
	return NULL;
}

static void
assert_is_ours(struct world *w)
{
	struct listener *l = public(w);
	struct address a, b;

	assert_non_null(l);
	assert_true(l->passed);
	assert_int_equal(address_of_socket(&a, l->fds[0]), 0);
	assert_int_equal(address_of_socket(&b, fake.activated), 0);
	assert_true(address_equal(&a, &b));
	assert_int_equal(l->fds[1], -1); /* one for all workers */
}

static void
reload(struct world *w)
{
	const struct control_reload how = { 0 };
	struct buf errors;
	json_t *done;

	buf_init(&errors, 4096);
	done = control_reload(w->c, &how, &errors);
	assert_string_equal(buf_str(&errors), "");
	assert_non_null(done);
	json_decref(done);
	buf_done(&errors);
	run_for(w, 10);
}

/* It is bound already: to bind it once more would be an error. */
static void
an_address_that_systemd_opened_is_not_bound_again(void **state)
{
	char listen[ADDRESS_TEXT + 32];
	struct world *w = activated(listen);

	(void)state;
	configure(w, listen);
	attach(w);
	assert_true(w->begun);
	assert_is_ours(w);
	control_free(w->c);
	attach(w); /* the next control */
	assert_true(w->begun);
	assert_is_ours(w);
	world_free(w);
}

/* "{address: ...}" of a port that nobody has. */
static void
free_address(char out[ADDRESS_TEXT + 32])
{
	char text[ADDRESS_TEXT];
	struct address a;
	int fd = listener(SOCK_STREAM);

	assert_int_equal(address_of_socket(&a, fd), 0);
	snprintf(out, ADDRESS_TEXT + 32, "{address: \"%s\"}",
	    address_text(&a, text));
	close(fd);
}

static void
another_address_is_bound_as_ever(void **state)
{
	char listen[ADDRESS_TEXT + 32], other[ADDRESS_TEXT + 32],
	    both[2 * ADDRESS_TEXT + 80];
	struct world *w = activated(listen);
	unsigned passed = 0, bound = 0;

	(void)state;
	free_address(other);
	snprintf(both, sizeof(both), "%s, %s", other, listen);
	configure(w, both);
	attach(w);
	assert_true(w->begun);
	LIST_EACH (l, &w->c->workers.listeners, struct listener, link) {
		passed += l->passed;
		bound += !l->passed && !l->internal && l->fds[1] >= 0;
	}
	assert_int_equal(passed, 1);
	assert_int_equal(bound, 1);
	world_free(w);
}

static void
a_socket_waits_until_the_configuration_names_it(void **state)
{
	char listen[ADDRESS_TEXT + 32];
	struct world *w = activated(listen);

	(void)state;
	configure(w, "");
	attach(w);
	assert_true(w->begun);
	assert_null(public(w));
	for (int i = 0; i < 2; i++) {
		configure(w, listen);
		reload(w);
		assert_is_ours(w);
		configure(w, "");
		reload(w);
		assert_null(public(w));
	}
	world_free(w);
}

/* Its file is systemd's, who would not make it again. */
static void
a_unix_socket_of_systemd_keeps_its_file(void **state)
{
	char line[ADDRESS_TEXT + 32];
	struct world *w = world_new("", NULL);
	struct address a;
	char text[ADDRESS_TEXT];

	(void)state;
	snprintf(text, sizeof(text), "unix:%s/public.sock", w->dir);
	assert_int_equal(address_parse(&a, text), 0);
	fake.activated = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fake.activated, &a.u.sa, a.len), 0);
	assert_int_equal(listen(fake.activated, 8), 0);
	snprintf(line, sizeof(line), "{address: \"%s\"}", text);
	configure(w, line);
	attach(w);
	assert_true(w->begun);
	assert_is_ours(w);
	configure(w, "");
	reload(w);
	assert_null(public(w));
	assert_int_equal(access(text + strlen("unix:"), F_OK), 0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listening_streams_are_taken_and_nothing_else),
		cmocka_unit_test(
		    what_is_for_another_process_or_makes_no_sense_is_left),
		cmocka_unit_test(
		    an_address_that_systemd_opened_is_not_bound_again),
		cmocka_unit_test(another_address_is_bound_as_ever),
		cmocka_unit_test(
		    a_socket_waits_until_the_configuration_names_it),
		cmocka_unit_test(a_unix_socket_of_systemd_keeps_its_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
