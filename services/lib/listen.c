/* SPDX-License-Identifier: ISC */

#include "lib/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define PASSED_FD 3

static bool
env_number(const char *name, uint64_t *n)
{
	return str_u64(span_of(getenv(name)), n) == 0;
}

static int
take_passed(struct err *err)
{
	int listening = 0, r;
	socklen_t len = sizeof(listening);

	if (getsockopt(PASSED_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) <
	    0)
		return err_errno(err, -errno, "LISTEN_FDS: descriptor 3");
	if (!listening)
		return err_set(
		    err, -EINVAL, "LISTEN_FDS: descriptor 3 does not listen");
	r = fd_nonblock(PASSED_FD);
	if (r < 0)
		return err_errno(err, r, "LISTEN_FDS: descriptor 3");
	if (fcntl(PASSED_FD, F_SETFD, FD_CLOEXEC) < 0)
		return err_errno(err, -errno, "LISTEN_FDS: descriptor 3");
	return PASSED_FD;
}

static int
bind_and_listen(
    const struct sockaddr *sa, socklen_t len, const char *name, struct err *err)
{
	int fd = socket(
	    sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, r;

	if (fd < 0)
		return err_errno(err, -errno, "%s", name);
	if (sa->sa_family == AF_INET)
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, sa, len) == 0 && listen(fd, SVC_BACKLOG) == 0)
		return fd;
	r = -errno;
	fd_close(&fd);
	return err_errno(err, r, "%s", name);
}

/* Does somebody accept connections there? 1, 0, or a negative errno. */
static int
is_live(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? errno
									: 0;
	fd_close(&fd);
	return r != ECONNREFUSED && r != ENOENT;
}

/* Only a socket on which nobody answers is stale; a file is somebody's. */
static int
remove_stale(const struct sockaddr_un *sun, struct err *err)
{
	struct stat st;
	int r;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT
		    ? 0
		    : err_errno(err, -errno, "%s", sun->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(
		    err, -EEXIST, "%s: this is no socket", sun->sun_path);
	r = is_live(sun);
	if (r < 0)
		return err_errno(err, r, "%s", sun->sun_path);
	if (r > 0)
		return err_set(err, -EADDRINUSE, "%s: somebody listens there",
		    sun->sun_path);
	if (unlink(sun->sun_path) < 0 && errno != ENOENT)
		return err_errno(err, -errno, "%s", sun->sun_path);
	return 0;
}

static int
listen_unix(const char *path, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int r;

	r = str_copy(sun.sun_path, sizeof(sun.sun_path), span_of(path));
	if (r < 0 || path[0] == '\0')
		return err_set(err, -EINVAL,
		    "DROVER_SOCKET is empty or over %zu bytes",
		    sizeof(sun.sun_path) - 1);
	r = remove_stale(&sun, err);
	if (r < 0)
		return r;
	return bind_and_listen(
	    (const struct sockaddr *)&sun, sizeof(sun), path, err);
}

static int
listen_port(struct err *err)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	uint64_t port;

	if (!env_number("PORT", &port) || port > UINT16_MAX)
		return err_set(err, -EINVAL, "PORT is no port number");
	sin.sin_port = htons((uint16_t)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return bind_and_listen(
	    (const struct sockaddr *)&sin, sizeof(sin), "127.0.0.1:$PORT", err);
}

int
svc_listen(struct svc_socket *socket, struct err *err)
{
	const char *path = getenv("DROVER_SOCKET");
	uint64_t fds, pid;
	int fd;

	socket->path[0] = '\0';
	if (env_number("LISTEN_FDS", &fds) && env_number("LISTEN_PID", &pid) &&
	    fds == 1 && pid == (uint64_t)getpid())
		return take_passed(err);
	if (path != NULL) {
		fd = listen_unix(path, err);
		if (fd >= 0)
			(void)!str_copy(
			    socket->path, sizeof(socket->path), span_of(path));
		return fd;
	}
	if (getenv("PORT") != NULL)
		return listen_port(err);
	return err_set(err, -EINVAL,
	    "no socket: set DROVER_SOCKET to a path or PORT to a number");
}

void
svc_socket_remove(struct svc_socket *socket)
{
	if (socket->path[0] != '\0')
		(void)unlink(socket->path);
	socket->path[0] = '\0';
}
