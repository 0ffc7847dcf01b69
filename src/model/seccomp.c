/* SPDX-License-Identifier: ISC */

#include "model/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define X32_BIT 0x40000000u
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#else
#define ARCH 0
#endif

/* What came after the headers of Debian 12 has one number everywhere. */
#define NR_STATMOUNT 457
#define NR_LISTMOUNT 458
#define NR_OPEN_TREE_ATTR 467
#define NR_NEWEST 469 /* file_setattr, Linux 6.17 */

#define NAMESPACES                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
	    CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define NEWTIME 0x80u

/* clang-format off */
const struct seccomp_group_info seccomp_groups[SECCOMP_NGROUPS] = {
	[SECCOMP_FILESYSTEM] = { "filesystem",
		"mount and umount, chroot, pivot_root, quotas, handles of "
		"files: each changes what others see, or passes by the "
		"folders that a path leads through" },
	[SECCOMP_NAMESPACES] = { "namespaces",
		"unshare, setns and clone with new namespaces: a process "
		"gets every capability in a user namespace of its own, and "
		"with them the least tried parts of the kernel" },
	[SECCOMP_KERNEL] = { "kernel",
		"modules, kexec, reboot, swap, accounting, the kernel's log, "
		"host names, I/O ports: they belong to whoever runs the "
		"machine" },
	[SECCOMP_CLOCK] = { "clock",
		"setting the machine's time, by which everybody lives" },
	[SECCOMP_DEBUG] = { "debug",
		"ptrace, reading and writing another process's memory or "
		"descriptors, perf events, bpf, userfaultfd: to look into "
		"others, and most of what breaks out of a kernel begins "
		"there" },
	[SECCOMP_KEYRING] = { "keyring",
		"the kernel's key rings, which all services of a user share" },
	[SECCOMP_IO_URING] = { "io_uring",
		"io_uring, whose operations are no system calls: what is "
		"refused here could be done through it" },
	[SECCOMP_SOCKETS] = { "sockets",
		"sockets of other families than Unix, IPv4, IPv6 and netlink: "
		"raw packets, CAN, Bluetooth, the hypervisor's, the kernel's "
		"ciphers" },
	[SECCOMP_OBSOLETE] = { "obsolete",
		"calls that no program of today makes (uselib, modify_ldt, "
		"vm86, sysfs, ...)" },
	[SECCOMP_NEWER] = { "newer",
		"calls that are newer than this list, of which nobody knows "
		"yet" },
};

static const struct {
	uint16_t call;
	uint16_t group; /* enum seccomp_group */
} refused[] = {
#define CALL(name, group) { SYS_##name, SECCOMP_##group }
	CALL(mount, FILESYSTEM),
	CALL(umount2, FILESYSTEM),
	CALL(pivot_root, FILESYSTEM),
	CALL(chroot, FILESYSTEM),
	CALL(move_mount, FILESYSTEM),
	CALL(open_tree, FILESYSTEM),
	CALL(fsopen, FILESYSTEM),
	CALL(fsconfig, FILESYSTEM),
	CALL(fsmount, FILESYSTEM),
	CALL(fspick, FILESYSTEM),
	CALL(mount_setattr, FILESYSTEM),
	CALL(quotactl, FILESYSTEM),
	CALL(quotactl_fd, FILESYSTEM),
	CALL(open_by_handle_at, FILESYSTEM),
	CALL(fanotify_init, FILESYSTEM),
	{ NR_STATMOUNT, SECCOMP_FILESYSTEM },
	{ NR_LISTMOUNT, SECCOMP_FILESYSTEM },
	{ NR_OPEN_TREE_ATTR, SECCOMP_FILESYSTEM },
	CALL(setns, NAMESPACES),
	CALL(init_module, KERNEL),
	CALL(finit_module, KERNEL),
	CALL(delete_module, KERNEL),
	CALL(kexec_load, KERNEL),
	CALL(reboot, KERNEL),
	CALL(swapon, KERNEL),
	CALL(swapoff, KERNEL),
	CALL(acct, KERNEL),
	CALL(syslog, KERNEL),
	CALL(sethostname, KERNEL),
	CALL(setdomainname, KERNEL),
	CALL(vhangup, KERNEL),
#ifdef SYS_kexec_file_load
	CALL(kexec_file_load, KERNEL),
#endif
#ifdef SYS_iopl
	CALL(iopl, KERNEL),
	CALL(ioperm, KERNEL),
#endif
	CALL(settimeofday, CLOCK),
	CALL(clock_settime, CLOCK),
	CALL(clock_adjtime, CLOCK),
	CALL(adjtimex, CLOCK),
	CALL(ptrace, DEBUG),
	CALL(process_vm_readv, DEBUG),
	CALL(process_vm_writev, DEBUG),
	CALL(pidfd_getfd, DEBUG),
	CALL(kcmp, DEBUG),
	CALL(perf_event_open, DEBUG),
	CALL(bpf, DEBUG),
	CALL(userfaultfd, DEBUG),
#ifdef SYS_lookup_dcookie
	CALL(lookup_dcookie, DEBUG),
#endif
	CALL(add_key, KEYRING),
	CALL(request_key, KEYRING),
	CALL(keyctl, KEYRING),
	CALL(io_uring_setup, IO_URING),
	CALL(io_uring_enter, IO_URING),
	CALL(io_uring_register, IO_URING),
	CALL(nfsservctl, OBSOLETE),
	CALL(remap_file_pages, OBSOLETE),
#ifdef SYS_uselib
	CALL(uselib, OBSOLETE),
	CALL(ustat, OBSOLETE),
	CALL(sysfs, OBSOLETE),
	CALL(_sysctl, OBSOLETE),
	CALL(modify_ldt, OBSOLETE),
	CALL(create_module, OBSOLETE),
	CALL(get_kernel_syms, OBSOLETE),
	CALL(query_module, OBSOLETE),
#endif
#undef CALL
};
/* clang-format on */

