/* SPDX-License-Identifier: ISC */

/* Which calls the default profile refuses: on paper, and by the kernel. */

#define _GNU_SOURCE

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/seccomp.h"

#if defined(__x86_64__)
#define OURS AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OURS AUDIT_ARCH_AARCH64
#else
#define OURS AUDIT_ARCH_RISCV64
#endif

#define ALL ((1u << SECCOMP_NGROUPS) - 1)
#define NUMBERS 1000
#define REFUSED(e) (SECCOMP_RET_ERRNO | (e))

static struct sock_filter filter[SECCOMP_STEPS_MAX];
static int nsteps;

/* --- on paper ------------------------------------------------------------- */

static uint32_t
jump(const struct sock_filter *f, uint32_t a)
{
	switch (f->code & 0xf0) {
	case BPF_JEQ:
		return a == f->k;
	case BPF_JGT:
		return a > f->k;
	case BPF_JGE:
		return a >= f->k;
	case BPF_JSET:
		return (a & f->k) != 0;
	}
	fail_msg("a jump of code %#x", f->code);
	return 0;
}

/* What the kernel would do; it ends, because jumps lead forward only. */
static uint32_t
judge(uint32_t arch, long nr, uint64_t arg0)
{
	struct seccomp_data data = { .nr = (int)nr, .arch = arch };
	uint32_t a = 0;

	data.args[0] = arg0;
	for (int at = 0; at < nsteps; at++) {
		const struct sock_filter *f = &filter[at];

		if (f->code == (BPF_LD | BPF_W | BPF_ABS))
			memcpy(&a, (const char *)&data + f->k, 4);
		else if (f->code == (BPF_RET | BPF_K))
			return f->k;
		else
			at += jump(f, a) ? f->jt : f->jf;
	}
	fail_msg("no verdict");
	return 0;
}

static uint32_t
call(long nr)
{
	return judge(OURS, nr, 0);
}

static int
build(void **state)
{
	(void)state;
	nsteps = seccomp_build(0, filter);
	return nsteps > 0 ? 0 : -1;
}

/* Stated once more: what no service needs. */
static const struct {
	long nr;
	enum seccomp_group group;
} refused[] = {
	{ SYS_mount, SECCOMP_FILESYSTEM },
	{ SYS_umount2, SECCOMP_FILESYSTEM },
	{ SYS_pivot_root, SECCOMP_FILESYSTEM },
	{ SYS_chroot, SECCOMP_FILESYSTEM },
	{ SYS_move_mount, SECCOMP_FILESYSTEM },
	{ SYS_open_tree, SECCOMP_FILESYSTEM },
	{ SYS_fsopen, SECCOMP_FILESYSTEM },
	{ SYS_fsconfig, SECCOMP_FILESYSTEM },
	{ SYS_fsmount, SECCOMP_FILESYSTEM },
	{ SYS_fspick, SECCOMP_FILESYSTEM },
	{ SYS_mount_setattr, SECCOMP_FILESYSTEM },
	{ SYS_quotactl, SECCOMP_FILESYSTEM },
	{ SYS_quotactl_fd, SECCOMP_FILESYSTEM },
	{ SYS_open_by_handle_at, SECCOMP_FILESYSTEM },
	{ SYS_fanotify_init, SECCOMP_FILESYSTEM },
	{ 457, SECCOMP_FILESYSTEM },
	{ 458, SECCOMP_FILESYSTEM },
	{ 467, SECCOMP_FILESYSTEM },
	{ SYS_setns, SECCOMP_NAMESPACES },
	{ SYS_init_module, SECCOMP_KERNEL },
	{ SYS_finit_module, SECCOMP_KERNEL },
	{ SYS_delete_module, SECCOMP_KERNEL },
	{ SYS_kexec_load, SECCOMP_KERNEL },
	{ SYS_reboot, SECCOMP_KERNEL },
	{ SYS_swapon, SECCOMP_KERNEL },
	{ SYS_swapoff, SECCOMP_KERNEL },
	{ SYS_acct, SECCOMP_KERNEL },
	{ SYS_syslog, SECCOMP_KERNEL },
	{ SYS_sethostname, SECCOMP_KERNEL },
	{ SYS_setdomainname, SECCOMP_KERNEL },
	{ SYS_vhangup, SECCOMP_KERNEL },
	{ SYS_settimeofday, SECCOMP_CLOCK },
	{ SYS_clock_settime, SECCOMP_CLOCK },
	{ SYS_clock_adjtime, SECCOMP_CLOCK },
	{ SYS_adjtimex, SECCOMP_CLOCK },
	{ SYS_ptrace, SECCOMP_DEBUG },
	{ SYS_process_vm_readv, SECCOMP_DEBUG },
	{ SYS_process_vm_writev, SECCOMP_DEBUG },
	{ SYS_pidfd_getfd, SECCOMP_DEBUG },
	{ SYS_kcmp, SECCOMP_DEBUG },
	{ SYS_perf_event_open, SECCOMP_DEBUG },
	{ SYS_bpf, SECCOMP_DEBUG },
	{ SYS_userfaultfd, SECCOMP_DEBUG },
	{ SYS_add_key, SECCOMP_KEYRING },
	{ SYS_request_key, SECCOMP_KEYRING },
	{ SYS_keyctl, SECCOMP_KEYRING },
	{ SYS_io_uring_setup, SECCOMP_IO_URING },
	{ SYS_io_uring_enter, SECCOMP_IO_URING },
	{ SYS_io_uring_register, SECCOMP_IO_URING },
	{ SYS_nfsservctl, SECCOMP_OBSOLETE },
	{ SYS_remap_file_pages, SECCOMP_OBSOLETE },
#ifdef SYS_kexec_file_load
	{ SYS_kexec_file_load, SECCOMP_KERNEL },
#endif
#ifdef SYS_lookup_dcookie
	{ SYS_lookup_dcookie, SECCOMP_DEBUG },
#endif
#ifdef SYS_uselib
	{ SYS_iopl, SECCOMP_KERNEL },
	{ SYS_ioperm, SECCOMP_KERNEL },
	{ SYS_uselib, SECCOMP_OBSOLETE },
	{ SYS_ustat, SECCOMP_OBSOLETE },
	{ SYS_sysfs, SECCOMP_OBSOLETE },
	{ SYS__sysctl, SECCOMP_OBSOLETE },
	{ SYS_modify_ldt, SECCOMP_OBSOLETE },
	{ SYS_create_module, SECCOMP_OBSOLETE },
	{ SYS_get_kernel_syms, SECCOMP_OBSOLETE },
	{ SYS_query_module, SECCOMP_OBSOLETE },
#endif
};

