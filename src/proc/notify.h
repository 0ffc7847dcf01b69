/* SPDX-License-Identifier: ISC */

/*
 * notify - systemd's readiness protocol, both ends of it
 *
 * A datagram of NAME=VALUE lines to the socket in $NOTIFY_SOCKET. Without one
 * notify_send() does nothing: not every herd runs under systemd.
 */

#ifndef PROC_NOTIFY_H
#define PROC_NOTIFY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

#define NOTIFY_MAX 2048u /* bytes of a message */

/* "READY=1", "STOPPING=1", "WATCHDOG=1", ... 0 or a negative errno. */
int notify_send(const char *text);

/* The interval in which systemd wants WATCHDOG=1, or 0 for not at all. */
uint64_t notify_watchdog_ms(void);

/* A socket for a service's messages, bound to path (replaced); or -errno. */
int notify_listen(const char *path, mode_t mode, struct err *err);

struct notify_message {
	bool ready;
	bool stopping;
	pid_t pid;	    /* who sent it, by the kernel's word */
	struct span status; /* STATUS=, into text */
	char text[NOTIFY_MAX + 1];
};

/* One message: 1, 0 when there is none now, or a negative errno. */
int notify_receive(int fd, struct notify_message *m) MUST_CHECK;

#endif /* PROC_NOTIFY_H */
