/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#define LOG_SUBSYSTEM "keeper"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "keeper/state.h"
#include "proc/folder.h"

#define REAPED_A_TURN 64
#define SWEEP_AGAIN_MS 10
#define LEAF_MAX 24

_Static_assert((int)SANDBOX_NO_PRIVATE_TMP == (int)SPAWN_NO_PRIVATE_TMP &&
	(int)SANDBOX_NO_READ_ONLY == (int)SPAWN_NO_READ_ONLY &&
	(int)SANDBOX_NO_NETWORK == (int)SPAWN_NO_NETWORK &&
	(int)SANDBOX_NO_CAPABILITIES == (int)SPAWN_NO_CAPABILITIES &&
	(int)SANDBOX_NO_FILTER == (int)SPAWN_NO_SECCOMP,
    "link does not know proc");

struct child *
child_find(struct keeper *k, uint64_t id)
{
	LIST_EACH (c, &k->children, struct child, link)
		if (c->id == id)
			return c;
	return NULL;
}

static struct child *
find_alive(struct keeper *k, pid_t pid)
{
	LIST_EACH (c, &k->children, struct child, link)
		if (c->alive && c->process.pid == pid)
			return c;
	return NULL;
}

void
child_free(struct child *c)
{
	if (c == NULL)
		return;
	loop_io_done(&c->report);
	stream_done(&c->streams[0]);
	stream_done(&c->streams[1]);
	process_done(&c->process);
	slot_unref(c->slot);
	logfile_unref(c->log);
	if (link_on_list(&c->link)) {
		list_remove(&c->link);
		c->keeper->nchildren--;
	}
	free(c->note);
	free(c->tail);
	free(c);
}

int
child_note(struct child *c, struct span note)
{
	char *copy = malloc(note.n + 1);

	if (copy == NULL)
		return -ENOMEM;
	if (note.n > 0)
		memcpy(copy, note.p, note.n);
	free(c->note);
	c->note = copy;
	c->note_len = note.n;
	return 0;
}

void
child_signal(struct child *c, int signo, bool group)
{
	if (!c->alive)
		return;
	if (group)
		process_signal_group(&c->process, signo);
	else
		process_signal(&c->process, signo);
}

/* --- birth ---------------------------------------------------------------- */

static void
tell_failure(struct keeper *k, uint64_t id, int error, const char *stage)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_SPAWN_FAILED,
		.id = id,
		.number = (uint32_t)-error,
		.text = stage };

	client_tell(k, &m, -1);
}

/* The child runs, or has said why it cannot. */
static void
read_report(struct child *c)
{
	struct keeper_msg m = {
		.type = KEEPER_MSG_SPAWNED, .id = c->id, .pid = c->process.pid
	};
	int r;

	if (c->process.report < 0)
		return;
	/*
	 * Unwatched before it is closed: a sibling between fork and exec has it
	 * open too, and epoll would go on telling of it.
	 */
	loop_io_want(&c->report, 0);
	r = process_report(&c->process, c->stage);
	if (r == 0) {
		if (loop_io_want(&c->report, LOOP_READ) < 0)
			log_warn("loop", "no memory to watch a start");
		return;
	}
	loop_io_done(&c->report);
	c->runs = r > 0;
	c->missing |= c->process.missing;
	m.number = c->missing;
	if (c->runs)
		client_tell(c->keeper, &m, -1);
	else
		c->error = r; /* told once it is reaped: nothing is left then */
}

static void
on_report(void *arg, unsigned what)
{
	(void)what;
	read_report(arg);
}

void
child_watch(struct child *c)
{
	loop_io_init(
	    &c->report, c->keeper->loop, c->process.report, on_report, c);
	if (loop_io_want(&c->report, LOOP_READ) < 0)
		log_warn("loop", "no memory to watch a start");
}

static bool
name_is_plain(const char *s)
{
	if (*s == '\0' || *s == '.')
		return false;
	for (; *s != '\0'; s++)
		if ((*s < 'a' || *s > 'z') && (*s < 'A' || *s > 'Z') &&
		    (*s < '0' || *s > '9') && strchr("._-@:", *s) == NULL)
			return false;
	return true;
}

