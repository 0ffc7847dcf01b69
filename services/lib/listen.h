/* SPDX-License-Identifier: ISC */

/*
 * listen - the socket that the contract of a service promises
 *
 *	LISTEN_FDS=1, LISTEN_PID=<us>  descriptor 3, already listening
 *	DROVER_SOCKET=<path>           bound here; a stale one is removed first
 *	PORT=<n>                       127.0.0.1:<n>
 *
 * in this order.
 */

#ifndef SVC_LISTEN_H
#define SVC_LISTEN_H

#include <sys/un.h>

#include "base/err.h"

#define SVC_BACKLOG 511

struct svc_socket {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* or "" */
};

/*
 * A listening, non-blocking, close-on-exec descriptor, the caller's; or a
 * negative errno. A path on which somebody still answers is
 * -EADDRINUSE, one that is no socket -EEXIST.
 */
int svc_listen(struct svc_socket *socket, struct err *err) MUST_CHECK;

/* The path goes while we still listen on it; may be called twice. */
void svc_socket_remove(struct svc_socket *socket);

#endif /* SVC_LISTEN_H */
