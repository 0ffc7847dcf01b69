/* SPDX-License-Identifier: ISC */

/* How much memory is left, by files that look like the kernel's. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "proc/memory.h"

#define MIB (UINT64_C(1) << 20)

static char dir[64];

static int
setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_memory.XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	fd_remove_tree(dir);
	return 0;
}

static void
put(const char *name, const char *text)
{
	char path[256];
	struct err err;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	*strrchr(path, '/') = '\0';
	assert_int_equal(fd_mkdirs(path, 0755, &err), 0);
	path[strlen(path)] = '/';
	assert_int_equal(
	    fd_replace_file(path, text, strlen(text), 0644, &err), 0);
}

static void
the_least_of_host_and_groups(void **state)
{
	(void)state;
	assert_true(memory_available(dir, 7) == UINT64_MAX);
	put("proc/meminfo",
	    "MemTotal:  900 kB\nMemAvailable:    512000 kB\nSwap: 1 kB\n");
	assert_int_equal(memory_available(dir, 7), 500 * MIB);
	put("proc/7/cgroup", "4:memory:/x\n0::/a.slice/b.service/keeper\n");
	assert_int_equal(memory_available(dir, 7), 500 * MIB);
	put("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
	assert_int_equal(memory_available(dir, 7), 500 * MIB);
	put("sys/fs/cgroup/a.slice/memory.max", "314572800\n");
	assert_int_equal(memory_available(dir, 7), 500 * MIB);
	put("sys/fs/cgroup/a.slice/memory.current", "104857600\n");
	assert_int_equal(memory_available(dir, 7), 200 * MIB);
	put("sys/fs/cgroup/a.slice/memory.stat",
	    "anon 7\ninactive_file 52428800\nactive_file 1\n");
	assert_int_equal(memory_available(dir, 7), 250 * MIB);
	put("sys/fs/cgroup/memory.max", "1048576\n"); /* in a namespace */
	put("sys/fs/cgroup/memory.current", "2097152\n");
	assert_int_equal(memory_available(dir, 7), 0);
	assert_int_equal(memory_available(dir, 0), 500 * MIB);
}

static void
what_is_no_number_limits_nothing(void **state)
{
	(void)state;
	put("proc/meminfo", "MemAvailable: many kB\n");
	put("proc/7/cgroup", "0::/a\n");
	put("sys/fs/cgroup/a/memory.max", "");
	assert_true(memory_available(dir, 7) == UINT64_MAX);
	put("proc/meminfo", "MemAvailable: 99999999999999999999999 kB\n");
	assert_true(memory_available(dir, 7) == UINT64_MAX);
	put("proc/meminfo", "MemAvailable: 18446744073709551615 kB\n");
	assert_true(memory_available(dir, 7) == UINT64_MAX);
}

static void
this_host_has_some(void **state)
{
	uint64_t v = memory_available("", getpid());

	(void)state;
	assert_true(v > MIB && v < UINT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    the_least_of_host_and_groups, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_no_number_limits_nothing, setup, teardown),
		cmocka_unit_test(this_host_has_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
