/* SPDX-License-Identifier: ISC */

/* The sandbox in a child of ours; tests/integration/test_sandbox.py has more.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/sandbox.h"

/* sandbox_enter() of who may not drop capabilities: 0, or its error. */
static int
enter_without_the_right(bool optional, unsigned *missing)
{
	const struct sandbox s = { .drop_capabilities = true,
		.optional = optional };
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
		0 };
	struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

	if (syscall(SYS_capset, &head, none) < 0)
		return -1;
	*missing = 0;
	return sandbox_enter(&s, missing);
}

static void
capabilities_that_cannot_be_dropped_are_an_error(void **state)
{
	(void)state;
	for (int optional = 0; optional <= 1; optional++) {
		pid_t pid = fork();
		unsigned missing;
		int r, status;

		if (pid == 0) {
			r = enter_without_the_right(optional != 0, &missing);
			_exit(r < 0 ? -r : (int)missing);
		}
		assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
		assert_true(WIFEXITED(status));
		/* Nobody but root gets them back by an exec. */
		r = optional ? SANDBOX_NO_CAPABILITIES : EPERM;
		assert_int_equal(WEXITSTATUS(status), geteuid() == 0 ? r : 0);
	}
}

/* Also those that no exec would take: a root without its bounding set. */
static int
capabilities_left(void)
{
	const struct sandbox s = { .drop_capabilities = true };
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
		0 };
	struct __user_cap_data_struct now[2] = { { 0 }, { 0 } };
	unsigned missing = 0;

	if (syscall(SYS_capget, &head, now) < 0)
		return 2;
	for (int i = 0; i < 2; i++)
		now[i].inheritable = now[i].permitted;
	if (syscall(SYS_capset, &head, now) < 0)
		return 3;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0);
	if (sandbox_enter(&s, &missing) < 0 || sandbox_seal(&s, &missing) < 0)
		return 4;
	if (syscall(SYS_capget, &head, now) < 0)
		return 5;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0) != 0)
		return 6;
	return (now[0].effective | now[0].permitted | now[0].inheritable |
		   now[1].effective | now[1].permitted | now[1].inheritable) !=
	    0;
}

static void
no_capability_is_left(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(capabilities_left());
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_capability_is_left),
		cmocka_unit_test(
		    capabilities_that_cannot_be_dropped_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
