/* Telling a service manager how we are: the sd_notify protocol, so that libsystemd is no
 * dependency. One datagram to the UNIX socket that NOTIFY_SOCKET names, a path or "@abstract". */
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
/* How often the manager wants ZS_NOTIFY_WATCHDOG, halved as it advises; 0: never. WATCHDOG_PID
 * of another process counts as never. */
uint64_t zs_notify_watchdog_ns(void);

#endif
