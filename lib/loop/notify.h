/* Telling a service manager how we are: the sd_notify protocol, so that libsystemd is no
 * dependency; and its descriptor store, so that sockets outlive a process. One datagram to the UNIX socket that NOTIFY_SOCKET names, a path or "@abstract". */
#ifndef ZS_LOOP_NOTIFY_H
#define ZS_LOOP_NOTIFY_H

#include <stdint.h>

#define ZS_NOTIFY_READY	   "READY=1"
#define ZS_NOTIFY_STOPPING "STOPPING=1"
#define ZS_NOTIFY_WATCHDOG "WATCHDOG=1"

/* Sends `state`, newline-separated assignments (ZS_NOTIFY_READY "\nSTATUS=forwarding"). 1: sent;
 * 0: nobody asked (NOTIFY_SOCKET is unset); -errno: NOTIFY_SOCKET is bad or its reader is gone. Never
 * blocks. Any thread, as long as nobody calls setenv. */
int zs_notify(const char *state);
/* RELOADING=1 with the monotonic time that systemd 253 wants; READY follows when done. */
int zs_notify_reloading(uint64_t now_ns);
/* MAINPID=pid, when the process that runs is not the one that was started. */
int zs_notify_mainpid(int pid);
/* Gives the manager a copy of `fd` to keep over a restart, under a name of printable ASCII without ':'; forget drops all of
 * that name. As zs_notify. */
int zs_notify_store(int fd, const char *name);
int zs_notify_forget(const char *name);
/* What the manager hands to this process: kept descriptors and sockets it opened. Each is the callee's, close-on-exec, name
 * "" when the manager gave none. Once, before other threads: the environment that tells of them is cleared. Returns
 * how many. */
typedef void zs_notify_fd_fn(void *ctx, int fd, const char *name);
unsigned zs_notify_kept(zs_notify_fd_fn *fn, void *ctx);
/* How often the manager wants ZS_NOTIFY_WATCHDOG, halved as it advises; 0: never. WATCHDOG_PID
 * of another process counts as never. */
uint64_t zs_notify_watchdog_ns(void);

#endif