/* --- building ------------------------------------------------------------- */

/* Where a step leads to that is not the next one: the ends, in this order. */
enum end { ALLOW, REFUSE, NO_FAMILY, NO_CALL, KILL, NENDS };

#define LABEL 0xf0u /* LABEL + end, until all steps are there */

static const uint32_t verdicts[NENDS] = {
	[ALLOW] = SECCOMP_RET_ALLOW,
	[REFUSE] = SECCOMP_RET_ERRNO | EPERM,
	[NO_FAMILY] = SECCOMP_RET_ERRNO | EAFNOSUPPORT,
	[NO_CALL] = SECCOMP_RET_ERRNO | ENOSYS,
	[KILL] = SECCOMP_RET_KILL_PROCESS,
};

struct program {
	struct sock_filter *steps;
	size_t n;
};

static void
put(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	p->steps[p->n++] = (struct sock_filter){ code, yes, no, k };
}

static void
load(struct program *p, size_t offset)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The low half of an argument. */
static size_t
argument(unsigned i)
{
	const uint16_t probe = 1;
	bool little = *(const uint8_t *)&probe == 1;

	return offsetof(struct seccomp_data, args) + 8 * i + (little ? 0 : 4);
}

static void
end_if(struct program *p, uint16_t test, uint32_t k, enum end end)
{
	put(p, BPF_JMP | BPF_K | test, k, (uint8_t)(LABEL + end), 0);
}

/* Of a flag of a call: refused with it, else allowed. */
static void
refuse_flags(struct program *p, uint32_t call, uint32_t flags)
{
	put(p, BPF_JMP | BPF_JEQ, call, 0, 2);
	load(p, argument(0));
	put(p, BPF_JMP | BPF_JSET, flags, LABEL + REFUSE, LABEL + ALLOW);
}

static void
refuse_namespaces(struct program *p)
{
	/* Its flags are in memory, where a filter cannot look. */
	end_if(p, BPF_JEQ, SYS_clone3, NO_CALL);
	refuse_flags(p, SYS_clone, NAMESPACES);
	/* A signal's bit in clone(), and so not a flag there. */
	refuse_flags(p, SYS_unshare, NAMESPACES | NEWTIME);
}

static void
refuse_sockets(struct program *p)
{
	put(p, BPF_JMP | BPF_JEQ, SYS_socket, 0, 5);
	load(p, argument(0));
	end_if(p, BPF_JEQ, AF_UNIX, ALLOW);
	end_if(p, BPF_JEQ, AF_INET, ALLOW);
	end_if(p, BPF_JEQ, AF_INET6, ALLOW);
	put(p, BPF_JMP | BPF_JEQ, AF_NETLINK, LABEL + ALLOW, LABEL + NO_FAMILY);
}

static uint8_t
resolved(uint8_t to, size_t at, size_t ends)
{
	return to < LABEL ? to : (uint8_t)(ends + to - LABEL - at - 1);
}

static void
put_ends(struct program *p)
{
	size_t ends = p->n;

	for (size_t i = 0; i < NENDS; i++)
		put(p, BPF_RET | BPF_K, verdicts[i], 0, 0);
	for (size_t i = 0; i < ends; i++) {
		p->steps[i].jt = resolved(p->steps[i].jt, i, ends);
		p->steps[i].jf = resolved(p->steps[i].jf, i, ends);
	}
}

/* The fixed ones are 4 ahead, 7 for namespaces, 6 for sockets, and the ends. */
_Static_assert(ARRAY_LEN(refused) + 4 + 7 + 6 + NENDS <= SECCOMP_STEPS_MAX,
    "the filter does not fit");
_Static_assert(SECCOMP_STEPS_MAX < LABEL, "jumps are eight bits");

int
seccomp_build(unsigned allowed, struct sock_filter out[SECCOMP_STEPS_MAX])
{
	struct program p = { .steps = out };

	if (ARCH == 0)
		return -ENOTSUP;
	load(&p, offsetof(struct seccomp_data, arch));
	put(&p, BPF_JMP | BPF_JEQ, ARCH, 0, LABEL + KILL);
	load(&p, offsetof(struct seccomp_data, nr));
#ifdef X32_BIT
	end_if(&p, BPF_JGE, X32_BIT, KILL);
#endif
	if (!(allowed & 1u << SECCOMP_NEWER))
		end_if(&p, BPF_JGT, NR_NEWEST, NO_CALL);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (!(allowed & 1u << refused[i].group))
			end_if(&p, BPF_JEQ, refused[i].call, REFUSE);
	if (!(allowed & 1u << SECCOMP_NAMESPACES))
		refuse_namespaces(&p);
	if (!(allowed & 1u << SECCOMP_SOCKETS))
		refuse_sockets(&p);
	put_ends(&p);
	return (int)p.n;
}

int
seccomp_group_parse(const char *name)
{
	for (int i = 0; i < SECCOMP_NGROUPS; i++)
		if (strcmp(seccomp_groups[i].name, name) == 0)
			return i;
	return -1;
}
