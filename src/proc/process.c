/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "proc/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

/* What the child says when it fails; or, error 0, what it goes on without. */
struct report {
	int error;
	unsigned missing;
	char stage[PROCESS_STAGE];
};

/* What the child needs and cannot make for itself. */
struct start {
	const struct process_plan *plan;
	char *env[PROCESS_ENV + 4];
	const char *path;
	char listen_fds[24];
	char listen_pid[24];
	int go;
	int report;
};

/* --- in the child --------------------------------------------------------- */

static _Noreturn void
give_up(const struct start *s, const char *stage, int error)
{
	struct report r = { .error = error };

	for (size_t i = 0; stage[i] != '\0' && i + 1 < sizeof(r.stage); i++)
		r.stage[i] = stage[i];
	if (write(s->report, &r, sizeof(r)) < 0)
		_exit(126);
	_exit(127);
}

static void
say_missing(const struct start *s, unsigned missing)
{
	const struct report r = { .missing = missing };

	if (missing != 0 && write(s->report, &r, sizeof(r)) < 0)
		_exit(126);
}

static void
reset_signals(void)
{
	static const char dfl[64]; /* the kernel's own struct, all zero */
	sigset_t none;

	/*
	 * Past libc, which keeps two for itself: whoever was started by its
	 * posix_spawn(), as by make, has them ignored.
	 */
	for (int i = 1; i < NSIG; i++)
		syscall(SYS_rt_sigaction, i, dfl, NULL, (NSIG - 1) / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
wait_for_go(const struct start *s)
{
	char c;
	ssize_t got;

	do
		got = read(s->go, &c, 1);
	while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(127); /* nobody knows of us: we never were */
}

/* All sources go up first, out of the way of the numbers they become. */
static int
place_fds(struct start *s)
{
	const struct process_plan *p = s->plan;
	int from[3 + PROCESS_FDS] = { p->in, p->out, p->err };
	int n = 3 + (int)p->nfds;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		int fd = i < 3 ? from[i] : p->fds[i - 3];

		from[i] = fcntl(fd < 0 ? null : fd, F_DUPFD_CLOEXEC, n);
		if (from[i] < 0)
			return -errno;
	}
	s->report = fcntl(s->report, F_DUPFD_CLOEXEC, n);
	if (s->report < 0)
		return -errno;
	for (int i = 0; i < n; i++)
		if (dup2(from[i], i) < 0)
			return -errno;
	if (close_range((unsigned)n, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	return 0;
}

static int
set_limits(const struct process_plan *p)
{
	struct rlimit l;

	if (p->files > 0) {
		l = (struct rlimit){ p->files, p->files };
		if (setrlimit(RLIMIT_NOFILE, &l) < 0)
			return -errno;
	}
	if (p->processes > 0) {
		l = (struct rlimit){ p->processes, p->processes };
		if (setrlimit(RLIMIT_NPROC, &l) < 0)
			return -errno;
	}
	umask(p->umask);
	return 0;
}

static int
become_user(uid_t uid, gid_t gid)
{
	const struct passwd *pw;

	if (uid == (uid_t)-1)
		return 0;
	if (uid == geteuid() && geteuid() != 0)
		return 0; /* no right to change groups, and no need */
	errno = 0;
	pw = getpwuid(uid);
	if (gid == (gid_t)-1)
		gid = pw != NULL ? pw->pw_gid : (gid_t)uid;
	if (pw != NULL ? initgroups(pw->pw_name, gid) < 0
		       : setgroups(0, NULL) < 0)
		return -errno;
	if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

static void
say_pid(char *out, pid_t pid)
{
	char digits[12];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + pid % 10);
	while ((pid /= 10) > 0);
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
}

/* The next candidate of PATH, or false. */
static bool
next_program(const char **path, const char *name, char *out)
{
	struct span rest = span_of(*path), dir;
	size_t n = strlen(name);

	if (*path == NULL || !span_next(&rest, ':', &dir))
		return false;
	*path = rest.n > 0 ? rest.p : NULL;
	out[0] = '\0';
	if (dir.n == 0 || dir.n + n + 2 > PATH_MAX)
		return true;
	memcpy(out, dir.p, dir.n);
	out[dir.n] = '/';
	memcpy(out + dir.n + 1, name, n + 1);
	return true;
}

static int
execute(struct start *s)
{
	char *const *argv = (char *const *)(uintptr_t)s->plan->argv;
	char program[PATH_MAX];
	int error = ENOENT;

	if (strchr(argv[0], '/') != NULL) {
		execve(argv[0], argv, s->env);
		return -errno;
	}
	while (next_program(&s->path, argv[0], program)) {
		if (program[0] == '\0')
			continue;
		execve(program, argv, s->env);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			return -errno;
		if (errno == EACCES)
			error = EACCES;
	}
	return -error;
}

static _Noreturn void
be_child(struct start *s)
{
	const struct process_plan *p = s->plan;
	const char *dir = p->directory != NULL ? p->directory : "/";
	unsigned missing = 0;
	int r;

	reset_signals();
	if (setsid() < 0)
		give_up(s, "session", errno);
	wait_for_go(s);
	if ((r = place_fds(s)) < 0)
		give_up(s, "files", -r);
	if ((r = set_limits(p)) < 0)
		give_up(s, "limits", -r);
	if ((r = sandbox_enter(&p->sandbox, &missing)) < 0)
		give_up(s, "sandbox", -r);
	if ((r = become_user(p->uid, p->gid)) < 0)
		give_up(s, "user", -r);
	if ((r = sandbox_seal(&p->sandbox, &missing)) < 0)
		give_up(s, "sandbox", -r);
	say_missing(s, missing);
	if (chdir(dir) < 0)
		give_up(s, "directory", errno);
	if (p->listen_fds > 0)
		say_pid(strchr(s->listen_pid, '=') + 1, getpid());
	give_up(s, "exec", -execute(s));
}

/* --- in the parent -------------------------------------------------------- */

static int
make_env(struct start *s)
{
	const struct process_plan *p = s->plan;
	size_t n = 0;

	s->path = PROCESS_PATH;
	for (; p->env != NULL && p->env[n] != NULL; n++) {
		if (n == PROCESS_ENV)
			return -E2BIG;
		s->env[n] = (char *)(uintptr_t)p->env[n];
		if (strncmp(p->env[n], "PATH=", 5) == 0)
			s->path = p->env[n] + 5;
	}
	if (p->marker != NULL)
		s->env[n++] = (char *)(uintptr_t)p->marker;
	if (p->listen_fds > 0) {
		snprintf(s->listen_fds, sizeof(s->listen_fds), "LISTEN_FDS=%u",
		    p->listen_fds);
		snprintf(s->listen_pid, sizeof(s->listen_pid), "LISTEN_PID=");
		s->env[n++] = s->listen_fds;
		s->env[n++] = s->listen_pid;
	}
	s->env[n] = NULL;
	return 0;
}

/* No handler of ours may run in the child: it would write into our loop. */
static pid_t
fork_quietly(void)
{
	sigset_t all, saved;
	pid_t pid;
	int error;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &saved);
	pid = fork();
	if (pid == 0)
		return 0;
	error = errno;
	sigprocmask(SIG_SETMASK, &saved, NULL);
	errno = error;
	return pid;
}

static int
open_pipes(int go[2], int report[2])
{
	if (pipe2(go, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(report, O_CLOEXEC) == 0) {
		fcntl(report[0], F_SETFL, O_NONBLOCK);
		return 0;
	}
	int r = -errno;

	fd_close(&go[0]);
	fd_close(&go[1]);
	return r;
}

int
process_fork(
    struct process *p, const struct process_plan *plan, struct err *err)
{
	struct start s = { .plan = plan };
	int go[2], report[2], r;

	*p = (struct process){ .pidfd = -1, .go = -1, .report = -1 };
	if (plan->nfds > PROCESS_FDS || make_env(&s) < 0)
		return err_set(
		    err, -E2BIG, "too many descriptors or variables");
	r = open_pipes(go, report);
	if (r < 0)
		return err_errno(err, r, "pipe");
	p->pid = fork_quietly();
	if (p->pid == 0) {
		s.go = go[0];
		s.report = report[1];
		close(go[1]);
		be_child(&s);
	}
	r = p->pid < 0 ? -errno : 0;
	fd_close(&go[0]);
	fd_close(&report[1]);
	p->go = go[1];
	p->report = report[0];
	if (r == 0 && (p->pidfd = pidfd_open(p->pid, 0)) < 0) {
		r = -errno;
		fd_close(&p->go); /* it exits by itself */
		waitpid(p->pid, NULL, 0);
	}
	if (r < 0) {
		process_done(p);
		return err_errno(err, r, "fork");
	}
	p->started = process_start_time(p->pid);
	return 0;
}

int
process_go(struct process *p)
{
	int r = fd_write_all(p->go, "", 1);

	fd_close(&p->go);
	return r;
}

int
process_report(struct process *p, char *stage)
{
	struct report r;
	ssize_t got;

	do {
		got = read(p->report, &r, sizeof(r));
		if (got == (ssize_t)sizeof(r) && r.error == 0)
			p->missing = r.missing;
	} while ((got < 0 && errno == EINTR) ||
	    (got == (ssize_t)sizeof(r) && r.error == 0));
	if (got < 0 && errno == EAGAIN)
		return 0;
	fd_close(&p->report);
	if (got != (ssize_t)sizeof(r))
		return 1; /* the exec closed it */
	memcpy(stage, r.stage, PROCESS_STAGE);
	stage[PROCESS_STAGE - 1] = '\0';
	return r.error > 0 ? -r.error : -EPROTO;
}

void
process_done(struct process *p)
{
	fd_close(&p->pidfd);
	fd_close(&p->go);
	fd_close(&p->report);
}

int
process_signal(const struct process *p, int signo)
{
	return pidfd_send_signal(p->pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

int
process_signal_group(const struct process *p, int signo)
{
	/* Also to the leader itself: before its setsid there is no group. */
	if (kill(-p->pid, signo) == 0)
		return 0;
	return errno == ESRCH ? process_signal(p, signo) : -errno;
}

int
process_reap(const struct process *p, siginfo_t *how)
{
	int r;

	memset(how, 0, sizeof(*how));
	do
		r = waitid(P_PIDFD, (id_t)p->pidfd, how, WEXITED | WNOHANG);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return how->si_pid != 0;
}