static int
group_of(long nr)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (refused[i].nr == nr)
			return (int)refused[i].group;
	return -1;
}

static void
each_number_has_the_verdict_that_the_list_says(void **state)
{
	size_t found = 0;

	(void)state;
	for (long nr = 0; nr < NUMBERS; nr++) {
		uint32_t want = SECCOMP_RET_ALLOW;

		if (nr > 469 || nr == SYS_clone3)
			want = REFUSED(ENOSYS);
		else if (nr == SYS_socket)
			want = REFUSED(EAFNOSUPPORT); /* of family 0 */
		else if (group_of(nr) >= 0)
			want = REFUSED(EPERM);
		found += want == REFUSED(EPERM);
		if (call(nr) != want)
			fail_msg("call %ld: %#x", nr, call(nr));
	}
	assert_int_equal(found, ARRAY_LEN(refused));
}

static void
each_group_can_be_given_back_alone(void **state)
{
	for (int g = 0; g < SECCOMP_NGROUPS; g++) {
		nsteps = seccomp_build(1u << g, filter);
		assert_true(nsteps > 0);
		for (size_t i = 0; i < ARRAY_LEN(refused); i++)
			assert_int_equal(call(refused[i].nr),
			    (int)refused[i].group == g ? SECCOMP_RET_ALLOW
						       : REFUSED(EPERM));
		assert_int_equal(call(999),
		    g == SECCOMP_NEWER ? SECCOMP_RET_ALLOW : REFUSED(ENOSYS));
		assert_int_equal(call(SYS_clone3),
		    g == SECCOMP_NAMESPACES ? SECCOMP_RET_ALLOW
					    : REFUSED(ENOSYS));
		assert_int_equal(judge(OURS, SYS_unshare, CLONE_NEWUSER),
		    g == SECCOMP_NAMESPACES ? SECCOMP_RET_ALLOW
					    : REFUSED(EPERM));
		assert_int_equal(judge(OURS, SYS_socket, AF_PACKET),
		    g == SECCOMP_SOCKETS ? SECCOMP_RET_ALLOW
					 : REFUSED(EAFNOSUPPORT));
	}
	nsteps = seccomp_build(ALL, filter);
	for (long nr = 0; nr < NUMBERS; nr++)
		assert_int_equal(call(nr), SECCOMP_RET_ALLOW);
	build(state);
}

static void
namespaces_are_refused_and_threads_are_not(void **state)
{
	static const uint32_t flags[] = { CLONE_NEWNS, CLONE_NEWCGROUP,
		CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
		CLONE_NEWNET };
	const uint32_t thread = CLONE_VM | CLONE_FS | CLONE_FILES |
	    CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
	    CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		assert_int_equal(
		    judge(OURS, SYS_clone, flags[i] | SIGCHLD), REFUSED(EPERM));
		assert_int_equal(
		    judge(OURS, SYS_unshare, flags[i]), REFUSED(EPERM));
	}
	assert_int_equal(judge(OURS, SYS_unshare, 0x80), REFUSED(EPERM));
	assert_int_equal(judge(OURS, SYS_unshare, CLONE_FS | CLONE_FILES),
	    SECCOMP_RET_ALLOW);
	assert_int_equal(judge(OURS, SYS_clone, thread), SECCOMP_RET_ALLOW);
	assert_int_equal(judge(OURS, SYS_clone, SIGCHLD), SECCOMP_RET_ALLOW);
}

