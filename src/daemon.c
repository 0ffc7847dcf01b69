/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE /* pipe2() */

#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/fd.h"
#include "base/pin.h"
#include "conf/conf.h"
#include "conf/peek.h"
#include "control/control.h"
#include "control/folders.h"
#include "keeper/keeper.h"
#include "link/address.h"
#include "loop/loop.h"
#include "proc/notify.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define ERRORS_MAX 4096
#define LEAVE_MS 2000 /* for an answer that nobody reads */

struct daemon {
	const char *config;
	bool attach;
	char program[PATH_MAX];
	char runtime[PATH_MAX];
	int lock_fd;
	struct loop *loop;
	struct control *control;
	struct admin *admin;
	char admin_path[PATH_MAX];
	struct loop_signal on_int, on_term, on_hup;
	struct loop_timer watchdog;
	const struct conf *disk; /* NULL: errors says why */
	struct buf errors;
	bool again;	       /* the keeper is gone: begin anew */
	char become[PATH_MAX]; /* the program of an upgrade; "" */
	struct loop_timer leave;
	int code;
};

/* --- configuration and lock ----------------------------------------------- */

static void
load(struct daemon *d)
{
	buf_init(&d->errors, ERRORS_MAX);
	d->disk = conf_load(d->config, &d->errors);
	if (d->disk == NULL || conf_check_host(d->disk, &d->errors))
		return;
	conf_unref(d->disk);
	d->disk = NULL;
}

static int
find_runtime(struct daemon *d, struct err *err)
{
	if (d->disk != NULL)
		return str_copy(d->runtime, sizeof(d->runtime),
		    span_of(d->disk->dirs.runtime));
	/* Even then a herd may run that has to be taken over. */
	return conf_peek_runtime(
	    d->config, d->runtime, sizeof(d->runtime), err);
}

/* Before anything of a herd that is not ours is touched. */
static int
check_folders(const struct daemon *d, struct err *err)
{
	const struct conf_dirs *dirs;
	/* A keeper of its own, as under systemd, is who writes these. */
	bool ours = !d->attach;
	int r = folders_check("runtime", d->runtime, true, err);

	if (r < 0 || d->disk == NULL)
		return r;
	dirs = &d->disk->dirs;
	r = folders_check("state", dirs->state, true, err);
	if (r == 0)
		r = folders_check("cache", dirs->cache, ours, err);
	if (r == 0 && !d->disk->log_journal)
		r = folders_check("logs", dirs->logs, ours, err);
	return r;
}

static int
take_lock(struct daemon *d, struct err *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];
	int r = fd_mkdirs(d->runtime, 0755, err);

	if (r < 0)
		return r;
	if (snprintf(path, sizeof(path), "%s/lock", d->runtime) >=
	    (int)sizeof(path))
		return err_errno(err, -ENAMETOOLONG, "%s", d->runtime);
	d->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->lock_fd < 0)
		return err_errno(err, -errno, "cannot open %s", path);
	if (fcntl(d->lock_fd, F_SETLK, &lock) == 0)
		return 0;
	if (fcntl(d->lock_fd, F_GETLK, &lock) == 0 && lock.l_pid > 0)
		return err_set(err, -EBUSY,
		    "drover already runs here (pid %d has %s)", (int)lock.l_pid,
		    path);
	return err_set(err, -EBUSY, "drover already runs here (%s)", path);
}

/* --- the keeper ----------------------------------------------------------- */

static void
exec_keeper(struct daemon *d, int ready_fd)
{
	char fd[16];

	setsid();
	if (fork() != 0)
		_exit(0); /* the keeper is nobody's child */
	snprintf(fd, sizeof(fd), "%d", ready_fd);
	fcntl(ready_fd, F_SETFD, 0);
	execl(d->program, "drover", "keeper", "--ready-fd", fd, "--runtime",
	    d->runtime, (char *)NULL);
	_exit(127);
}

static int
wait_for_keeper(int fd, struct err *err)
{
	char text[256];
	ssize_t n = 0, got;

	while ((got = read(fd, text + n, sizeof(text) - 1 - (size_t)n)) > 0) {
		n += got;
		if (text[n - 1] == '\n')
			break;
	}
	text[n] = '\0';
	if (n == 1 && text[0] == '\n')
		return 0;
	return err_set(err, -ECHILD, "the keeper did not start: %s",
	    n > 0 ? text : "it exited");
}

static int
start_keeper(struct daemon *d, struct err *err)
{
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, -errno, "pipe");
	pid = fork();
	if (pid == 0)
		exec_keeper(d, fds[1]);
	fd_close(&fds[1]);
	if (pid < 0) {
		fd_close(&fds[0]);
		return err_errno(err, -errno, "fork");
	}
	waitpid(pid, NULL, 0);
	r = wait_for_keeper(fds[0], err);
	fd_close(&fds[0]);
	return r;
}

