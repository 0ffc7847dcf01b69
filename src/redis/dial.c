/* SPDX-License-Identifier: ISC */

#include "redis/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define LOOKUP_STACK (256 * 1024)

/* Shared by the loop and the thread that waits for getaddrinfo(3). */
struct lookup {
	atomic_int refs;
	int wake; /* eventfd, written when list and error are there */
	int error;
	struct addrinfo *list;
	char host[256];
	char port[6];
};

struct redis_dial {
	struct loop *loop;
	struct redis_url url;
	struct loop_io io;
	struct loop_timer timer;
	struct loop_later later; /* frees, or reports */
	struct lookup *lookup;
	struct sockaddr_storage address[DIAL_ADDRESSES];
	socklen_t length[DIAL_ADDRESSES];
	size_t naddress;
	size_t next; /* address to try */
	int fd;
	struct err why; /* of the last address that failed */
	void (*done)(void *arg, int fd, const struct err *why);
	void *arg;
	bool over;
};

static void connect_next(struct redis_dial *dial);

/* --- the end --------------------------------------------------------------
 */

static void
lookup_unref(struct lookup *lookup)
{
	if (lookup == NULL || atomic_fetch_sub(&lookup->refs, 1) != 1)
		return;
	if (lookup->list != NULL)
		freeaddrinfo(lookup->list);
	fd_close(&lookup->wake);
	free(lookup);
}

static void
stop(struct redis_dial *dial)
{
	loop_io_done(&dial->io);
	loop_timer_done(&dial->timer);
	lookup_unref(dial->lookup);
	dial->lookup = NULL;
	dial->over = true;
}

static void
on_report(void *arg)
{
	struct redis_dial *dial = arg;
	int fd = dial->fd;

	dial->fd = -1;
	dial->done(dial->arg, fd, fd < 0 ? &dial->why : NULL);
}

/* fd and why say how it went; the caller hears of it after this turn. */
static void
finish(struct redis_dial *dial)
{
	if (dial->over)
		return;
	stop(dial);
	loop_defer(dial->loop, &dial->later, on_report, dial);
}

static void
on_free(void *arg)
{
	free(arg);
}

void
redis_dial_free(struct redis_dial *dial)
{
	if (dial == NULL)
		return;
	stop(dial);
	fd_close(&dial->fd);
	loop_defer(dial->loop, &dial->later, on_free, dial);
}

/* --- connecting -----------------------------------------------------------
 */

static void
fail_address(struct redis_dial *dial, int error)
{
	char at[512];

	err_errno(&dial->why, -error, "%s",
	    redis_url_show(&dial->url, at, sizeof(at)));
	loop_io_done(&dial->io);
	fd_close(&dial->fd);
	connect_next(dial);
}

static void
on_connected(void *arg, unsigned what)
{
	struct redis_dial *dial = arg;
	int error = 0;
	socklen_t n = sizeof(error);

	(void)what;
	if (getsockopt(dial->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (error != 0)
		fail_address(dial, error);
	else
		finish(dial);
}

static int
open_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd >= 0 && family != AF_UNIX) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	}
	return fd;
}

static void
connect_next(struct redis_dial *dial)
{
	const struct sockaddr *sa;
	size_t n = dial->next;

	if (n >= dial->naddress) {
		finish(dial);
		return;
	}
	dial->next++;
	sa = (const struct sockaddr *)&dial->address[n];
	dial->fd = open_socket(sa->sa_family);
	if (dial->fd < 0) {
		fail_address(dial, errno);
		return;
	}
	if (connect(dial->fd, sa, dial->length[n]) == 0) {
		finish(dial);
		return;
	}
	if (errno != EINPROGRESS) {
		fail_address(dial, errno);
		return;
	}
	loop_io_init(&dial->io, dial->loop, dial->fd, on_connected, dial);
	if (loop_io_want(&dial->io, LOOP_WRITE) < 0)
		fail_address(dial, ENOMEM);
}

static void
on_timeout(void *arg)
{
	struct redis_dial *dial = arg;
	char at[512];

	fd_close(&dial->fd);
	err_set(&dial->why, -ETIMEDOUT, "%s: no connection in time",
	    redis_url_show(&dial->url, at, sizeof(at)));
	finish(dial);
}

/* --- names ----------------------------------------------------------------
 */

static atomic_int lookups; /* threads alive */

