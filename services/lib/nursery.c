/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "lib/nursery.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "lib/nursery_wire.h"
#include "proc/packet.h"
#include "proc/process.h"

#define SELF "/proc/self/exe" /* also where a private /tmp hides its path */

struct svc_nursery {
	struct svc_nursery_options options;
	pthread_mutex_t lock; /* of what follows */
	struct process process;
	int fd;	       /* -1: it is dead */
	uint64_t born; /* counts the processes */
};

/* --- the process ---------------------------------------------------------- */

static int
wait_until_it_runs(struct process *p, struct err *err)
{
	struct pollfd ready = { .fd = p->report, .events = POLLIN };
	char stage[PROCESS_STAGE];
	int r;

	do {
		(void)poll(&ready, 1, -1);
		r = process_report(p, stage);
	} while (r == 0);
	return r > 0 ? 0 : err_errno(err, r, "cannot start it, at %s", stage);
}

static int
start_with(struct svc_nursery *n, int theirs, struct err *err)
{
	const char *argv[] = { SELF, n->options.argument, NULL };
	const struct process_plan plan = {
		.argv = argv,
		.env = n->options.env,
		.fds = &theirs,
		.nfds = 1,
		.in = -1,
		.out = -1,
		.err = STDERR_FILENO,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.umask = 077,
		.sandbox = { .private_tmp = true,
		    .read_only = true,
		    .no_network = true,
		    .no_new_privs = true,
		    .drop_capabilities = true,
		    .optional = true },
	};
	int r = process_fork(&n->process, &plan, err);

	if (r < 0)
		return r;
	r = process_go(&n->process);
	return r < 0 ? r : wait_until_it_runs(&n->process, err);
}

static int
start(struct svc_nursery *n, struct err *err)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_errno(err, -errno, "socketpair");
	r = start_with(n, pair[1], err);
	fd_close(&pair[1]);
	n->fd = pair[0];
	n->born++;
	return r;
}

/* It ends when its socket does; nobody may mistake its pid after this. */
static void
end(struct svc_nursery *n)
{
	siginfo_t how;

	fd_close(&n->fd);
	if (n->process.pidfd >= 0) {
		(void)process_signal(&n->process, SIGKILL);
		while (waitid(P_PIDFD, (id_t)n->process.pidfd, &how, WEXITED) <
			0 &&
		    errno == EINTR)
			;
	}
	process_done(&n->process);
}

struct svc_nursery *
svc_nursery_new(const struct svc_nursery_options *options, struct err *err)
{
	struct svc_nursery *n = calloc(1, sizeof(*n));

	if (n == NULL) {
		err_set(err, -ENOMEM, "out of memory");
		return NULL;
	}
	n->options = *options;
	n->process = (struct process){ .pidfd = -1, .go = -1, .report = -1 };
	n->fd = -1;
	pthread_mutex_init(&n->lock, NULL);
	if (start(n, err) == 0)
		return n;
	svc_nursery_free(n);
	return NULL;
}

void
svc_nursery_free(struct svc_nursery *n)
{
	if (n == NULL)
		return;
	end(n);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

/* --- one errand ----------------------------------------------------------- */

static int
send_order(struct svc_nursery *n, const struct svc_errand *e, int theirs)
{
	char packet[sizeof(struct nursery_order) + SVC_ORDER_MAX];
	const struct nursery_order order = { n->options.memory,
		n->options.cpu_s, n->options.out };
	const int fds[] = { theirs, e->fd };
	struct pollfd room = { .fd = n->fd, .events = POLLOUT };
	int r;

	if (e->order.n > SVC_ORDER_MAX)
		return -EMSGSIZE;
	memcpy(packet, &order, sizeof(order));
	memcpy(packet + sizeof(order), e->order.p, e->order.n);
	while ((r = packet_write(n->fd, packet, sizeof(order) + e->order.n, fds,
		    2)) == -EAGAIN)
		(void)poll(&room, 1, -1);
	return r;
}

/* To the nursery that is there, or a new one; *born says which. */
static int
hand_over(struct svc_nursery *n, const struct svc_errand *e, int theirs,
    uint64_t *born)
{
	int r = -EPIPE;

	pthread_mutex_lock(&n->lock);
	if (n->fd >= 0 && *born != n->born)
		r = send_order(n, e, theirs);
	if (r == -EPIPE || r == -ECONNRESET) {
		end(n);
		r = start(n, NULL);
		if (r == 0)
			r = send_order(n, e, theirs);
	}
	*born = n->born;
	pthread_mutex_unlock(&n->lock);
	return r;
}

static int
read_answer(
    const struct svc_nursery *n, struct svc_errand *e, int file, uint64_t len)
{
	size_t have = 0;

	if (len > n->options.out)
		return -EFBIG;
	e->data = malloc((size_t)len + 1);
	if (e->data == NULL)
		return -ENOMEM;
	while (have < len) {
		ssize_t got = pread(
		    file, e->data + have, (size_t)len - have, (off_t)have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -ECHILD; /* it has less than it said */
		have += (size_t)got;
	}
	e->data[have] = '\0';
	e->len = have;
	return 0;
}

static int
died(struct svc_errand *e, int status)
{
	if (status == NURSERY_NO_CHILD)
		return -EAGAIN;
	e->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return e->signal == SIGXCPU ? -ETIME : -ECHILD;
}

/* 1: the nursery is gone, and the child with it. */
static int
hear(const struct svc_nursery *n, struct svc_errand *e, int ours)
{
	struct nursery_word word;
	int fds[PACKET_FDS];
	unsigned nfds;
	ssize_t got = packet_read(ours, &word, sizeof(word), fds, &nfds);
	int r = -ECHILD;

	if (got == 0 || got == -ECONNRESET)
		r = 1;
	else if (got != (ssize_t)sizeof(word))
		r = -ECHILD;
	else if (word.kind == NURSERY_ANSWER && nfds == 1)
		r = read_answer(n, e, fds[0], word.len);
	else if (word.kind == NURSERY_EXIT)
		r = died(e, word.status);
	while (got > 0 && nfds > 0)
		fd_close(&fds[--nfds]);
	return r;
}

static int
await(const struct svc_nursery *n, struct svc_errand *e, int ours)
{
	struct pollfd wait[] = { { .fd = ours, .events = POLLIN },
		{ .fd = e->stop_fd, .events = POLLIN } };

	while (poll(wait, 2, -1) < 0)
		if (errno != EINTR)
			return -errno;
	if (wait[1].revents != 0)
		return -ECANCELED;
	return hear(n, e, ours);
}

static int
try(struct svc_nursery *n, struct svc_errand *e, uint64_t *born)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = hand_over(n, e, pair[1], born);
	fd_close(&pair[1]);
	if (r == 0)
		r = await(n, e, pair[0]);
	fd_close(&pair[0]);
	return r;
}

int
svc_nursery_run(struct svc_nursery *n, struct svc_errand *e)
{
	uint64_t born = 0;
	int r;

	e->data = NULL;
	e->len = 0;
	e->signal = 0;
	r = try(n, e, &born);
	if (r == 1)
		r = try(n, e, &born); /* in another nursery */
	if (r >= 0 && e->data != NULL)
		return 0;
	free(e->data);
	e->data = NULL;
	return r < 0 ? r : -ECHILD;
}
