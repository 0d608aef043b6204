/* The filter kills, refuses or allows; a call in no table is refused. */
#include "base/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/check.h"

/* What an intruder needs and no plane does. fork(3) is clone(2) without CLONE_THREAD. */
static const struct zs_sandbox_call fatal[] = {
	ZS_CALL(execve),
	ZS_CALL(execveat),
	ZS_CALL(fork),
	ZS_CALL(vfork),
	ZS_CALL_IF(clone, ZS_ARG_BITS(0, CLONE_THREAD, 0)),
	ZS_CALL(ptrace),
	ZS_CALL(process_vm_readv),
	ZS_CALL(process_vm_writev),
	ZS_CALL(pidfd_getfd),
	ZS_CALL(mount),
	ZS_CALL(umount2),
	ZS_CALL(move_mount),
	ZS_CALL(pivot_root),
	ZS_CALL(chroot),
	ZS_CALL(setns),
	ZS_CALL(unshare),
	ZS_CALL(init_module),
	ZS_CALL(finit_module),
	ZS_CALL(delete_module),
	ZS_CALL(kexec_load),
	ZS_CALL(kexec_file_load),
	ZS_CALL(reboot),
};

static int get(struct __user_cap_data_struct have[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return (int)syscall(SYS_capget, &head, have);
}

uint64_t zs_sandbox_has(void)
{
	struct __user_cap_data_struct have[2] = { 0 };

	return get(have) < 0 ? 0 : have[0].effective | (uint64_t)have[1].effective << 32;
}

int zs_sandbox_keep(uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct have[2] = { 0 }, left[2] = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || get(have) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		left[i].effective = left[i].permitted = have[i].permitted & (uint32_t)(keep >> 32 * i);
	if (syscall(SYS_capset, &head, left) < 0)
		return -errno;
#ifndef ZS_DEBUG /* whose cores are wanted */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	return 0;
}

static int add(scmp_filter_ctx filter, uint32_t action, const struct zs_sandbox_call *calls, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned int args = 0;
		int rc;

		while (args < ZS_SANDBOX_ARGS && calls[i].when[args].op)
			args++;
		rc = seccomp_rule_add_array(filter, action, calls[i].number, args, calls[i].when);
		if (rc)
			return rc;
	}
	return 0;
}

int zs_sandbox_filter(const struct zs_sandbox_call *calls, size_t count)
{
	/* Its flags are in memory, out of a filter's sight: glibc turns to clone(2) when there is none. */
	static const struct zs_sandbox_call unseen[] = { ZS_CALL(clone3) };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc;

	if (!filter)
		return -ENOMEM;
	rc = add(filter, SCMP_ACT_ALLOW, calls, count);
	if (!rc)
		rc = add(filter, SCMP_ACT_ERRNO(ENOSYS), unseen, ZS_ARRAY_LEN(unseen));
	if (!rc)
		rc = add(filter, SCMP_ACT_KILL_PROCESS, fatal, ZS_ARRAY_LEN(fatal));
	if (!rc)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!rc)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}
