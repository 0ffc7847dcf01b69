/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#define LOG_SUBSYSTEM "keeper"

#include "keeper/upgrade.h"

#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "keeper/manifest.h"
#include "keeper/state.h"

#define SUM_TEXT 16  /* hex digits */
#define BEHIND_MS 10 /* until control is looked at again */
#define TURNS 3	     /* one catches, one delivers */
#define STOPPING "the herd is being ended"

static void on_said(void *arg, unsigned what);
static void on_late(void *arg);

void
upgrade_init(struct keeper *k)
{
	struct upgrade *u = &k->upgrade;

	u->out = -1;
	u->candidate = (struct process){ .pidfd = -1, .go = -1, .report = -1 };
	loop_io_init(&u->io, k->loop, -1, on_said, k);
	loop_timer_init(&u->timer, k->loop, on_late, k);
}

/* What is left of a trial; the candidate's zombie is reaped like any. */
static void
end_trial(struct keeper *k)
{
	struct upgrade *u = &k->upgrade;

	/* Reaped or not: a pidfd is never somebody else's. */
	if (u->candidate.pidfd >= 0)
		process_signal(&u->candidate, SIGKILL);
	process_done(&u->candidate);
	loop_io_done(&u->io);
	loop_timer_disarm(&u->timer);
	fd_close(&u->out);
}

void
upgrade_done(struct keeper *k)
{
	end_trial(k);
	loop_timer_done(&k->upgrade.timer);
	free(k->upgrade.program);
	k->upgrade.program = NULL;
}

bool
upgrade_is_candidate(const struct keeper *k, pid_t pid)
{
	return k->upgrade.candidate.pidfd >= 0 &&
	    k->upgrade.candidate.pid == pid;
}

static void
answer(struct keeper *k, const char *why)
{
	const struct keeper_msg m = {
		.type = KEEPER_MSG_UPGRADED, .id = k->upgrade.id, .text = why
	};

	end_trial(k);
	if (why != NULL)
		log_warn("upgrade", "%s: %s",
		    k->upgrade.program != NULL ? k->upgrade.program : "-", why);
	client_tell(k, &m, -1);
	free(k->upgrade.program);
	k->upgrade.program = NULL;
	k->upgrade.id = 0;
}

/* --- the exec ------------------------------------------------------------- */

static int
write_manifest(struct keeper *k, struct err *err)
{
	int fd = memfd_create("manifest", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return err_errno(err, -errno, "memfd");
	r = manifest_write(k, fd);
	if (r < 0) {
		fd_close(&fd);
		return err_errno(err, r, "cannot write the manifest");
	}
	return fd;
}

static void
open_at_exec(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, 0);
}

