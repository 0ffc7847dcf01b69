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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    capabilities_that_cannot_be_dropped_are_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
