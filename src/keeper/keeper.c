/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#define LOG_SUBSYSTEM "keeper"

#include "keeper/keeper.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/pin.h"
#include "base/rand.h"
#include "base/title.h"
#include "keeper/manifest.h"
#include "keeper/state.h"
#include "proc/activation.h"
#include "proc/notify.h"

#define LAST_ORPHANS_MS 2000

/* --- the end of the herd -------------------------------------------------- */

/* Workers first, then the deepest instances, Redis last. */
static unsigned
turn_of(const struct child *c)
{
	if (c->rank == SPAWN_WORKER || c->rank == SPAWN_REDIS)
		return c->rank;
	return (unsigned)SPAWN_REDIS - c->rank;
}

static unsigned
current_turn(const struct keeper *k)
{
	unsigned turn = UINT_MAX;

	LIST_EACH (c, &k->children, struct child, link)
		if (c->alive && turn_of(c) < turn)
			turn = turn_of(c);
	return turn;
}

static void
stop_child(struct child *c, uint64_t now)
{
	if (!c->told) {
		c->told = true;
		c->deadline = now + c->stop_timeout_ms;
		child_signal(c, c->stop_signal, false);
	}
	if (now >= c->deadline && !c->killed) {
		c->killed = true;
		log_warn(c->slot->name, "killed: ignores its stop signal");
		child_signal(c, SIGKILL, true);
	}
}

void
keeper_stop_step(struct keeper *k)
{
	uint64_t now = loop_now(k->loop), next = UINT64_MAX;
	unsigned turn = current_turn(k);

	if (k->nalive == 0) {
		loop_stop(k->loop);
		return;
	}
	LIST_EACH (c, &k->children, struct child, link) {
		if (!c->alive || turn_of(c) != turn)
			continue;
		stop_child(c, now);
		if (!c->killed && c->deadline < next)
			next = c->deadline;
	}
	if (next != UINT64_MAX)
		loop_timer_arm(&k->stop_timer, next - now);
}

static void
on_stop_timer(void *arg)
{
	keeper_stop_step(arg);
}

void
keeper_stop(struct keeper *k)
{
	if (k->stopping)
		return;
	k->stopping = true;
	log_info("herd", "stopping children=%u", k->nalive);
	notify_send("STOPPING=1");
	keeper_stop_step(k);
}

static void
kill_one(void *arg, pid_t pid)
{
	(void)arg;
	kill(pid, SIGKILL);
}

/* Nobody lives that they could belong to. */
static void
end_orphans(void)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	siginfo_t who;

	for (int waited = 0; waited < LAST_ORPHANS_MS; waited += 5) {
		process_children(65536, kill_one, NULL);
		do {
			who.si_pid = 0;
			if (waitid(P_ALL, 0, &who, WEXITED | WNOHANG) < 0)
				return;
		} while (who.si_pid != 0);
		nanosleep(&pause, NULL);
	}
	log_warn("herd", "processes are left that do not die");
}

/* --- signals -------------------------------------------------------------- */

static void
on_sigchld(void *arg)
{
	children_reap(arg);
}

static void
on_sigterm(void *arg)
{
	keeper_stop(arg);
}

static int
watch_signals(struct keeper *k)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (loop_signal_init(&k->signals[0], k->loop, SIGCHLD, on_sigchld, k) <
		0 ||
	    loop_signal_init(&k->signals[1], k->loop, SIGTERM, on_sigterm, k) <
		0)
		return -ENOMEM;
	return loop_signal_init(&k->signals[2], k->loop, SIGINT, on_sigterm, k);
}

/* --- life ----------------------------------------------------------------- */

static void
on_followed(void *arg, const char *slot, struct span lines)
{
	struct keeper *k = arg;
	const struct keeper_msg m = {
		.type = KEEPER_MSG_LINES, .text = slot, .bytes = lines
	};

	if (client_keeps_up(k))
		client_tell(k, &m, -1);
}

int
keeper_path(const struct keeper *k, char out[PATH_MAX], const char *name,
    struct err *err)
{
	if (snprintf(out, PATH_MAX, "%s/%s", k->runtime, name) >= PATH_MAX)
		return err_errno(err, -ENAMETOOLONG, "%s", k->runtime);
	return 0;
}

/* What the host lets us enforce: told to control, which decides. */
static void
look_around(struct keeper *k, const char *cgroup)
{
	struct err why = { "" };

	if (sandbox_possible())
		k->host |= KEEPER_HOST_NAMESPACES;
	cgroup_init(&k->cgroup, cgroup, &why);
	if (k->cgroup.fd < 0)
		log_info("host", "no cgroup limits: %s", why.text);
	k->host |= (k->cgroup.memory ? KEEPER_HOST_MEMORY : 0u) |
	    (k->cgroup.cpu ? KEEPER_HOST_CPU : 0u) |
	    (k->cgroup.pids ? KEEPER_HOST_PIDS : 0u);
}

