/* SPDX-License-Identifier: ISC */

/*
 * herd - the keeper, as the control process sees it
 *
 * The keeper owns processes, their output, and descriptors that must outlive
 * control; this is the client of its socket. After herd_connect() the ops
 * bring the manifest (child() for each child, fd() for each descriptor, then
 * ready()), and from then on whatever happens. Orders are messages: they are
 * sent in order, never block, and are refused with -ENOBUFS when the keeper
 * does not read for so long that 8 MiB are queued.
 *
 * One loop, one thread. No op is called from inside an order.
 */

#ifndef CONTROL_HERD_H
#define CONTROL_HERD_H

#include "base/err.h"
#include "base/str.h"
#include "link/spawn.h"
#include "loop/loop.h"

struct herd;

struct herd_child {
	uint64_t id;
	pid_t pid;
	const char *slot;
	uint64_t started_wall_ms;
	const void *note;
	size_t note_len;
	bool exited; /* while nobody was there to hear it: exit and tail say */
	struct spawn_exit exit;
	struct span tail; /* its last lines, at most 1 KiB */
	unsigned missing; /* enum spawn_missing */
};

struct herd_host { /* what the keeper can enforce here */
	bool cgroup_memory;
	bool cgroup_cpu;
	bool cgroup_pids;
	bool namespaces; /* private_tmp, read_only, no_network */
	bool filters;	 /* the keeper knows of filters of system calls */
};

struct herd_line { /* one line of output */
	const char *slot;
	uint64_t at_wall_ms;
	bool stderr_;
	struct span text; /* without the newline; at most 4 KiB, cut */
};

struct herd_ops {
	void (*child)(void *owner, const struct herd_child *child);
	void (*fd)(void *owner, const char *name, int fd); /* now owner's */
	void (*ready)(void *owner); /* the manifest is complete */

	/* missing: enum spawn_missing, where the spec said optional. */
	void (*spawned)(void *owner, uint64_t id, pid_t pid, unsigned missing);
	/* It never ran: a negative errno; stage is "fork", "user", "exec", ...
	 */
	void (*spawn_failed)(
	    void *owner, uint64_t id, int error, const char *stage);
	void (*exited)(void *owner, uint64_t id, const struct spawn_exit *exit,
	    struct span tail);
	void (*line)(void *owner, const struct herd_line *line); /* followed */

	/* The answer to herd_upgrade(): NULL, or why not. */
	void (*upgraded)(void *owner, const char *why);

	/* The keeper is gone, or spoke nonsense. The herd is dead with it. */
	void (*lost)(void *owner, const struct err *why);
};

/*
 * Connect to the keeper's socket. -ENOENT or -ECONNREFUSED: there is none.
 * -EPROTO with the reason: one whose version we cannot speak to. -EACCES: one
 * that does not serve our user.
 */
int herd_connect(struct herd **herd, struct loop *loop, const char *path,
    const struct herd_ops *ops, void *owner, struct err *err) MUST_CHECK;
void herd_free(struct herd *herd); /* hangs up; the keeper goes on */

/* Known from ready() on. */
pid_t herd_keeper_pid(const struct herd *herd);
const char *herd_incarnation(const struct herd *herd); /* 32 hex digits */
uint64_t herd_last_id(const struct herd *herd);
const struct herd_host *herd_host(const struct herd *herd);

/* Orders. 0, -ENOBUFS, -EMSGSIZE or -ENOMEM. fds are duplicated: yours stay. */
int herd_spawn(struct herd *herd, const struct spawn_spec *spec,
    const int *fds) MUST_CHECK;
int herd_note(struct herd *herd, uint64_t id, const void *note, size_t n);
int herd_signal(struct herd *herd, uint64_t id, int signo, bool group);
int herd_forget(struct herd *herd, uint64_t id); /* an exited one */
int herd_put_fd(struct herd *herd, const char *name, int fd) MUST_CHECK;
int herd_drop_fd(struct herd *herd, const char *name);

/* The end of the herd: the keeper drains by rank and exits. */
int herd_shutdown(struct herd *herd);

/*
 * The keeper becomes that program, in place; or, if not really, says whether
 * it could. upgraded() is called in any case. -EPROTONOSUPPORT: it is of a
 * version that cannot.
 */
int herd_upgrade(
    struct herd *herd, const char *program, bool really) MUST_CHECK;

/* Where lines go: log files below folder (or the journal), rotated at size. */
int herd_set_logs(struct herd *herd, const char *folder, uint64_t size,
    unsigned files, bool journal);

/*
 * The ring of a slot, oldest first, at most `lines` of them, in one call of
 * done, in a later turn.
 */
int herd_tail(struct herd *herd, const char *slot, unsigned lines,
    void (*done)(void *arg, const struct herd_line *lines, size_t n),
    void *arg) MUST_CHECK;
void herd_tail_cancel(struct herd *herd, void *arg);

/* Whether line() is called for a slot's new lines. Counted: on, on, off. */
int herd_follow(struct herd *herd, const char *slot, bool on);

#endif /* CONTROL_HERD_H */