/* --- the admin socket ----------------------------------------------------- */

static int
listen_admin(const char *path, int *fd, struct err *err)
{
	struct address a;
	char text[PATH_MAX + 8];
	int r;

	snprintf(text, sizeof(text), "unix:%s", path);
	r = address_parse(&a, text);
	if (r < 0)
		return err_errno(err, r, "admin socket %s", path);
	unlink(path);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return err_errno(err, -errno, "socket");
	/* Anybody may connect: the peer's credentials decide. */
	if (bind(*fd, &a.u.sa, a.len) == 0 && chmod(path, 0666) == 0 &&
	    listen(*fd, 128) == 0)
		return 0;
	r = err_errno(err, -errno, "cannot listen on %s", path);
	fd_close(fd);
	return r;
}

static int
on_begun(void *owner, struct control *control, struct err *err)
{
	struct daemon *d = owner;
	const struct conf_admin *conf = &control_conf(control)->admin;
	struct admin_args args = {
		.group_admin = conf->group_admin,
		.group_read = conf->group_read,
		.uid = geteuid(),
	};
	int r = listen_admin(conf->socket, &args.fd, err);

	if (r < 0)
		return r;
	snprintf(d->admin_path, sizeof(d->admin_path), "%s", conf->socket);
	d->admin = admin_new(d->loop, control, &args, err);
	if (d->admin == NULL) {
		fd_close(&args.fd);
		return -EIO;
	}
	log_info("admin", "listening on %s", conf->socket);
	(void)notify_send("READY=1\n");
	return 0;
}

/* --- becoming another program --------------------------------------------- */

static void
on_leave(void *arg)
{
	struct daemon *d = arg;

	loop_stop(d->loop);
}

/* Whoever was answered has the answer, or does not read it. */
static void
on_upgrade(void *owner, const char *program)
{
	struct daemon *d = owner;

	snprintf(d->become, sizeof(d->become), "%s", program);
	loop_timer_arm(&d->leave, LEAVE_MS);
	admin_drain(d->admin, on_leave, d);
}

/* --- the end, and signals ------------------------------------------------- */

static void
on_ended(void *owner, int r, const struct err *err)
{
	struct daemon *d = owner;

	if (r < 0)
		log_error("drover", "%s", err->text);
	d->code = r < 0 ? 1 : 0;
	d->again = r == -EPIPE && !d->attach;
	loop_stop(d->loop);
}

static void
on_stop_signal(void *arg)
{
	struct daemon *d = arg;

	(void)notify_send("STOPPING=1\n");
	if (d->attach) {
		loop_stop(d->loop); /* the herd is the keeper's to end */
		return;
	}
	if (d->admin != NULL)
		admin_drain(d->admin, NULL, NULL);
	control_shutdown(d->control);
}

static void
on_reload_signal(void *arg)
{
	const struct control_reload how = { 0 };
	struct daemon *d = arg;
	struct buf errors;
	json_t *done;

	buf_init(&errors, ERRORS_MAX);
	done = control_reload(d->control, &how, &errors);
	if (done == NULL)
		log_error("config", "not reloaded: %s", buf_str(&errors));
	json_decref(done);
	buf_done(&errors);
}

static void
on_watchdog(void *arg)
{
	struct daemon *d = arg;

	(void)notify_send("WATCHDOG=1\n");
	loop_timer_arm(&d->watchdog, notify_watchdog_ms() / 3);
}

static int
catch_signals(struct daemon *d)
{
	int r = loop_signal_init(
	    &d->on_int, d->loop, SIGINT, on_stop_signal, d);

	if (r == 0)
		r = loop_signal_init(
		    &d->on_term, d->loop, SIGTERM, on_stop_signal, d);
	if (r == 0)
		r = loop_signal_init(
		    &d->on_hup, d->loop, SIGHUP, on_reload_signal, d);
	loop_timer_init(&d->watchdog, d->loop, on_watchdog, d);
	loop_timer_init(&d->leave, d->loop, on_leave, d);
	if (notify_watchdog_ms() > 0)
		loop_timer_arm(&d->watchdog, 0);
	return r;
}

/* --- the rooms in order --------------------------------------------------- */

static int
connect_control(struct daemon *d, struct err *err)
{
	const struct control_args args = {
		.config = d->config,
		.runtime = d->runtime,
		.program = d->program,
		.begun = on_begun,
		.upgrade = on_upgrade,
		.ended = on_ended,
		.owner = d,
	};

	return control_new(
	    &d->control, d->loop, &args, d->disk, buf_str(&d->errors), err);
}

