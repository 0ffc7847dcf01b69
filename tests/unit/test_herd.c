/* SPDX-License-Identifier: ISC */

/* Control's side: spawning, exits, the manifest, and coming back. */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "keeper/keeper.h"
#include "keeper_world.h"
#include "proc/packet.h"

/* --- what must hold ------------------------------------------------------- */

static void
an_empty_herd_is_ready(void **state)
{
	struct world *w = *state;

	assert_int_equal(w->ready, 1);
	assert_int_equal(herd_keeper_pid(w->herd), w->keeper);
	assert_int_equal(strlen(herd_incarnation(w->herd)), 32);
	assert_int_equal(herd_last_id(w->herd), 0);
}

static void
a_child_runs_and_its_exit_is_told(void **state)
{
	struct world *w = *state;
	const struct seen *s = run_script(w, "echo one; echo two >&2; exit 7");

	assert_int_equal(s->spawned, 1);
	assert_int_equal(s->exited, 1);
	assert_int_equal(s->exit.kind, EXIT_EXITED);
	assert_int_equal(s->exit.code, 7);
	assert_true(s->exit.at_wall_ms > clock_wall_ms() - 10000);
	assert_true(strcmp(s->tail, "one\ntwo") == 0 ||
	    strcmp(s->tail, "two\none") == 0);
}

static void
a_signal_is_told_as_such(void **state)
{
	struct world *w = *state;
	const struct seen *s = run_script(w, "kill -SEGV $$");

	assert_int_equal(s->exit.kind, EXIT_SIGNALLED);
	assert_int_equal(s->exit.signal, SIGSEGV);
	assert_string_equal(s->tail, "");
}

static void
what_cannot_run_says_at_which_stage(void **state)
{
	static const char *const missing[] = { "no-such-program", NULL };
	static const char *const folder[] = { "/tmp", NULL };
	struct world *w = *state;
	struct spawn_spec spec = spec_of(w, missing);
	const struct seen *s = spawn_now(w, &spec);

	UNTIL(w, s->failed);
	assert_int_equal(s->error, -ENOENT);
	assert_string_equal(s->stage, "exec");

	spec = spec_of(w, folder);
	s = spawn_now(w, &spec);
	UNTIL(w, s->failed);
	assert_int_equal(s->error, -EACCES);
	assert_string_equal(s->stage, "exec");

	spec = spec_of(w, folder);
	spec.directory = "/no/such/folder";
	s = spawn_now(w, &spec);
	UNTIL(w, s->failed);
	assert_int_equal(s->error, -ENOENT);
	assert_string_equal(s->stage, "directory");
	assert_int_equal(s->spawned + s->exited, 0);

	hang_up(w); /* and nothing of them is kept */
	connect_herd(w);
	assert_int_equal(w->nseen, 0);
}

static void
an_id_is_used_once(void **state)
{
	static const char *const argv[] = { "true", NULL };
	struct world *w = *state;
	struct spawn_spec spec = spec_of(w, argv);
	struct seen *s;

	spec.id = w->id = 10;
	s = spawn_now(w, &spec);
	UNTIL(w, s->exited);
	spec.id = 9;
	s = spawn_now(w, &spec);
	UNTIL(w, s->failed);
	assert_int_equal(s->error, -EEXIST);
	assert_string_equal(s->stage, "id");
	hang_up(w);
	connect_herd(w);
	assert_int_equal(herd_last_id(w->herd), 10);
}

static void
the_environment_is_only_what_was_given(void **state)
{
	struct world *w = *state;
	const struct seen *s;
	char mark[80];

	setenv("LEAK", "1", 1);
	s = run_script(w, "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= | sort");
	snprintf(mark, sizeof(mark), "\nDROVER_CHILD=%s.1\n",
	    herd_incarnation(w->herd));
	assert_ptr_equal(strstr(s->tail, "A=1\n"), s->tail);
	assert_non_null(strstr(s->tail, mark));
	assert_null(strstr(s->tail, "LEAK"));
	assert_null(strstr(s->tail, "HOME"));
}

