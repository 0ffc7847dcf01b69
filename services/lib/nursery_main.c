/* SPDX-License-Identifier: ISC */

/*
 * The process of a nursery. It reads orders, forks, and waits; no hostile byte
 * passes through it.
 */

#define _GNU_SOURCE

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "lib/nursery.h"
#include "lib/nursery_wire.h"
#include "proc/packet.h"

#define CHILDREN_MAX 256 /* as many as there can be worker threads */
#define JOB_FD 3
#define INPUT_FD 4

struct child {
	pid_t pid;
	int pidfd;
	int fd; /* of the errand */
};

struct nursery {
	const struct svc_nursery_work *work;
	struct child child[CHILDREN_MAX];
	size_t len;
};

/* --- in a child ----------------------------------------------------------- */

/* Or less, where less is all that we were given ourselves. */
static void
limit(int what, uint64_t soft, uint64_t hard)
{
	struct rlimit l;

	if (getrlimit(what, &l) < 0)
		_exit(1);
	l.rlim_max = l.rlim_max < hard ? l.rlim_max : (rlim_t)hard;
	l.rlim_cur = l.rlim_max < soft ? l.rlim_max : (rlim_t)soft;
	if (setrlimit(what, &l) < 0)
		_exit(1);
}

/* A sanitizer maps terabytes and writes its reports. */
static void
set_limits(const struct nursery_order *order)
{
#ifndef WITH_SANITIZERS
	limit(RLIMIT_AS, order->memory, order->memory);
#endif
	limit(RLIMIT_CPU, order->cpu_s, order->cpu_s + 1);
	limit(RLIMIT_CORE, 0, 0);
	limit(RLIMIT_FSIZE, order->out + 1, order->out + 1);
}

static void
place(int fd, int *input)
{
	if (fd == INPUT_FD || *input == JOB_FD) {
		int other = fcntl(*input, F_DUPFD, INPUT_FD + 1);

		if (other < 0)
			_exit(1);
		*input = other;
	}
	if (dup2(fd, JOB_FD) < 0 || dup2(*input, INPUT_FD) < 0 ||
	    close_range(INPUT_FD + 1, ~0u, 0) < 0)
		_exit(1);
}

static void
answer(const struct buf *out)
{
	struct nursery_word word = { .kind = NURSERY_ANSWER, .len = out->len };
	int file = memfd_create("answer", MFD_CLOEXEC);

	if (file < 0 || fd_write_all(file, out->data, out->len) < 0 ||
	    packet_write(JOB_FD, &word, sizeof(word), &file, 1) < 0)
		_exit(1);
}

static _Noreturn void
be_child(const struct nursery *n, const char *packet, size_t len, int *fds,
    pid_t parent)
{
	struct nursery_order order;
	struct buf out;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    getppid() != parent)
		_exit(1);
	memcpy(&order, packet, sizeof(order));
	place(fds[0], &fds[1]);
	set_limits(&order);
	buf_init(&out, (size_t)order.out);
	n->work->run(
	    (struct span){ packet + sizeof(order), len - sizeof(order) },
	    INPUT_FD, &out);
	answer(&out);
	_exit(0);
}

/* --- in the nursery ------------------------------------------------------- */

static void
say_exit(int fd, int status)
{
	const struct nursery_word word = { .kind = NURSERY_EXIT,
		.status = status };

	(void)packet_write(fd, &word, sizeof(word), NULL, 0);
}

/* Its errand's socket is fds[0] from here, or closed. */
static void
give_birth(struct nursery *n, const char *packet, size_t len, int *fds)
{
	struct child *c = &n->child[n->len];
	pid_t parent = getpid();

	c->pid = n->len < CHILDREN_MAX ? fork() : -1;
	if (c->pid == 0)
		be_child(n, packet, len, fds, parent);
	if (c->pid < 0) {
		say_exit(fds[0], NURSERY_NO_CHILD);
		fd_close(&fds[0]);
		return;
	}
	c->fd = fds[0];
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0)
		_exit(1); /* and PDEATHSIG takes the child along */
	n->len++;
}

static void
take_order(struct nursery *n)
{
	char packet[sizeof(struct nursery_order) + SVC_ORDER_MAX];
	int fds[PACKET_FDS];
	unsigned nfds;
	ssize_t got = packet_read(
	    NURSERY_FD, packet, sizeof(packet), fds, &nfds);

	if (got == 0 || got == -ECONNRESET)
		_exit(0); /* nobody is there any more */
	if (got < 0)
		return;
	if (nfds == 2 && (size_t)got >= sizeof(struct nursery_order)) {
		give_birth(n, packet, (size_t)got, fds);
		fd_close(&fds[1]);
		return;
	}
	while (nfds > 0)
		fd_close(&fds[--nfds]);
}

/* Its place is taken by the last one. */
static void
bury(struct nursery *n, size_t i)
{
	struct child *c = &n->child[i];
	int status = 0;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		;
	say_exit(c->fd, status);
	fd_close(&c->fd);
	fd_close(&c->pidfd);
	*c = n->child[--n->len];
}

static void
turn(struct nursery *n)
{
	struct pollfd wait[1 + 2 * CHILDREN_MAX] = { { .fd = NURSERY_FD,
	    .events = POLLIN } };
	size_t len = n->len;

	for (size_t i = 0; i < len; i++) {
		wait[1 + 2 * i] = (struct pollfd){ .fd = n->child[i].pidfd,
			.events = POLLIN };
		/* Only for POLLHUP: nobody waits for it any more. */
		wait[2 + 2 * i] = (struct pollfd){ .fd = n->child[i].fd };
	}
	if (poll(wait, (nfds_t)(1 + 2 * len), -1) < 0)
		return;
	/* From the end: who takes a buried one's place was looked at. */
	for (size_t i = len; i-- > 0;) {
		if (wait[2 + 2 * i].revents != 0)
			(void)kill(n->child[i].pid, SIGKILL);
		if (wait[1 + 2 * i].revents != 0 ||
		    wait[2 + 2 * i].revents != 0)
			bury(n, i);
	}
	if (wait[0].revents != 0)
		take_order(n);
}

int
svc_nursery_main(const struct svc_nursery_work *work)
{
	static struct nursery n;

	n.work = work;
	(void)prctl(PR_SET_NAME, "nursery");
	(void)signal(SIGPIPE, SIG_IGN);
	if (work->warm != NULL)
		work->warm();
	for (;;)
		turn(&n);
}
