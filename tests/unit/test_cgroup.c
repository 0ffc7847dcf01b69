/* SPDX-License-Identifier: ISC */

/* On a folder that looks like a cgroup: few hosts of tests have a real one. */

#define _GNU_SOURCE

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "proc/cgroup.h"

static char dir[64];

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
	snprintf(dir, sizeof(dir), "/tmp/test_cgroup.XXXXXX");
	assert_non_null(mkdtemp(dir));
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

static int
teardown(void **state)
{
	(void)state;
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

static void
assert_file(const char *name, const char *text)
{
	struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(fd_read_file(in_dir(name), &b), 0);
	assert_string_equal(buf_str(&b), text);
	buf_done(&b);
}

static void
make_leaf(const char *leaf)
{
	static const char *const files[] = { "cgroup.procs", "cgroup.kill",
		"memory.max", "memory.oom.group", "cpu.max", "pids.max" };
	char name[64];

	assert_int_equal(mkdir(in_dir(leaf), 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(name, sizeof(name), "%s/%s", leaf, files[i]);
		put_file(name, "");
	}
	snprintf(name, sizeof(name), "%s/memory.events", leaf);
	put_file(name, "low 0\nmax 3\noom 1\noom_kill 0\n");
}

static void
fake_cgroup(struct cgroup *c)
{
	struct err err;

	put_file("cgroup.controllers", "cpuset cpu io memory pids\n");
	put_file("cgroup.subtree_control", "");
	make_leaf("keeper");
	cgroup_init(c, dir, &err);
	assert_true(c->fd >= 0);
}

static void
a_group_is_taken_over_and_left_for_its_leaf(void **state)
{
	struct cgroup c;
	char pid[16];

	(void)state;
	fake_cgroup(&c);
	assert_true(c.memory && c.cpu && c.pids);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	assert_file("keeper/cgroup.procs", pid);
	assert_file("cgroup.subtree_control", "+memory +cpu +pids");
	cgroup_done(&c);
}

static void
a_leaf_gets_all_its_limits(void **state)
{
	const struct cgroup_limits some = {
		.memory = 512ull << 20, .cpu_percent = 250, .processes = 64
	};
	const struct cgroup_limits none = { 0 };
	struct cgroup c;

	(void)state;
	fake_cgroup(&c);
	make_leaf("c1");
	assert_int_equal(cgroup_make(&c, "c1", &some), 0);
	assert_file("c1/memory.max", "536870912");
	assert_file("c1/memory.oom.group", "1");
	assert_file("c1/cpu.max", "250000 100000");
	assert_file("c1/pids.max", "64");
	assert_int_equal(cgroup_enter(&c, "c1", 4711), 0);
	assert_file("c1/cgroup.procs", "4711");
	assert_false(cgroup_was_oom(&c, "c1"));
	put_file("c1/memory.events", "low 0\noom 1\noom_kill 2\n");
	assert_true(cgroup_was_oom(&c, "c1"));
	assert_int_equal(cgroup_kill(&c, "c1"), 0);
	assert_file("c1/cgroup.kill", "1");
	assert_true(cgroup_remove(&c, "c1") < 0); /* not empty */
	/* The next one in its place starts from nothing. */
	make_leaf("c2");
	put_file("c2/memory.max", "4096000000");
	assert_int_equal(truncate(in_dir("c2/memory.max"), 0), 0);
	assert_int_equal(cgroup_make(&c, "c2", &none), 0);
	assert_file("c2/memory.max", "max");
	assert_file("c2/cpu.max", "max");
	assert_file("c2/pids.max", "max");
	/* A real one has its files at once; without them it fails whole. */
	assert_int_equal(cgroup_make(&c, "c3", &some), -ENOENT);
	assert_int_equal(access(in_dir("c3"), F_OK), -1);
	cgroup_done(&c);
}

static void
nothing_is_offered_without_the_controllers(void **state)
{
	struct cgroup c;
	struct err err;

	(void)state;
	put_file("cgroup.controllers", "cpuset cpu io pids\n");
	cgroup_init(&c, dir, &err);
	assert_int_equal(c.fd, -1);
	assert_false(c.memory || c.cpu || c.pids);
	assert_non_null(strstr(err.text, "lacks the controllers"));
	cgroup_init(&c, "/no/such/folder", &err);
	assert_int_equal(c.fd, -1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_group_is_taken_over_and_left_for_its_leaf),
		T(a_leaf_gets_all_its_limits),
		T(nothing_is_offered_without_the_controllers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