/* 0, or a negative errno and the stage at which it is refused. */
static int
refuse(struct keeper *k, const struct spawn_spec *spec, unsigned nfds,
    const char **stage)
{
	*stage = "id";
	if (spec->id <= k->last_id)
		return -EEXIST;
	k->last_id = spec->id;
	*stage = "stopping";
	if (k->stopping)
		return -ESHUTDOWN;
	*stage = "children";
	if (k->nchildren >= KEEPER_CHILDREN_MAX)
		return -EAGAIN;
	*stage = "name";
	if (!name_is_plain(spec->slot) || !name_is_plain(spec->log))
		return -EINVAL;
	*stage = "files";
	return spec->nfds == nfds ? 0 : -EBADF;
}

static struct child *
child_new(struct keeper *k, const struct spawn_spec *spec)
{
	struct child *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->keeper = k;
	c->id = spec->id;
	c->missing = spec->missing;
	c->rank = spec->rank;
	c->stop_signal = spec->stop_signal;
	c->stop_timeout_ms = spec->stop_timeout_ms;
	c->started_ms = clock_wall_ms();
	c->process = (struct process){ .pidfd = -1, .go = -1, .report = -1 };
	c->streams[0].fd = c->streams[1].fd = -1;
	c->slot = slot_ref(&k->output, spec->slot);
	c->log = logfile_ref(&k->output.logs, spec->log);
	if (c->slot == NULL || c->log == NULL ||
	    child_note(c, (struct span){ spec->note, spec->note_len }) < 0) {
		child_free(c);
		return NULL;
	}
	return c;
}