static void
a_child_has_nothing_but_its_own_descriptors(void **state)
{
	struct world *w = *state;
	const struct seen *s = run_script(w,
	    "for f in /proc/$$/fd/*; do echo ${f##*/}; done;"
	    "readlink /proc/$$/fd/0;"
	    /* By itself: a shell blocks signals around its forks. */
	    "while IFS= read -r l; do case $l in Sig[BIC]*) echo \"$l\";; esac;"
	    "done </proc/$$/status;"
	    "cut -d' ' -f5,6 /proc/$$/stat; echo $$");
	const char *p = strstr(s->tail, "/dev/null");
	int pgid, sid, pid;

	/* 10 is the shell's own, where it has one. */
	assert_true(strncmp(s->tail, "0\n1\n2\n", 6) == 0);
	assert_non_null(p);
	assert_non_null(strstr(p, "SigBlk:\t0000000000000000"));
	assert_non_null(strstr(p, "SigIgn:\t0000000000000000"));
	p = strrchr(p, '\t');
	assert_non_null(p);
	p = strchr(p, '\n');
	assert_non_null(p);
	assert_int_equal(sscanf(p, "%d %d %d", &pgid, &sid, &pid), 3);
	assert_int_equal(pgid, pid);
	assert_int_equal(sid, pid);
	assert_int_equal(pid, s->pid);
}

static void
passed_descriptors_begin_at_three(void **state)
{
	static const char *const argv[] = { "sh", "-c",
		"echo $LISTEN_FDS; [ $LISTEN_PID = $$ ] && echo mine;"
		"echo through >&3; cat <&4",
		NULL };
	struct world *w = *state;
	struct spawn_spec spec = spec_of(w, argv);
	int out[2], in[2], fds[2];
	struct seen *s;
	char text[32];

	assert_int_equal(pipe(out), 0);
	assert_int_equal(pipe(in), 0);
	fds[0] = out[1];
	fds[1] = in[0];
	spec.nfds = 2;
	spec.listen_fds = 1;
	assert_int_equal(write(in[1], "hello", 5), 5);
	close(in[1]);
	assert_int_equal(herd_spawn(w->herd, &spec, fds), 0);
	close(out[1]);
	close(in[0]);
	s = see(w, spec.id);
	UNTIL(w, s->exited);
	assert_string_equal(s->tail, "1\nmine\nhello");
	assert_int_equal(read(out[0], text, sizeof(text)), 8);
	assert_int_equal(read(out[0], text, sizeof(text)), 0); /* all closed */
	close(out[0]);
}

