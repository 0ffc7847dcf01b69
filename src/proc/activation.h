/* SPDX-License-Identifier: ISC */

/*
 * activation - listening sockets that systemd hands over
 *
 * sd_listen_fds(3): $LISTEN_FDS descriptors from 3 on, for the process that
 * $LISTEN_PID names. They stay systemd's, too: what arrives while nobody runs
 * waits in their queues.
 */

#ifndef PROC_ACTIVATION_H
#define PROC_ACTIVATION_H

#include "base/err.h"

#define ACTIVATION_MAX 64u /* sockets; more are closed, and logged */

/*
 * fn for each that is a listening stream socket, non-blocking and closed on
 * exec; it owns it. Another descriptor is closed, and logged. The variables are
 * removed from the environment. 0, or -EINVAL: they are of no sense.
 */
int activation_take(void (*fn)(void *arg, int fd), void *arg) MUST_CHECK;

#endif /* PROC_ACTIVATION_H */
