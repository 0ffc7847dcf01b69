/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/rand.h"
#include "proc/folder.h"
#include "proc/notify.h"
#include "proc/packet.h"
#include "proc/process.h"
#include "proc/record.h"

#define SUCCESSOR "fedcba9876543210fedcba9876543210"

static char dir[64];
static char incarnation[33]; /* no other run of this test has it */
static char mark[sizeof(RECORD_MARK) + 36];

static const char *
in_dir(const char *name)
{
	static char paths[4][160];
	static unsigned at;
	char *path = paths[at++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_proc.XXXXXX");
	assert_non_null(mkdtemp(dir));
	rand_hex(incarnation, 16);
	snprintf(mark, sizeof(mark), RECORD_MARK "=%s.1", incarnation);
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
kill_marked(void *arg, pid_t pid)
{
	char value[64];

	(void)arg;
	if (process_getenv(pid, RECORD_MARK, value, sizeof(value)) == 0 &&
	    strncmp(value, incarnation, 32) == 0)
		kill(pid, SIGKILL);
}

static int
teardown(void **state)
{
	(void)state;
	process_each(kill_marked, NULL); /* a failed test's */
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
put_file(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* --- processes ------------------------------------------------------------ */

static const struct process_plan *
plan_of(const char *script, const char *marker)
{
	static const char *argv[] = { "sh", "-c", NULL, NULL };
	static struct process_plan plan;

	argv[2] = script;
	plan = (struct process_plan){ .argv = argv,
		.marker = marker,
		.in = -1,
		.out = -1,
		.err = -1,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1 };
	return &plan;
}

static siginfo_t
end_of(struct process *p)
{
	siginfo_t how;
	int r;

	while ((r = process_reap(p, &how)) == 0)
		usleep(1000);
	assert_int_equal(r, 1);
	process_done(p);
	return how;
}

static void
nothing_runs_before_go(void **state)
{
	struct process p;
	siginfo_t how;
	char script[128];

	(void)state;
	snprintf(script, sizeof(script), "echo > %s/ran", dir);
	assert_int_equal(process_fork(&p, plan_of(script, NULL), NULL), 0);
	usleep(50000);
	assert_int_equal(process_reap(&p, &how), 0);
	assert_int_equal(access(in_dir("ran"), F_OK), -1);
	assert_int_equal(process_go(&p), 0);
	assert_int_equal(end_of(&p).si_status, 0);
	assert_int_equal(access(in_dir("ran"), F_OK), 0);
}

static void
without_its_go_a_child_never_was(void **state)
{
	struct process p;
	char script[128];

	(void)state;
	snprintf(script, sizeof(script), "echo > %s/ran", dir);
	assert_int_equal(process_fork(&p, plan_of(script, NULL), NULL), 0);
	fd_close(&p.go); /* as our death would */
	assert_int_equal(end_of(&p).si_status, 127);
	assert_int_equal(access(in_dir("ran"), F_OK), -1);
}

static void
a_recycled_pid_is_never_signalled(void **state)
{
	struct process p;
	pid_t pid;

	(void)state;
	assert_int_equal(
	    process_fork(&p, plan_of("exec sleep 1000", NULL), NULL), 0);
	assert_int_equal(process_go(&p), 0);
	pid = p.pid;
	assert_true(p.started > 0);
	assert_int_equal(process_start_time(pid), p.started);
	/* The same number, another process: nothing may happen to it. */
	assert_int_equal(process_kill_recorded(pid, p.started + 1), -ESRCH);
	assert_int_equal(process_kill_recorded(pid, 0), -ESRCH);
	assert_int_equal(process_kill_recorded(1, 1), -ESRCH);
	usleep(20000);
	assert_int_equal(process_start_time(pid), p.started);
	assert_int_equal(process_kill_recorded(pid, p.started), 0);
	assert_int_equal(end_of(&p).si_status, SIGKILL);
	assert_int_equal(process_start_time(pid), 0);
}

static void
a_name_with_brackets_does_not_hide_a_start_time(void **state)
{
	uint64_t before = process_start_time(getpid());

	(void)state;
	assert_true(before > 0);
	prctl(PR_SET_NAME, "a) Z 1 (b)");
	assert_int_equal(process_start_time(getpid()), before);
}

/* In the middle of an exec, of which a shell has two, there is none to see. */
static int
ask(pid_t pid, const char *name, char *value, size_t size)
{
	int r;

	while ((r = process_getenv(pid, name, value, size)) == -EAGAIN)
		usleep(1000);
	return r;
}

static void
the_environment_of_others_can_be_asked(void **state)
{
	struct process p;
	char value[64], stage[PROCESS_STAGE];
	int r;

	(void)state;
	assert_int_equal(
	    process_fork(&p, plan_of("exec sleep 1000", "MARK=here"), NULL), 0);
	assert_int_equal(process_go(&p), 0);
	while ((r = process_report(&p, stage)) == 0)
		usleep(1000);
	assert_int_equal(r, 1);
	assert_int_equal(ask(p.pid, "MARK", value, sizeof(value)), 0);
	assert_string_equal(value, "here");
	assert_int_equal(ask(p.pid, "MAR", value, sizeof(value)), -ENOENT);
	assert_int_equal(ask(p.pid, "MARK", value, 3), -ENAMETOOLONG);
	assert_int_equal(process_signal_group(&p, SIGKILL), 0);
	end_of(&p);
}

/* --- the record ----------------------------------------------------------- */

/* An owner that dies with children: one in the record, one by its mark. */
static void
be_owner_and_die(void)
{
	struct record *r;
	struct process p;
	char script[200];

	snprintf(script, sizeof(script),
	    "setsid sh -c 'echo $$ > %s/stray; exec sleep 1000' & "
	    "exec sleep 1000",
	    dir);
	if (record_open(&r, in_dir("herd"), incarnation, NULL, NULL) < 0 ||
	    process_fork(&p, plan_of(script, mark), NULL) < 0 ||
	    record_put(r, p.pid, p.started) < 0 || process_go(&p) < 0)
		_exit(1);
	put_file("child", "");
	while (access(in_dir("stray"), F_OK) < 0)
		usleep(1000);
	usleep(50000);
	_exit(fd_write_all(STDOUT_FILENO, "", 0));
}

static void
run_owner(void)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_owner_and_die();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
find_marked(void *arg, pid_t pid)
{
	char value[64];
	unsigned *n = arg;

	if (process_getenv(pid, RECORD_MARK, value, sizeof(value)) == 0 &&
	    strncmp(value, incarnation, 32) == 0)
		(*n)++;
}

static unsigned
count_marked(void)
{
	unsigned n = 0;

	assert_int_equal(process_each(find_marked, &n), 0);
	return n;
}

static void
the_next_owner_kills_what_is_left(void **state)
{
	struct record *r, *second;
	unsigned killed = 0;
	struct err err;

	(void)state;
	run_owner();
	assert_int_equal(count_marked(), 2);
	assert_int_equal(
	    record_open(&r, in_dir("herd"), SUCCESSOR, &killed, &err), 0);
	assert_true(killed >= 2);
	for (int i = 0; i < 400 && count_marked() > 0; i++)
		usleep(5000);
	assert_int_equal(count_marked(), 0);
	assert_int_equal(
	    record_open(&second, in_dir("herd"), incarnation, NULL, &err),
	    -EBUSY);
	record_close(r);
	assert_int_equal(access(in_dir("herd"), F_OK), -1);
}

static void
a_record_of_another_boot_means_nothing(void **state)
{
	struct record *r;
	unsigned killed = 7;
	int fd;

	(void)state;
	run_owner();
	fd = open(in_dir("herd"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "xxxx", 4, 4), 4); /* the boot id */
	close(fd);
	assert_int_equal(
	    record_open(&r, in_dir("herd"), SUCCESSOR, &killed, NULL), 0);
	assert_int_equal(killed, 0);
	assert_int_equal(count_marked(), 2);
	record_close(r);
}

static void
a_record_has_room_and_a_ceiling(void **state)
{
	struct record *r;
	int first;

	(void)state;
	assert_int_equal(
	    record_open(&r, in_dir("herd"), incarnation, NULL, NULL), 0);
	first = record_put(r, 100000, 1);
	for (unsigned i = 1; i < RECORD_MAX; i++)
		assert_true(record_put(r, 100000, 1) >= 0);
	assert_int_equal(record_put(r, 100000, 1), -ENOSPC);
	record_drop(r, (size_t)first);
	assert_int_equal(record_put(r, 100000, 1), first);
	record_close(r);
}

static void
a_foreign_file_is_not_a_record(void **state)
{
	struct record *r;
	unsigned killed = 7;

	(void)state;
	put_file("herd", "something quite different\n");
	assert_int_equal(
	    record_open(&r, in_dir("herd"), incarnation, &killed, NULL), 0);
	assert_int_equal(killed, 0);
	record_close(r);
	assert_int_equal(symlink("/etc/passwd", in_dir("herd")), 0);
	assert_int_equal(
	    record_open(&r, in_dir("herd"), incarnation, NULL, NULL), -ELOOP);
}

/* --- packets -------------------------------------------------------------- */

struct peer {
	struct loop *loop;
	struct packet_conn conn;
	unsigned messages, closed, fds;
	size_t bytes;
	uint32_t next; /* messages are numbered */
	int error;
};

static void
on_message(void *arg, const void *data, size_t n, int *fds, unsigned nfds)
{
	struct peer *p = arg;
	uint32_t number;

	assert_true(n >= sizeof(number));
	memcpy(&number, data, sizeof(number));
	assert_int_equal(number, p->next++);
	p->messages++;
	p->bytes += n;
	p->fds += nfds;
	for (unsigned i = 0; i < nfds; i++) {
		assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
		fd_close(&fds[i]);
	}
}

static void
on_closed(void *arg, int error)
{
	struct peer *p = arg;

	p->closed++;
	p->error = error;
	loop_stop(p->loop);
}

static const struct packet_ops peer_ops = { on_message, on_closed };

static void
on_never(void *arg, const void *data, size_t n, int *fds, unsigned nfds)
{
	(void)arg, (void)data, (void)n, (void)fds, (void)nfds;
	fail();
}

static const struct packet_ops sender_ops = { on_never, on_closed };

static void
a_queue_keeps_order_and_has_a_ceiling(void **state)
{
	static unsigned char data[60000];
	struct peer a = { 0 }, b = { 0 };
	uint32_t sent = 0;
	int pair[2], null, r;

	(void)state;
	a.loop = b.loop = loop_new(NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(
	    packet_init(&a.conn, a.loop, pair[0], 1 << 20, &sender_ops, &a), 0);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (;; sent++) {
		memcpy(data, &sent, sizeof(sent));
		r = packet_send(&a.conn, data, sizeof(data), &null, 1);
		if (r < 0)
			break;
	}
	assert_int_equal(r, -ENOBUFS);
	assert_true(sent >= 17 && a.conn.queued <= 1 << 20);
	close(null); /* those in the queue are ours no longer */
	assert_int_equal(
	    packet_init(&b.conn, b.loop, pair[1], 1 << 20, &peer_ops, &b), 0);
	while (b.messages < sent) {
		struct timeval none = { 0, 1000 };

		event_base_loopexit(loop_base(a.loop), &none);
		event_base_loop(loop_base(a.loop), 0);
	}
	assert_int_equal(b.fds, sent);
	assert_int_equal(a.conn.queued, 0);
	packet_done(&a.conn);
	loop_run(b.loop);
	assert_int_equal(b.closed, 1);
	assert_int_equal(b.error, 0);
	assert_int_equal(packet_send(&a.conn, data, 8, NULL, 0), -EPIPE);
	loop_free(a.loop);
}

static void
packets_have_a_ceiling(void **state)
{
	static unsigned char data[PACKET_MAX + 1];
	int pair[2], fds[PACKET_FDS + 1], got[PACKET_FDS];
	unsigned nfds;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = STDIN_FILENO;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(
	    packet_write(pair[0], data, sizeof(data), NULL, 0), -EMSGSIZE);
	assert_int_equal(
	    packet_write(pair[0], data, 4, fds, PACKET_FDS + 1), -EMSGSIZE);
	assert_int_equal(packet_write(pair[0], data, 0, NULL, 0), -EMSGSIZE);
	assert_int_equal(
	    packet_write(pair[0], data, PACKET_MAX, fds, PACKET_FDS), 0);
	assert_int_equal(
	    packet_read(pair[1], data, PACKET_MAX, got, &nfds), PACKET_MAX);
	assert_int_equal(nfds, PACKET_FDS);
	while (nfds > 0)
		fd_close(&got[--nfds]);
	/* One that does not fit leaves no descriptor behind. */
	assert_int_equal(packet_write(pair[0], data, 100, fds, 3), 0);
	assert_int_equal(packet_read(pair[1], data, 50, got, &nfds), -EMSGSIZE);
	assert_int_equal(nfds, 0);
	close(pair[0]);
	close(pair[1]);
}

/* --- notify --------------------------------------------------------------- */

static void
ready_is_heard_with_its_sender(void **state)
{
	static struct notify_message m;
	int fd;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(notify_send("READY=1"), 0);
	fd = notify_listen(in_dir("notify"), 0600, NULL);
	assert_true(fd >= 0);
	setenv("NOTIFY_SOCKET", in_dir("notify"), 1);
	assert_int_equal(notify_receive(fd, &m), 0);
	assert_int_equal(notify_send("STATUS=warm\nREADY=1\n"), 0);
	assert_int_equal(notify_receive(fd, &m), 1);
	assert_true(m.ready);
	assert_false(m.stopping);
	assert_int_equal(m.pid, getpid());
	assert_int_equal(m.status.n, 4);
	assert_memory_equal(m.status.p, "warm", 4);
	assert_int_equal(notify_send("READY=10\nXREADY=1\nSTOPPING=1"), 0);
	assert_int_equal(notify_receive(fd, &m), 1);
	assert_false(m.ready);
	assert_true(m.stopping);
	assert_int_equal(m.status.n, 0);
	close(fd);
	assert_int_equal(notify_send("READY=1"), -ECONNREFUSED);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(notify_send("READY=1"), -EINVAL);
	unsetenv("NOTIFY_SOCKET");
}

static void
a_watchdog_is_for_whom_it_names(void **state)
{
	char pid[16];

	(void)state;
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "10000000", 1);
	assert_int_equal(notify_watchdog_ms(), 10000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(notify_watchdog_ms(), 0);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(notify_watchdog_ms(), 10000);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void
a_folder_is_made_and_given(void **state)
{
	char path[128], link_[128];
	struct stat st;
	struct err err;

	(void)state;
	snprintf(path, sizeof(path), "%s/a/b", dir);
	snprintf(link_, sizeof(link_), "%s/link", dir);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(
		    folder_give(path, 02770, geteuid(), getegid(), &err), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 02770);
		assert_int_equal(st.st_uid, geteuid());
	}
	assert_int_equal(symlink("/", link_), 0);
	assert_true(folder_give(link_, 0700, 1, 1, &err) < 0);
	assert_non_null(strstr(err.text, link_));
	assert_int_equal(stat("/", &st), 0);
	assert_int_not_equal(st.st_uid, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_runs_before_go),
		T(without_its_go_a_child_never_was),
		T(a_recycled_pid_is_never_signalled),
		T(a_name_with_brackets_does_not_hide_a_start_time),
		T(the_environment_of_others_can_be_asked),
		T(the_next_owner_kills_what_is_left),
		T(a_record_of_another_boot_means_nothing),
		T(a_record_has_room_and_a_ceiling),
		T(a_foreign_file_is_not_a_record),
		T(a_queue_keeps_order_and_has_a_ceiling),
		T(packets_have_a_ceiling),
		T(ready_is_heard_with_its_sender),
		T(a_watchdog_is_for_whom_it_names),
		T(a_folder_is_made_and_given),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