static void
take_addresses(struct redis_dial *dial, const struct addrinfo *ai)
{
	for (; ai != NULL && dial->naddress < DIAL_ADDRESSES;
	     ai = ai->ai_next) {
		size_t n = dial->naddress++;

		memcpy(&dial->address[n], ai->ai_addr, ai->ai_addrlen);
		dial->length[n] = ai->ai_addrlen;
	}
}

static void
on_looked_up(void *arg, unsigned what)
{
	struct redis_dial *dial = arg;
	struct lookup *lookup = dial->lookup;

	(void)what;
	loop_io_done(&dial->io);
	dial->lookup = NULL;
	if (lookup->error != 0)
		err_set(&dial->why, -ENOENT, "%s: %s", lookup->host,
		    gai_strerror(lookup->error));
	else
		take_addresses(dial, lookup->list);
	lookup_unref(lookup);
	connect_next(dial);
}

static int
resolve(const char *host, const char *port, int flags, struct addrinfo **list)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | flags,
	};

	return getaddrinfo(host, port, &hints, list);
}

static void *
lookup_thread(void *arg)
{
	struct lookup *lookup = arg;
	const uint64_t one = 1;

	lookup->error = resolve(
	    lookup->host, lookup->port, AI_ADDRCONFIG, &lookup->list);
	if (lookup->error != 0)
		lookup->list = NULL;
	fd_write_all(lookup->wake, &one, sizeof(one));
	lookup_unref(lookup);
	atomic_fetch_sub(&lookups, 1);
	return NULL;
}

/* With every signal blocked: they are the loop's. */
static int
start_thread(struct lookup *lookup)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int r;

	if (pthread_attr_init(&attr) != 0)
		return -ENOMEM;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, LOOKUP_STACK);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, &attr, lookup_thread, lookup);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

static struct lookup *
lookup_new(const struct redis_url *url)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));

	if (lookup == NULL)
		return NULL;
	atomic_init(&lookup->refs, 2);
	lookup->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	snprintf(lookup->host, sizeof(lookup->host), "%s", url->host);
	snprintf(lookup->port, sizeof(lookup->port), "%u", url->port);
	if (lookup->wake < 0 || start_thread(lookup) < 0) {
		fd_close(&lookup->wake);
		free(lookup);
		return NULL;
	}
	return lookup;
}

static int
look_up(struct redis_dial *dial)
{
	if (atomic_fetch_add(&lookups, 1) >= DIAL_LOOKUPS) {
		atomic_fetch_sub(&lookups, 1);
		return err_set(&dial->why, -EAGAIN,
		    "%s: earlier look-ups of names have not ended",
		    dial->url.host);
	}
	dial->lookup = lookup_new(&dial->url);
	if (dial->lookup == NULL) {
		atomic_fetch_sub(&lookups, 1);
		return err_set(&dial->why, -ENOMEM,
		    "%s: cannot start a look-up", dial->url.host);
	}
	loop_io_init(
	    &dial->io, dial->loop, dial->lookup->wake, on_looked_up, dial);
	if (loop_io_want(&dial->io, LOOP_READ) < 0)
		return err_errno(&dial->why, -ENOMEM, "%s", dial->url.host);
	return 0;
}

/* --- the start ------------------------------------------------------------
 */

static bool
numeric_address(struct redis_dial *dial)
{
	struct addrinfo *list = NULL;
	char port[6];

	snprintf(port, sizeof(port), "%u", dial->url.port);
	if (resolve(dial->url.host, port, AI_NUMERICHOST, &list) != 0)
		return false;
	take_addresses(dial, list);
	freeaddrinfo(list);
	return true;
}

static void
unix_address(struct redis_dial *dial)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&dial->address[0];

	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, dial->url.path, sizeof(un->sun_path));
	dial->length[0] = sizeof(*un);
	dial->naddress = 1;
}

struct redis_dial *
redis_dial_new(struct loop *loop, const struct redis_url *url,
    uint64_t timeout_ms, void (*done)(void *arg, int fd, const struct err *why),
    void *arg)
{
	struct redis_dial *dial = calloc(1, sizeof(*dial));

	if (dial == NULL)
		return NULL;
	dial->loop = loop;
	dial->url = *url;
	dial->done = done;
	dial->arg = arg;
	dial->fd = -1;
	loop_timer_init(&dial->timer, loop, on_timeout, dial);
	loop_timer_arm(&dial->timer, timeout_ms);
	if (url->path[0] != '\0')
		unix_address(dial);
	else if (!numeric_address(dial)) {
		if (look_up(dial) < 0)
			finish(dial);
		return dial;
	}
	connect_next(dial);
	return dial;
}