static void
families_of_sockets(void **state)
{
	(void)state;
	for (uint32_t family = 0; family < 64; family++) {
		bool known = family == AF_UNIX || family == AF_INET ||
		    family == AF_INET6 || family == AF_NETLINK;

		assert_int_equal(judge(OURS, SYS_socket, family),
		    known ? SECCOMP_RET_ALLOW : REFUSED(EAFNOSUPPORT));
	}
	/* The kernel looks at the low half alone, and so do we. */
	assert_int_equal(judge(OURS, SYS_socket, 1ull << 32 | AF_PACKET),
	    REFUSED(EAFNOSUPPORT));
}

static void
other_architectures_end_the_process(void **state)
{
	(void)state;
	assert_int_equal(
	    judge(AUDIT_ARCH_I386, 0, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(judge(AUDIT_ARCH_ARM, 0, 0), SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
	assert_int_equal(
	    judge(OURS, 0x40000000 | SYS_read, 0), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(
	    judge(OURS, 0x40000000 | SYS_ptrace, 0), SECCOMP_RET_KILL_PROCESS);
#endif
}

static void
groups_have_names_and_reasons(void **state)
{
	(void)state;
	for (int g = 0; g < SECCOMP_NGROUPS; g++) {
		assert_int_equal(
		    seccomp_group_parse(seccomp_groups[g].name), g);
		assert_true(strlen(seccomp_groups[g].text) > 20);
	}
	assert_int_equal(seccomp_group_parse("mount"), -1);
}

/* --- by the kernel -------------------------------------------------------- */

static int
confine(void)
{
	const struct sock_fprog program = { .len = (unsigned short)nsteps,
		.filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* What became of a child that ran fn under the filter. */
static int
run(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(confine() < 0 ? 99 : fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#define EXPECT(n, call_, error)                \
	if ((call_) != -1 || errno != (error)) \
	return (n)

static int
try_refused(void)
{
	EXPECT(1, ptrace(PTRACE_TRACEME, 0, 0, 0), EPERM);
	EXPECT(2, unshare(CLONE_NEWUSER), EPERM);
	EXPECT(3, syscall(SYS_keyctl, 0xffff), EPERM);
	EXPECT(4, syscall(SYS_io_uring_setup, 0, NULL), EPERM);
	EXPECT(5, syscall(SYS_bpf, 999, NULL, 0), EPERM);
	EXPECT(
	    6, syscall(SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0), EPERM);
	EXPECT(7, socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT);
	EXPECT(8, socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0), EAFNOSUPPORT);
	EXPECT(9, syscall(SYS_clone3, NULL, 0), ENOSYS);
	EXPECT(10, syscall(900), ENOSYS);
	EXPECT(11, syscall(SYS_mount, 0, 0, 0, 0, 0), EPERM);
	return 0;
}

static void *
thread(void *arg)
{
	return arg;
}

static int
try_ordinary(void)
{
	struct addrinfo *list = NULL;
	pthread_t t;
	pid_t pid;
	int fd = socket(AF_INET, SOCK_STREAM, 0), status;

	if (fd < 0 || close(fd) < 0)
		return 1;
	if (pthread_create(&t, NULL, thread, NULL) != 0 ||
	    pthread_join(t, NULL) != 0)
		return 2;
	if (getaddrinfo("127.0.0.1", "80", NULL, &list) != 0)
		return 3;
	freeaddrinfo(list);
	pid = fork();
	if (pid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0 ? 4
									 : 0;
}

static void
the_kernel_takes_it_and_refuses_what_it_says(void **state)
{
	(void)state;
	assert_int_equal(run(try_refused), 0);
	assert_int_equal(run(try_ordinary), 0);
}

#ifdef __x86_64__
static int
call_32(void)
{
	int result = 20; /* getpid */

	__asm__ volatile("int $0x80" : "+a"(result) : : "memory");
	return 0;
}

static int
call_x32(void)
{
	syscall(0x40000000 | SYS_getpid);
	return 0;
}

static void
a_call_of_another_architecture_is_the_last(void **state)
{
	int status = run(call_32);

	(void)state;
	/* SIGSEGV where the kernel has no 32-bit calls at all. */
	assert_true(WIFSIGNALED(status));
	assert_true(WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV);
	status = run(call_x32);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    each_number_has_the_verdict_that_the_list_says),
		cmocka_unit_test(each_group_can_be_given_back_alone),
		cmocka_unit_test(namespaces_are_refused_and_threads_are_not),
		cmocka_unit_test(families_of_sockets),
		cmocka_unit_test(other_architectures_end_the_process),
		cmocka_unit_test(groups_have_names_and_reasons),
		cmocka_unit_test(the_kernel_takes_it_and_refuses_what_it_says),
#ifdef __x86_64__
		cmocka_unit_test(a_call_of_another_architecture_is_the_last),
#endif
	};

	return cmocka_run_group_tests(tests, build, NULL);
}