/* ends[i] is the child's end of stream i. */
static int
open_streams(struct child *c, int ends[2])
{
	for (int i = 0; i < 2; i++) {
		int pipe_fds[2], r;

		if (pipe2(pipe_fds, O_CLOEXEC) < 0)
			return -errno;
		ends[i] = pipe_fds[1];
		r = stream_init(
		    &c->streams[i], pipe_fds[0], c->slot, c->log, i == 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static void
leaf_of(char *leaf, uint64_t id)
{
	snprintf(leaf, LEAF_MAX, "c%llu", (unsigned long long)id);
}

static int
confine(struct child *c, const struct spawn_spec *spec)
{
	struct cgroup *g = &c->keeper->cgroup;
	const struct cgroup_limits limits = { .memory = spec->memory,
		.cpu_percent = spec->cpu_percent,
		.processes = spec->processes };
	char leaf[LEAF_MAX];
	int r;

	if (g->fd < 0)
		return 0; /* control was told that nothing is enforced */
	leaf_of(leaf, c->id);
	r = cgroup_make(g, leaf, &limits);
	if (r == 0)
		r = cgroup_enter(g, leaf, c->process.pid);
	return spec->optional ? 0 : r;
}

/* root is not bound by its count of processes, and must not bind others. */
static unsigned
processes_limit(const struct keeper *k, const struct spawn_spec *spec)
{
	uid_t uid = spec->uid == (uid_t)-1 ? geteuid() : spec->uid;

	return uid == 0 || k->cgroup.fd >= 0 ? 0 : spec->processes;
}

static int
fork_child(struct child *c, const struct spawn_spec *spec, const int *fds,
    const int ends[2])
{
	char mark[96];
	const struct process_plan plan = {
		.argv = spec->argv,
		.env = spec->env,
		.marker = mark,
		.directory = spec->directory,
		.fds = fds,
		.nfds = spec->nfds,
		.listen_fds = spec->listen_fds,
		.in = -1,
		.out = ends[0],
		.err = ends[1],
		.uid = spec->uid,
		.gid = spec->gid,
		.umask = spec->umask,
		.files = spec->files,
		.processes = processes_limit(c->keeper, spec),
		.sandbox = {
			.private_tmp = spec->private_tmp,
			.read_only = spec->read_only,
			.no_network = spec->no_network,
			.no_new_privs = spec->no_new_privs,
			.drop_capabilities = spec->drop_capabilities,
			.optional = spec->optional,
			.writable = spec->writable,
			.filter = spec->filter,
			.filter_len = spec->filter_len,
		},
	};

	snprintf(mark, sizeof(mark), RECORD_MARK "=%s.%llu",
	    c->keeper->incarnation, (unsigned long long)c->id);
	return process_fork(&c->process, &plan, NULL);
}

/* From here on it is known, whatever happens to us: it may go. */
static int
adopt_child(struct child *c)
{
	struct keeper *k = c->keeper;
	int place = record_put(k->record, c->process.pid, c->process.started);

	if (place < 0)
		return place;
	c->recorded = (size_t)place;
	c->alive = true;
	list_push(&k->children, &c->link);
	k->nchildren++;
	k->nalive++;
	child_watch(c);
	if (process_go(&c->process) < 0)
		log_warn(c->slot->name, "died before its start");
	return 0; /* its exit tells the rest */
}

static int
give_all(const char *const *paths, mode_t mode, uid_t uid, gid_t gid)
{
	struct err err;
	int r = 0;

	for (; r == 0 && paths != NULL && *paths != NULL; paths++)
		r = folder_give(*paths, mode, uid, gid, &err);
	if (r < 0)
		log_warn("folder", "%s", err.text);
	return r;
}

static int
make_folders(const struct spawn_spec *spec)
{
	uid_t uid = spec->uid == (uid_t)-1 ? geteuid() : spec->uid;
	gid_t gid = spec->uid == (uid_t)-1 ? getegid() : spec->gid;
	int r = give_all(spec->owned, 0750, uid, gid);

	return r == 0 ? give_all(spec->shared, 02770, uid, spec->shared_gid)
		      : r;
}

/* Whom only root can make it: where it may, it runs as we do. */
static void
spare_user(struct spawn_spec *spec)
{
	if (!spec->optional || spec->uid == (uid_t)-1 || geteuid() == 0 ||
	    spec->uid == geteuid())
		return;
	spec->uid = (uid_t)-1;
	spec->missing |= SPAWN_NO_USER;
}

static void
start(struct keeper *k, const struct spawn_spec *spec, const int *fds,
    unsigned nfds)
{
	int ends[2] = { -1, -1 }, r;
	const char *stage;
	struct child *c = NULL;

	r = refuse(k, spec, nfds, &stage);
	if (r == 0) {
		stage = "folder";
		r = make_folders(spec);
	}
	if (r == 0) {
		stage = "memory";
		c = child_new(k, spec);
		r = c == NULL ? -ENOMEM : 0;
	}
	if (r == 0) {
		stage = "pipe";
		r = open_streams(c, ends);
	}
	if (r == 0) {
		stage = "fork";
		r = fork_child(c, spec, fds, ends);
	}
	fd_close(&ends[0]);
	fd_close(&ends[1]);
	if (r == 0) {
		stage = "cgroup";
		r = confine(c, spec);
	}
	if (r == 0) {
		stage = "record";
		r = adopt_child(c);
	}
	if (r == 0)
		return;
	log_warn(spec->slot, "cannot start: %s: %s", stage, strerror(-r));
	child_free(c); /* a fork without its go exits by itself */
	tell_failure(k, spec->id, r, stage);
}

void
child_spawn(struct keeper *k, const struct spawn_spec *spec, const int *fds,
    unsigned nfds)
{
	struct spawn_spec given = *spec;

	spare_user(&given);
	start(k, &given, fds, nfds);
}

/* --- death ---------------------------------------------------------------- */

/* Whatever is left of it, and whether the kernel ended it for its memory. */
static bool
kill_rest(struct child *c)
{
	struct cgroup *g = &c->keeper->cgroup;
	char leaf[LEAF_MAX];

	kill(-c->process.pid, SIGKILL);
	if (g->fd < 0)
		return false;
	leaf_of(leaf, c->id);
	cgroup_kill(g, leaf);
	return cgroup_was_oom(g, leaf);
}

static void
keep_exit(struct child *c, const siginfo_t *how, bool oom)
{
	char text[KEEPER_TAIL_MAX];
	size_t n = slot_text(c->slot, c->started_ms, text, sizeof(text));

	c->exit.at_wall_ms = clock_wall_ms();
	if (how->si_code == CLD_EXITED) {
		c->exit.kind = EXIT_EXITED;
		c->exit.code = how->si_status;
	} else {
		c->exit.kind = oom ? EXIT_OOM : EXIT_SIGNALLED;
		c->exit.signal = how->si_status;
	}
	c->tail = n > 0 ? malloc(n) : NULL;
	if (c->tail != NULL) {
		memcpy(c->tail, text, n);
		c->tail_len = n;
	}
}

static void
tell_exit(struct child *c)
{
	const struct keeper_msg m = { .type = KEEPER_MSG_EXITED,
		.id = c->id,
		.exit = c->exit,
		.bytes = { c->tail, c->tail_len } };

	client_tell(c->keeper, &m, -1);
}

/* Its leader is a zombie: the group's number is still its own. */
static void
child_end(struct child *c)
{
	struct keeper *k = c->keeper;
	bool oom = kill_rest(c);
	siginfo_t how;

	read_report(c);
	stream_drain(&c->streams[0]);
	stream_drain(&c->streams[1]);
	if (process_reap(&c->process, &how) < 0)
		how.si_code = CLD_KILLED;
	c->alive = false;
	k->nalive--;
	record_drop(k->record, c->recorded);
	process_done(&c->process);
	if (c->error != 0) {
		tell_failure(k, c->id, c->error, c->stage);
		child_free(c);
	} else {
		keep_exit(c, &how, oom);
		tell_exit(c);
	}
	if (k->stopping)
		keeper_stop_step(k);
}

/* --- orphans -------------------------------------------------------------- */

/* 1, 0, or -EAGAIN while it cannot be told. */
static int
belongs_to_the_living(struct keeper *k, pid_t pid)
{
	char mark[64];
	struct span value;
	const struct child *c;
	uint64_t id;
	int r = process_getenv(pid, RECORD_MARK, mark, sizeof(mark));

	if (r < 0)
		return r == -EAGAIN ? r : find_alive(k, getsid(pid)) != NULL;
	value = span_of(mark);
	if (value.n < 34 || memcmp(mark, k->incarnation, 32) != 0)
		return 0;
	value.p += 33;
	value.n -= 33;
	if (str_u64(value, &id) < 0)
		return 0;
	c = child_find(k, id);
	return c != NULL && c->alive;
}

static void
judge_orphan(void *arg, pid_t pid)
{
	struct keeper *k = arg;
	int r;

	/* It is our child: its pid is not recycled before we reap it. */
	if (find_alive(k, pid) != NULL || upgrade_is_candidate(k, pid) ||
	    process_start_time(pid) == 0)
		return;
	r = belongs_to_the_living(k, pid);
	if (r == -EAGAIN)
		loop_timer_arm(&k->sweep_timer, SWEEP_AGAIN_MS);
	else if (r == 0)
		kill(pid, SIGKILL);
}

static void
judge_leaf(void *arg, const char *leaf)
{
	struct keeper *k = arg;
	const struct child *c;
	uint64_t id;

	if (leaf[0] != 'c' || str_u64(span_of(leaf + 1), &id) < 0)
		return;
	c = child_find(k, id);
	if (c != NULL && c->alive)
		return;
	cgroup_kill(&k->cgroup, leaf);
	cgroup_remove(&k->cgroup, leaf);
}

/* Where there are groups they say exactly who belongs to whom. */
void
children_sweep(void *arg)
{
	struct keeper *k = arg;

	if (k->cgroup.fd >= 0)
		cgroup_each(&k->cgroup, judge_leaf, k);
	else
		process_children(65536, judge_orphan, k);
}

void
children_reap(struct keeper *k)
{
	siginfo_t who;
	int i;

	for (i = 0; i < REAPED_A_TURN; i++) {
		struct child *c;

		who.si_pid = 0;
		if (waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    who.si_pid == 0)
			break;
		c = find_alive(k, who.si_pid);
		if (c != NULL)
			child_end(c);
		else
			waitid(P_PID, (id_t)who.si_pid, &who, WEXITED);
	}
	if (i > 0)
		loop_defer(k->loop, &k->sweep, children_sweep, k);
	if (i == REAPED_A_TURN)
		raise(SIGCHLD); /* the rest in the next turn */
}
