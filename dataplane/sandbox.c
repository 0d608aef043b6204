/* Workers drop their capabilities as they start, DPDK's interrupt thread and main when all run. */
#include "sandbox.h"

#include <linux/capability.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <rte_alarm.h>
#include "base/check.h"
#include "base/sandbox.h"
#include "calls.h"

#ifndef CAP_BPF
#define CAP_BPF 39
#endif

#ifdef ZS_SANITIZED
/* The leak checker stops all threads by ptrace at exit, which the filter forbids. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

void zs_sandbox_thread(void)
{
	ZS_CHECK(zs_sandbox_keep(0) == 0, "capabilities cannot be dropped");
}

static void drop_in_interrupt_thread(void *done)
{
	zs_sandbox_thread();
	atomic_store((_Atomic int *)done, 1);
}

/* DPDK's interrupt thread runs alarms: that is how one gets a function called there. */
static void quiet_interrupt_thread(void)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };
	_Atomic int done = 0;

	if (rte_eal_alarm_set(1, drop_in_interrupt_thread, &done))
		return;
	for (int i = 0; i < 1000 && !atomic_load(&done); i++)
		nanosleep(&pause, NULL);
	if (!atomic_load(&done))
		rte_eal_alarm_cancel(drop_in_interrupt_thread, &done);
}

static bool has_memif(const struct zs_dp *dp)
{
	for (uint32_t i = 0; i < dp->ports; i++)
		if (dp->port[i].conf->driver == ZS_DRIVER_MEMIF)
			return true;
	return false;
}

int zs_sandbox_main(const struct zs_dp *dp, struct zs_error *err)
{
	int rc;

	quiet_interrupt_thread();
	rc = zs_sandbox_keep(1ull << CAP_BPF);
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_PRIVILEGE, "capabilities cannot be dropped: %s",
				    strerror(-rc));
	rc = zs_calls_filter(has_memif(dp), dp->twinned);
	if (rc)
		return zs_error_set(err, rc, ZS_EXIT_PRIVILEGE, "the seccomp filter is refused: %s",
				    strerror(-rc));
	return 0;
}