static int
find_or_start_herd(struct daemon *d, struct err *err)
{
	int r = connect_control(d, err);

	if ((r != -ENOENT && r != -ECONNREFUSED) || d->attach)
		return r;
	if (d->disk == NULL)
		return err_set(err, -EINVAL, "%s", buf_str(&d->errors));
	r = start_keeper(d, err);
	return r < 0 ? r : connect_control(d, err);
}

/* Ours; or what stands there now if it was replaced. */
static int
find_program(struct daemon *d, struct err *err)
{
	static const char replaced[] = " (deleted)";
	const size_t r = sizeof(replaced) - 1;
	ssize_t n = readlink(
	    "/proc/self/exe", d->program, sizeof(d->program) - 1);

	if (n < 0)
		return err_errno(err, -errno, "/proc/self/exe");
	d->program[n] = '\0';
	if ((size_t)n > r && strcmp(d->program + n - r, replaced) == 0)
		d->program[(size_t)n - r] = '\0';
	return 0;
}

static int
open_rooms(struct daemon *d, struct err *err)
{
	int r = find_program(d, err);

	if (r < 0)
		return r;
	load(d);
	r = find_runtime(d, err);
	if (r < 0)
		return err_set(err, r, "%s", buf_str(&d->errors));
	r = check_folders(d, err);
	if (r == 0)
		r = take_lock(d, err);
	if (r < 0)
		return r;
	d->loop = loop_new(err);
	if (d->loop == NULL)
		return -ENOMEM;
	r = catch_signals(d);
	return r < 0 ? err_errno(err, r, "signals")
		     : find_or_start_herd(d, err);
}

static void
close_rooms(struct daemon *d)
{
	if (d->admin != NULL)
		unlink(d->admin_path);
	admin_free(d->admin);
	control_free(d->control);
	if (d->loop != NULL) {
		loop_timer_done(&d->watchdog);
		loop_timer_done(&d->leave);
		loop_signal_done(&d->on_int);
		loop_signal_done(&d->on_term);
		loop_signal_done(&d->on_hup);
	}
	loop_free(d->loop);
	conf_unref(d->disk);
	buf_done(&d->errors);
	fd_close(&d->lock_fd);
}

static void
run_again(const struct daemon *d, const char *program)
{
	execl(program, "drover", "run", "--config", d->config,
	    d->attach ? "--attach" : (char *)NULL, (char *)NULL);
	log_error("drover", "cannot run %s: %s", program, strerror(errno));
}

static void
begin_again(const struct daemon *d)
{
	if (d->become[0] != '\0')
		run_again(d, d->become);
	else
		log_error("drover", "the keeper is gone: beginning anew");
	run_again(d, "/proc/self/exe"); /* it is there, whatever was replaced */
}

int
daemon_run(const char *config, bool attach)
{
	struct daemon d = { .config = config, .attach = attach, .lock_fd = -1 };
	struct err err = { "" };

	log_open(LOG_INFO_);
	pin_memory();
	signal(SIGPIPE, SIG_IGN);
	if (open_rooms(&d, &err) < 0) {
		fprintf(stderr, "drover: %s\n", err.text);
		d.code = 1;
	} else if (loop_run(d.loop) < 0)
		d.code = 1;
	close_rooms(&d);
	if (d.again || d.become[0] != '\0')
		begin_again(&d);
	return d.code;
}

/* --- drover keeper -------------------------------------------------------- */

static bool
find_user(const char *name, uid_t *uid)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL) {
		fprintf(stderr, "drover: no user %s here\n", name);
		return false;
	}
	*uid = pw->pw_uid;
	return true;
}

int
daemon_keeper(int argc, char **argv)
{
	static const struct option options[] = {
		{ "control-user", required_argument, NULL, 'u' },
		{ "runtime", required_argument, NULL, 'd' },
		{ "ready-fd", required_argument, NULL, 'r' },
		{ "resume", required_argument, NULL, 'm' },
		{ "verify", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	struct keeper_args args = {
		.ready_fd = -1,
		.control_uid = (uid_t)-1,
	};
	uint64_t fd;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'd')
			args.runtime = optarg;
		else if (opt == 'u' && find_user(optarg, &args.control_uid))
			continue;
		else if (opt == 'r' && str_u64(span_of(optarg), &fd) == 0 &&
		    fd < INT_MAX)
			args.ready_fd = (int)fd;
		else if (opt == 'm' && str_u64(span_of(optarg), &fd) == 0 &&
		    fd < INT_MAX)
			args.manifest = (int)fd;
		else if (opt == 'v' && argc == 2)
			return keeper_verify(STDIN_FILENO);
		else
			return 2;
	}
	if (optind != argc || args.runtime == NULL)
		return 2;
	log_open(LOG_INFO_);
	return keeper_main(&args);
}
