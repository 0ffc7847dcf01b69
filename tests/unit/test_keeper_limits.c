/* SPDX-License-Identifier: ISC */

/* What a child may not, and how much it gets. */

#define _GNU_SOURCE

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper_world.h"
#include "model/seccomp.h"

static const struct seen *
run_confined(struct world *w, const char *script, void (*set)(void *spec))
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct spawn_spec spec = spec_of(w, argv);
	const struct seen *s;

	set(&spec);
	s = spawn_now(w, &spec);
	UNTIL(w, s->exited || s->failed);
	return s;
}

static void
set_limits(void *arg)
{
	struct spawn_spec *spec = arg;

	spec->files = 77;
	spec->umask = 027;
	spec->processes = 4000;
}

static void
limits_are_set(void **state)
{
	const struct seen *s = run_confined(*state,
	    "ulimit -n; umask; grep processes /proc/self/limits", set_limits);

	assert_true(strncmp(s->tail, "77\n0027\n", 8) == 0);
	/* root is not bound by RLIMIT_NPROC: it stays as it was */
	if (geteuid() != 0)
		assert_non_null(strstr(s->tail, "4000"));
}

static void
set_nobody(void *arg)
{
	struct spawn_spec *spec = arg;

	spec->uid = geteuid() == 65534 ? 65533 : 65534;
	spec->gid = 65534;
	spec->directory = "/";
	spec->processes = 4000;
}

static void
another_user_needs_the_right_to_become_it(void **state)
{
	const struct seen *s = run_confined(*state,
	    "id -u; id -g; id -G; grep CapEff /proc/self/status;"
	    "grep processes /proc/self/limits",
	    set_nobody);

	if (geteuid() == 0) {
		assert_true(strncmp(s->tail,
				"65534\n65534\n65534\nCapEff:\t"
				"0000000000000000\n",
				25) == 0);
		assert_non_null(strstr(s->tail, " 4000 "));
	} else {
		assert_string_equal(s->stage, "user");
		assert_int_equal(s->error, -EPERM);
	}
}

static void
set_sealed(void *arg)
{
	struct spawn_spec *spec = arg;

	spec->no_new_privs = true;
	spec->drop_capabilities = true;
}

static void
privileges_are_dropped(void **state)
{
	const struct seen *s = run_confined(*state,
	    "grep -E '^(Cap|NoNewPrivs)' /proc/self/status", set_sealed);

	assert_non_null(strstr(s->tail, "NoNewPrivs:\t1"));
	assert_non_null(strstr(s->tail, "CapEff:\t0000000000000000"));
	assert_non_null(strstr(s->tail, "CapPrm:\t0000000000000000"));
	assert_non_null(strstr(s->tail, "CapAmb:\t0000000000000000"));
	if (geteuid() == 0)
		assert_non_null(strstr(s->tail, "CapBnd:\t0000000000000000"));
}

static const char *own_folder[] = { NULL, NULL };

static void
set_boxed(void *arg)
{
	struct spawn_spec *spec = arg;

	own_folder[0] = spec->directory;
	spec->private_tmp = spec->read_only = spec->no_network = true;
	spec->writable = own_folder;
}

/*
 * Where the host gives no namespaces the same spec must fail, at the stage
 * that says so: either way a service never runs in less than it asked for.
 */
static void
a_sandbox_is_given_whole_or_refused(void **state)
{
	struct world *w = *state;
	const struct seen *s;

	s = run_confined(w,
	    "echo x > mine && echo own; (echo x > /var/no) 2>/dev/null || echo "
	    "ro;"
	    "(echo x > /etc/no) 2>/dev/null || echo ro; echo x > /tmp/some && "
	    "echo tmp;"
	    "ls /tmp | wc -l; grep -c : /proc/net/dev; echo x > /dev/null &&"
	    "echo null",
	    set_boxed);
	if (!herd_host(w->herd)->namespaces) {
		assert_string_equal(s->stage, "sandbox");
		return;
	}
	assert_string_equal(s->tail, "own\nro\nro\ntmp\n2\n1\nnull");
	assert_true(exists(w, "mine"));
	assert_int_not_equal(access("/tmp/some", F_OK), 0);
}

static void
set_boxed_wrongly(void *arg)
{
	struct spawn_spec *spec = arg;

	set_boxed(arg);
	own_folder[0] = "/no/such/folder";
	spec->directory = "/";
}

static void
set_optional(void *arg)
{
	struct spawn_spec *spec = arg;

	set_boxed_wrongly(arg);
	spec->optional = true;
}

static void
a_sandbox_that_fails_stops_the_start_unless_optional(void **state)
{
	struct world *w = *state;
	const struct seen *s = run_confined(w, "exit 3", set_boxed_wrongly);

	assert_int_equal(s->failed, 1);
	assert_int_equal(s->exited + s->spawned, 0);
	assert_string_equal(s->stage, "sandbox");
	s = run_confined(w, "exit 3", set_optional);
	assert_int_equal(s->exit.code, 3);
	if (herd_host(w->herd)->namespaces)
		assert_int_equal(s->missing, SPAWN_NO_READ_ONLY);
	else
		assert_int_equal(s->missing,
		    SPAWN_NO_PRIVATE_TMP | SPAWN_NO_READ_ONLY |
			SPAWN_NO_NETWORK);
}

static struct sock_filter filter[SECCOMP_STEPS_MAX];

static void
set_filter(void *arg)
{
	struct spawn_spec *spec = arg;
	int n = seccomp_build(0, filter);

	assert_true(n > 0);
	spec->no_new_privs = true;
	spec->filter = filter;
	spec->filter_len = (size_t)n * sizeof(filter[0]);
}