static void
on_activated(void *arg, int fd)
{
	struct keeper *k = arg;
	char name[sizeof(KEEPER_ACTIVATED) + 12];
	int r;

	snprintf(name, sizeof(name), KEEPER_ACTIVATED "%u", k->nfds);
	r = fds_put(k, name, &fd);
	if (r < 0) {
		log_warn(name, "not kept: %s", strerror(-r));
		fd_close(&fd);
	}
}

static int
open_loop(struct keeper *k, struct err *err)
{
	k->loop = loop_new(err);
	if (k->loop == NULL)
		return -ENOMEM;
	output_init(&k->output, k->loop, on_followed, k);
	loop_timer_init(&k->stop_timer, k->loop, on_stop_timer, k);
	loop_timer_init(&k->sweep_timer, k->loop, children_sweep, k);
	upgrade_init(k);
	return 0;
}

static int
keeper_open(struct keeper *k, const struct keeper_args *args, struct err *err)
{
	char path[PATH_MAX];
	unsigned killed;
	int r;

	r = keeper_path(k, path, "herd", err);
	if (r == 0)
		r = record_open(&k->record, path, k->incarnation, &killed, err);
	if (r < 0)
		return r;
	if (killed > 0)
		log_warn("herd", "killed what a dead keeper left processes=%u",
		    killed);
	r = open_loop(k, err);
	if (r < 0)
		return r;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_errno(err, -errno, "subreaper");
	if (activation_take(on_activated, k) < 0)
		return err_set(err, -EINVAL, "LISTEN_FDS or LISTEN_PID");
	look_around(k, args->cgroup);
	if (watch_signals(k) < 0)
		return err_errno(err, -ENOMEM, "signals");
	r = keeper_path(k, path, "keeper.sock", err);
	return r < 0 ? r : clients_listen(k, path, err);
}

/* The same, for the program that a keeper became. */
static int
keeper_resume(struct keeper *k, const struct keeper_args *args, struct err *err)
{
	int r = open_loop(k, err);

	if (r == 0)
		r = manifest_restore(k, args->manifest, err);
	if (r < 0)
		return r;
	close(args->manifest);
	if (watch_signals(k) < 0 || clients_accept(k) < 0)
		return err_errno(err, -ENOMEM, "loop");
	upgrade_told(k);
	children_reap(k); /* whose death nobody heard */
	return 0;
}

static void
keeper_close(struct keeper *k)
{
	char path[PATH_MAX];

	if (k->record == NULL)
		return; /* another keeper's folder: touch nothing */
	if (keeper_path(k, path, "keeper.sock", NULL) == 0)
		unlink(path);
	if (k->loop != NULL) {
		clients_close(k);
		upgrade_done(k);
		LIST_EACH_SAFE (c, &k->children, struct child, link)
			child_free(c);
		fds_free(k);
		output_done(&k->output);
		loop_timer_done(&k->stop_timer);
		loop_timer_done(&k->sweep_timer);
		loop_defer_cancel(&k->sweep);
		for (size_t i = 0; i < ARRAY_LEN(k->signals); i++)
			loop_signal_done(&k->signals[i]);
		loop_free(k->loop);
	}
	cgroup_done(&k->cgroup);
	record_close(k->record);
}

static void
say_ready(int fd, const char *text)
{
	if (fd < 0)
		return;
	fd_write_all(fd, text, strlen(text));
	close(fd);
}

int
keeper_verify(int fd)
{
	struct err err;
	uint64_t sum;

	if (manifest_check(fd, &sum, &err) < 0) {
		log_error("upgrade", "the manifest: %s", err.text);
		return 1;
	}
	return printf("%016" PRIx64 "\n", sum) < 0 || fflush(stdout) != 0;
}

int
keeper_main(const struct keeper_args *args)
{
	static struct keeper k;
	struct err err = { "" };
	int r;

	k = (struct keeper){ .listener = -1,
		.cgroup.fd = -1,
		.control_uid = args->control_uid,
		.runtime = args->runtime };
	list_init(&k.children);
	list_init(&k.fds);
	list_init(&k.clients);
	buf_init(&k.out, KEEPER_MSG_MAX);
	rand_hex(k.incarnation, 16); /* unless it has one */
	title_set("drover: keeper");
	pin_memory();
	r = args->manifest > 0 ? keeper_resume(&k, args, &err)
			       : keeper_open(&k, args, &err);
	if (r < 0) {
		log_error("herd", "cannot keep: %s", err.text);
		say_ready(args->ready_fd, err.text);
		keeper_close(&k);
		return 1;
	}
	if (args->manifest == 0) {
		log_info("herd", "keeping incarnation=%s", k.incarnation);
		say_ready(args->ready_fd, "\n");
		notify_send("READY=1");
	}
	r = loop_run(k.loop);
	end_orphans();
	keeper_close(&k);
	log_info("herd", "ended");
	return r < 0 ? 1 : 0;
}