static void
closed_at_exec(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void
block_signals(int how)
{
	static const int all[] = { SIGCHLD, SIGTERM, SIGINT };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		sigaddset(&set, all[i]);
	sigprocmask(how, &set, NULL);
}

static void
stay(struct keeper *k, const char *why)
{
	if (k->upgrade.turns > 0)
		block_signals(SIG_UNBLOCK);
	k->upgrade.turns = 0;
	if (why != NULL)
		answer(k, why);
}

static void
become_now(struct keeper *k)
{
	struct upgrade *u = &k->upgrade;
	struct err err;
	char number[16];
	int fd = write_manifest(k, &err), error;

	if (fd < 0) {
		stay(k, err.text);
		return;
	}
	snprintf(number, sizeof(number), "%d", fd);
	log_info("upgrade", "becoming %s", u->program);
	open_at_exec(fd);
	manifest_each_fd(k, open_at_exec);
	execl(u->program, "drover", "keeper", "--runtime", k->runtime,
	    "--resume", number, (char *)NULL);
	error = errno;
	manifest_each_fd(k, closed_at_exec);
	fd_close(&fd);
	stay(k, strerror(error));
}

/*
 * A signal that was caught stands in the loop, where an exec would lose it:
 * block, give the loop the turns that it needs to deliver, and then go.
 */
static void
become(struct keeper *k)
{
	struct upgrade *u = &k->upgrade;

	end_trial(k);
	if (k->stopping) {
		stay(k, STOPPING);
	} else if (client_is_behind(k)) {
		/* What waits for it in memory would be lost. */
		stay(k, NULL);
		loop_timer_arm(&u->timer, BEHIND_MS);
	} else if (u->turns < TURNS) {
		if (u->turns++ == 0)
			block_signals(SIG_BLOCK);
		loop_timer_arm(&u->timer, 0);
	} else {
		become_now(k);
	}
}

void
upgrade_told(struct keeper *k)
{
	struct upgrade *u = &k->upgrade;

	block_signals(SIG_UNBLOCK);
	log_info("upgrade", "version %s, was %s children=%u", PACKAGE_VERSION,
	    u->from, k->nalive);
	answer(k, NULL);
}

/* --- the trial ------------------------------------------------------------ */

static void
judge(struct keeper *k)
{
	struct upgrade *u = &k->upgrade;
	char want[SUM_TEXT + 2], stage[PROCESS_STAGE];
	int r = 1;

	snprintf(want, sizeof(want), "%016" PRIx64 "\n", u->sum);
	if (u->nsaid == strlen(want) && memcmp(u->said, want, u->nsaid) == 0) {
		u->passed = true;
		if (u->really)
			become(k);
		else
			answer(k, NULL);
		return;
	}
	if (u->nsaid == 0 && u->candidate.report >= 0)
		r = process_report(&u->candidate, stage);
	answer(
	    k, r < 0 ? strerror(-r) : "it cannot read what this keeper knows");
}

static void
on_said(void *arg, unsigned what)
{
	struct keeper *k = arg;
	struct upgrade *u = &k->upgrade;
	ssize_t n = read(
	    u->out, u->said + u->nsaid, sizeof(u->said) - u->nsaid);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		u->nsaid += (size_t)n;
	if (n <= 0 || u->nsaid > SUM_TEXT)
		judge(k);
}

static void
on_late(void *arg)
{
	struct keeper *k = arg;

	if (k->upgrade.passed && loop_now(k->loop) < k->upgrade.until)
		become(k);
	else
		answer(k,
		    k->upgrade.passed ? "control does not read"
				      : "it took too long to read what "
					"this keeper knows");
}

static int
run_candidate(struct keeper *k, int manifest, struct err *err)
{
	struct upgrade *u = &k->upgrade;
	const char *argv[] = { u->program, "keeper", "--verify", NULL };
	const char *env[] = { "PATH=" PROCESS_PATH, "LANG=C.UTF-8", NULL };
	struct process_plan plan = {
		.argv = argv,
		.env = env,
		.in = manifest,
		.err = -1,
		.uid = (uid_t)-1,
		.umask = 0077,
	};
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(err, -errno, "pipe");
	u->out = ends[0];
	plan.out = ends[1];
	r = process_fork(&u->candidate, &plan, err);
	fd_close(&ends[1]);
	if (r < 0)
		return r;
	loop_io_init(&u->io, k->loop, u->out, on_said, k);
	r = loop_io_want(&u->io, LOOP_READ);
	if (r == 0)
		r = process_go(&u->candidate);
	loop_timer_arm(&u->timer, UPGRADE_TRIAL_MS);
	return r < 0 ? err_errno(err, r, "candidate") : 0;
}

static int
try_candidate(struct keeper *k, struct err *err)
{
	struct upgrade *u = &k->upgrade;
	int fd = write_manifest(k, err);
	int r;

	if (fd < 0)
		return fd;
	r = manifest_check(fd, &u->sum, err);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = err_errno(err, -errno, "manifest");
	if (r == 0)
		r = run_candidate(k, fd, err);
	fd_close(&fd);
	return r;
}

/* --- whom to trust -------------------------------------------------------- */

static bool
is_ours_alone(const char *path, bool folder)
{
	struct stat st;

	if (stat(path, &st) < 0 || (st.st_uid != 0 && st.st_uid != geteuid()))
		return false;
	/* In a sticky folder others cannot touch what is ours. */
	return (st.st_mode & (S_IWGRP | S_IWOTH)) == 0 ||
	    (folder && (st.st_mode & S_ISVTX) != 0);
}

/*
 * Who may ask for an upgrade is not root, and must not become it: neither the
 * program nor a folder on the way to it may be another's to change. path is
 * resolved, and whole again on return.
 */
static int
trust(char *path, struct err *err)
{
	bool good = is_ours_alone("/", true) && is_ours_alone(path, false);

	for (char *at = path + 1; good && (at = strchr(at, '/')) != NULL;
	     at++) {
		*at = '\0';
		good = is_ours_alone(path, true);
		*at = '/';
	}
	return good ? 0 : err_set(err, -EPERM, "others could change it");
}

static int
find_program(struct keeper *k, const char *named, struct err *err)
{
	struct upgrade *u = &k->upgrade;

	if (k->stopping)
		return err_set(err, -ESHUTDOWN, STOPPING);
	if (u->id == 0 || named[0] != '/')
		return err_set(err, -EINVAL, "not the path of a program");
	u->program = realpath(named, NULL);
	if (u->program == NULL)
		return err_set(err, -errno, "%s", strerror(errno));
	return trust(u->program, err);
}

void
upgrade_begin(struct keeper *k, const struct keeper_msg *m)
{
	struct upgrade *u = &k->upgrade;
	struct err err;

	if (u->id != 0)
		answer(k, "another upgrade came");
	u->id = m->id;
	u->really = m->flag;
	u->nsaid = 0;
	u->passed = false;
	u->turns = 0;
	u->until = loop_now(k->loop) + UPGRADE_TRIAL_MS;
	if (find_program(k, m->text, &err) < 0 || try_candidate(k, &err) < 0)
		answer(k, err.text);
}