static void
set_bad_filter(void *arg)
{
	struct spawn_spec *spec = arg;

	set_filter(arg);
	spec->filter_len -= 8; /* its last jumps lead nowhere */
}

static void
set_optional_bad_filter(void *arg)
{
	struct spawn_spec *spec = arg;

	set_bad_filter(arg);
	spec->optional = true;
	spec->missing = SPAWN_NO_USER; /* as control found */
}

static void
a_filter_is_taken_by_the_kernel_or_refused(void **state)
{
	struct world *w = *state;
	const struct seen *s = run_confined(w,
	    "grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status", set_filter);

	assert_string_equal(s->tail, "NoNewPrivs:\t1\nSeccomp:\t2");
	assert_int_equal(s->missing, 0);
	s = run_confined(w, "exit 3", set_bad_filter);
	assert_int_equal(s->failed, 1);
	assert_int_equal(s->error, -EINVAL);
	assert_string_equal(s->stage, "sandbox");
	s = run_confined(
	    w, "grep ^Seccomp: /proc/self/status", set_optional_bad_filter);
	assert_string_equal(s->tail, "Seccomp:\t0");
	assert_int_equal(s->missing, SPAWN_NO_SECCOMP | SPAWN_NO_USER);
}

static void
what_is_missing_is_told_to_the_next_control(void **state)
{
	static const char *const argv[] = { "sleep", "1000", NULL };
	struct world *w = *state;
	struct spawn_spec spec = spec_of(w, argv);
	struct seen *s;

	set_optional_bad_filter(&spec);
	s = spawn_now(w, &spec);
	UNTIL(w, s->spawned);
	s->missing = 0;
	hang_up(w);
	connect_herd(w);
	assert_int_equal(s->manifest, 1);
	assert_int_equal(s->missing, SPAWN_NO_SECCOMP | SPAWN_NO_USER);
}

/* --- a cgroup, or what looks like one ------------------------------------- */

static void
put_text(const struct world *w, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
make_leaf(const struct world *w, const char *leaf)
{
	static const char *const files[] = { "cgroup.procs", "cgroup.kill",
		"memory.max", "memory.oom.group", "cpu.max", "pids.max",
		"memory.events" };
	char name[160];

	snprintf(name, sizeof(name), "%s/%s", w->dir, leaf);
	assert_int_equal(mkdir(name, 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(name, sizeof(name), "%s/%s", leaf, files[i]);
		put_text(w, name, "");
	}
}

static void
limited_children_live_in_leaves(void **state)
{
	static const char *const argv[] = { "sh", "-c",
		"sh -c 'echo $$ > member; exec sleep 1000' & exec sleep 1000",
		NULL };
	pid_t member = 0;
	struct world *w = *state;
	char text[64], folder[96], pid[16];
	struct spawn_spec spec;
	struct seen *s;

	assert_false(herd_host(w->herd)->cgroup_memory);
	kill(w->keeper, SIGTERM);
	assert_int_equal(await_keeper(w), 0);
	hang_up(w);
	snprintf(folder, sizeof(folder), "%s/cg", w->dir);
	assert_int_equal(mkdir(folder, 0755), 0);
	put_text(w, "cg/cgroup.controllers", "cpu memory pids\n");
	put_text(w, "cg/cgroup.subtree_control", "");
	make_leaf(w, "cg/keeper");
	make_leaf(w, "cg/c1");
	w->cgroup = folder;
	keeper_start(w);
	connect_herd(w);
	assert_true(herd_host(w->herd)->cgroup_memory &&
	    herd_host(w->herd)->cgroup_cpu && herd_host(w->herd)->cgroup_pids);

	spec = spec_of(w, argv);
	spec.memory = 64 << 20;
	spec.cpu_percent = 50;
	spec.processes = 10;
	s = spawn_now(w, &spec);
	UNTIL(w, s->spawned);
	read_text(w, "cg/c1/memory.max", text, sizeof(text));
	assert_string_equal(text, "67108864");
	read_text(w, "cg/c1/cpu.max", text, sizeof(text));
	assert_string_equal(text, "50000 100000");
	read_text(w, "cg/c1/cgroup.procs", text, sizeof(text));
	snprintf(pid, sizeof(pid), "%d", (int)s->pid);
	assert_string_equal(text, pid);
	UNTIL(w, (member = pid_in(w, "member")) > 0);
	put_text(w, "cg/c1/memory.events", "oom 1\noom_kill 1\n");
	assert_int_equal(herd_signal(w->herd, s->id, SIGKILL, false), 0);
	UNTIL(w, s->exited);
	assert_int_equal(s->exit.kind, EXIT_OOM);
	/* The fake kills nobody: the group died by its leader's number. */
	UNTIL(w, !is_alive(member));
	read_text(w, "cg/c1/cgroup.kill", text, sizeof(text));
	assert_string_equal(text, "1");

	spec = spec_of(w, argv); /* the fake has no leaf for it */
	s = spawn_now(w, &spec);
	UNTIL(w, s->failed);
	assert_string_equal(s->stage, "cgroup");
	assert_int_equal(s->spawned, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(limits_are_set),
		T(another_user_needs_the_right_to_become_it),
		T(privileges_are_dropped),
		T(a_sandbox_is_given_whole_or_refused),
		T(a_sandbox_that_fails_stops_the_start_unless_optional),
		T(a_filter_is_taken_by_the_kernel_or_refused),
		T(what_is_missing_is_told_to_the_next_control),
		T(limited_children_live_in_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