static void
touch(const struct world *w, const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void
signals_reach_the_leader_or_the_group(void **state)
{
	struct world *w = *state;
	struct seen *s = start_script(w,
	    "trap 'echo leader' USR1; trap 'echo done; exit 3' TERM;"
	    "sh -c 'trap \"echo member\" USR1;"
	    " until [ -e followed ]; do sleep 0.02; done; echo up;"
	    " while :; do sleep 0.02; done' & "
	    "while :; do sleep 0.02; done");

	assert_int_equal(herd_follow(w->herd, "t.0", true), 0);
	turn(w, 5); /* what was asked for is sent */
	touch(w, "followed");
	UNTIL(w, w->lines >= 1);
	w->lines = 0;
	assert_int_equal(herd_signal(w->herd, s->id, SIGUSR1, false), 0);
	UNTIL(w, w->lines >= 1);
	assert_string_equal(w->last_line, "leader");
	w->lines = 0;
	assert_int_equal(herd_signal(w->herd, s->id, SIGUSR1, true), 0);
	UNTIL(w, w->lines >= 2);
	assert_int_equal(herd_signal(w->herd, s->id, SIGTERM, false), 0);
	UNTIL(w, s->exited);
	assert_int_equal(s->exit.code, 3);
}

static void
control_comes_back_to_what_it_left(void **state)
{
	struct world *w = *state;
	struct seen *a = start_script(w, "exec sleep 1000");
	struct seen *b = start_script(
	    w, "read x < gate; echo last words; exit 9");
	pid_t pid = a->pid;
	uint64_t ids[2] = { a->id, b->id };
	int fd;

	assert_int_equal(herd_note(w->herd, ids[0], "first", 5), 0);
	assert_int_equal(herd_note(w->herd, ids[0], "my note", 7), 0);
	UNTIL(w, b->exited); /* no gate: it fails at once */
	assert_int_equal(b->exit.code, 9);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(herd_put_fd(w->herd, "listen:80", fd), 0);
	assert_int_equal(herd_put_fd(w->herd, "gone", fd), 0);
	assert_int_equal(herd_drop_fd(w->herd, "gone"), 0);
	close(fd);
	hang_up(w);

	connect_herd(w);
	assert_int_equal(w->nseen, 2);
	a = see(w, ids[0]);
	b = see(w, ids[1]);
	assert_int_equal(a->manifest, 1);
	assert_int_equal(a->exited, 0);
	assert_int_equal(a->pid, pid);
	assert_string_equal(a->note, "my note");
	assert_string_equal(a->slot, "t.0");
	assert_int_equal(b->exited, 1);
	assert_int_equal(b->exit.code, 9);
	assert_non_null(strstr(b->tail, "last words"));
	assert_string_equal(w->fd_name, "listen:80");
	assert_true(fcntl(w->fd, F_GETFD) & FD_CLOEXEC);

	assert_int_equal(herd_forget(w->herd, ids[1]), 0);
	assert_int_equal(herd_forget(w->herd, ids[0]), 0); /* it lives */
	hang_up(w);
	connect_herd(w);
	assert_int_equal(w->nseen, 1);
	assert_int_equal(see(w, ids[0])->pid, pid);
	assert_true(is_alive(pid));
}

static void
an_exit_while_control_was_dead_is_known(void **state)
{
	struct world *w = *state;
	const struct seen *s = start_script(
	    w, "echo hello; while ! [ -e gate ]; do sleep 0.01; done; exit 4");
	uint64_t id = s->id;
	pid_t pid = s->pid;
	char gate[128];
	int fd;

	hang_up(w);
	snprintf(gate, sizeof(gate), "%s/gate", w->dir);
	fd = open(gate, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	UNTIL(w, !is_alive(pid));
	turn(w, 50);
	connect_herd(w);
	s = see(w, id);
	assert_int_equal(s->manifest, 1);
	assert_int_equal(s->exited, 1);
	assert_int_equal(s->exit.kind, EXIT_EXITED);
	assert_int_equal(s->exit.code, 4);
	assert_string_equal(s->tail, "hello");
}

static void
a_newer_control_replaces_the_older(void **state)
{
	struct world *w = *state;
	struct herd *old = w->herd;
	struct err err;

	assert_int_equal(
	    herd_connect(&w->herd, w->loop, w->path, &world_ops, w, &err), 0);
	UNTIL(w, w->ready == 2 && w->lost == 1);
	herd_free(old);
	assert_int_equal(run_script(w, "exit 1")->exit.code, 1);
}

static void
a_newer_protocol_is_refused_with_the_reason(void **state)
{
	const struct keeper_msg hello = { .type = KEEPER_MSG_HELLO,
		.version = KEEPER_MSG_VERSION + 1,
		.oldest = KEEPER_MSG_VERSION + 1 };
	struct world *w = *state;
	static struct keeper_msg m;
	unsigned char data[1024];
	int fds[PACKET_FDS], fd;
	unsigned nfds;
	struct buf b;
	ssize_t got;

	buf_init(&b, KEEPER_MSG_MAX);
	fd = packet_connect(w->path, NULL);
	assert_true(fd >= 0);
	assert_int_equal(
	    keeper_msg_encode(&hello, KEEPER_MSG_VERSION + 1, &b), 0);
	assert_int_equal(packet_write(fd, b.data, b.len, NULL, 0), 0);
	while (
	    (got = packet_read(fd, data, sizeof(data), fds, &nfds)) == -EAGAIN)
		turn(w, 5);
	assert_true(got > 0);
	assert_int_equal(keeper_msg_decode(&m, data, (size_t)got, NULL), 0);
	assert_int_equal(m.type, KEEPER_MSG_REFUSED);
	assert_non_null(strstr(m.text, "speaks versions 5 to 5"));
	close(fd);
	buf_done(&b);
	/* He who was there before still is. */
	assert_int_equal(run_script(w, "exit 1")->exit.code, 1);
	assert_int_equal(w->lost, 0);
}

static void
nobody_and_nonsense_are_told_apart(void **state)
{
	struct world *w = *state;
	struct herd *h;
	struct err err;
	int fd;

	assert_int_equal(
	    herd_connect(&h, w->loop, "/tmp/no/such", &world_ops, w, &err),
	    -ENOENT);
	fd = packet_connect(w->path, NULL);
	assert_int_equal(packet_write(fd, "nonsense", 8, NULL, 0), 0);
	turn(w, 20);
	assert_int_equal(run_script(w, "exit 1")->exit.code, 1);
	close(fd);
}

/* The socket's mode alone is not trusted: whoever comes is looked at. */
static void
strangers_are_not_served(void **state)
{
	struct world *w = *state;
	int status, expected = geteuid() == 0 ? -EACCES : 0;
	struct herd *h;
	pid_t pid;

	assert_int_equal(chmod(w->dir, 0755), 0);
	assert_int_equal(chmod(w->path, 0666), 0);
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(2);
		_exit(herd_connect(&h, w->loop, w->path, &world_ops, w, NULL) ==
			    expected
			? 0
			: 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
a_second_keeper_of_one_folder_refuses(void **state)
{
	struct world *w = *state;
	const struct keeper_args args = {
		.runtime = w->dir, .ready_fd = -1, .control_uid = (uid_t)-1
	};
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(2);
		_exit(keeper_main(&args));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	assert_true(exists(w, "keeper.sock"));
	assert_int_equal(run_script(w, "exit 1")->exit.code, 1);
}

static void
a_lost_keeper_is_told_and_the_next_one_clears_up(void **state)
{
	struct world *w = *state;
	const struct seen *s = start_script(w,
	    "setsid sh -c 'echo $$ > stray; exec sleep 1000' & exec sleep "
	    "1000");
	pid_t pid = s->pid, stray;

	UNTIL(w, (stray = pid_in(w, "stray")) > 0);
	kill(w->keeper, SIGKILL);
	waitpid(w->keeper, NULL, 0);
	UNTIL(w, w->lost == 1);
	assert_true(is_alive(pid));
	hang_up(w);
	keeper_start(w);
	assert_false(is_alive(pid));
	UNTIL(w, !is_alive(stray));
	connect_herd(w);
	assert_int_equal(w->nseen, 0);
}

/* --- grandchildren -------------------------------------------------------- */

static void
no_grandchild_survives_its_leader(void **state)
{
	struct world *w = *state;
	pid_t group = 0, session = 0, hidden = 0;
	const struct seen *s = start_script(w,
	    "sh -c 'echo $$ > group; exec sleep 1000' & "
	    "setsid sh -c 'echo $$ > session; exec sleep 1000' & "
	    "setsid env -i sh -c '(echo $$ > hidden; exec sleep 1000)' & "
	    "exec sleep 1000");

	UNTIL(w,
	    (group = pid_in(w, "group")) > 0 &&
		(session = pid_in(w, "session")) > 0 &&
		(hidden = pid_in(w, "hidden")) > 0);
	assert_true(is_alive(group) && is_alive(session) && is_alive(hidden));
	assert_int_equal(herd_signal(w->herd, s->id, SIGKILL, false), 0);
	UNTIL(w, s->exited);
	UNTIL(w, !is_alive(group));
	UNTIL(w, !is_alive(session));
	UNTIL(w, !is_alive(hidden));
}

static void
the_living_keep_their_orphans(void **state)
{
	struct world *w = *state;
	const struct seen *s = start_script(w,
	    "(setsid sh -c 'echo $$ > orphan; exec sleep 1000' &) ; "
	    "exec sleep 1000");
	pid_t orphan;

	UNTIL(w, (orphan = pid_in(w, "orphan")) > 0);
	assert_int_equal(run_script(w, "exit 1")->exit.code, 1);
	turn(w, 50);
	assert_true(is_alive(orphan));
	assert_int_equal(herd_signal(w->herd, s->id, SIGTERM, false), 0);
	UNTIL(w, s->exited);
	UNTIL(w, !is_alive(orphan));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_empty_herd_is_ready),
		T(a_child_runs_and_its_exit_is_told),
		T(a_signal_is_told_as_such),
		T(what_cannot_run_says_at_which_stage),
		T(an_id_is_used_once),
		T(the_environment_is_only_what_was_given),
		T(a_child_has_nothing_but_its_own_descriptors),
		T(passed_descriptors_begin_at_three),
		T(signals_reach_the_leader_or_the_group),
		T(control_comes_back_to_what_it_left),
		T(an_exit_while_control_was_dead_is_known),
		T(a_newer_control_replaces_the_older),
		T(a_newer_protocol_is_refused_with_the_reason),
		T(nobody_and_nonsense_are_told_apart),
		T(strangers_are_not_served),
		T(a_second_keeper_of_one_folder_refuses),
		T(a_lost_keeper_is_told_and_the_next_one_clears_up),
		T(no_grandchild_survives_its_leader),
		T(the_living_keep_their_orphans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
