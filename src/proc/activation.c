/* SPDX-License-Identifier: ISC */

#include "proc/activation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#define LOG_SUBSYSTEM "activation"
#include "base/log.h"

#define FIRST 3

static bool
is_set(int fd, int option, int wanted)
{
	socklen_t n = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &n) == 0 &&
	    value == wanted;
}

static bool
is_listener(int fd)
{
	return is_set(fd, SO_TYPE, SOCK_STREAM) && is_set(fd, SO_ACCEPTCONN, 1);
}

static bool
prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

/* How many are for us; -EINVAL. */
static int
count(uint64_t *n)
{
	const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	uint64_t whose;

	*n = 0;
	if (fds == NULL || pid == NULL)
		return 0;
	if (str_u64(span_of(pid), &whose) < 0)
		return -EINVAL;
	if (whose != (uint64_t)getpid())
		return 0;
	if (str_u64(span_of(fds), n) < 0 || *n > INT_MAX - FIRST)
		return -EINVAL;
	return 0;
}

int
activation_take(void (*fn)(void *arg, int fd), void *arg)
{
	uint64_t n;
	int r = count(&n);

	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	if (r < 0)
		return r;
	for (int i = 0; (uint64_t)i < n && fcntl(FIRST + i, F_GETFD) >= 0;
	     i++) {
		int fd = FIRST + i;

		if ((unsigned)i < ACTIVATION_MAX && is_listener(fd) &&
		    prepare(fd)) {
			fn(arg, fd);
			continue;
		}
		log_warn("socket", "not used: descriptor %d", fd);
		fd_close(&fd);
	}
	return 0;
}
