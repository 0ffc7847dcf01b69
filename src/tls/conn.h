/* SPDX-License-Identifier: ISC */

/*
 * conn - one client's connection with TLS, on a socket that does not block
 *
 * Not an owner of the socket, and no events: whoever has them calls, and is
 * told by -EAGAIN (more has to be read from the socket) or -EINPROGRESS (it has
 * to take more) what to wait for. What is already here but was not handed out
 * shows in tls_conn_pending(): no event will come for it.
 *
 * A connection that ends without the other side's close_notify was cut, and is
 * -ECONNRESET, never an end (RFC 8446, 6.1). After any other error than the two
 * above, every call returns one.
 */

#ifndef TLS_CONN_H
#define TLS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/array.h"
#include "base/str.h"
#include "tls/context.h"

struct tls_conn;

/* Why a handshake failed, for counting. */
enum tls_failure {
	TLS_FAILURE_CLOSED,   /* the client went */
	TLS_FAILURE_GARBAGE,  /* it did not speak TLS */
	TLS_FAILURE_VERSION,  /* no version in common */
	TLS_FAILURE_CIPHER,   /* nor cipher, nor kind of key */
	TLS_FAILURE_ALERT,    /* it refused us: our certificate, mostly */
	TLS_FAILURE_PROTOCOL, /* it broke the rules */
	TLS_FAILURE_MEMORY,
};

/* NULL: no memory. Takes a reference on t. */
struct tls_conn *tls_conn_new(struct tls_context *t, int fd) MUST_CHECK;
void tls_conn_free(struct tls_conn *c); /* NULL is fine; sends nothing */

/*
 * 0: the connection is there. -EAGAIN, -EINPROGRESS. -EPROTO, -ECONNRESET,
 * -ENOMEM: it is not to be, and tls_conn_failure() says why.
 */
int tls_conn_handshake(struct tls_conn *c) MUST_CHECK;
enum tls_failure tls_conn_failure(const struct tls_conn *c);

/* Of one that is there. */
bool tls_conn_resumed(const struct tls_conn *c);
bool tls_conn_is_http2(const struct tls_conn *c); /* h2 was agreed upon */

/* The kernel seals what is sent (kTLS). */
bool tls_conn_in_kernel(const struct tls_conn *c);

/* 0 at the end that the other side declared. All that is here, up to room. */
ssize_t tls_conn_recv(struct tls_conn *c, void *to, size_t room) MUST_CHECK;
bool tls_conn_pending(const struct tls_conn *c);

/*
 * How many of the bytes are on their way, 0 when the socket takes none; what
 * it did not take has to be sent again, from the same byte on and with all
 * that came behind it. A negative errno: the other side is gone.
 */
ssize_t tls_conn_send(
    struct tls_conn *c, const struct iovec *iov, int n) MUST_CHECK;

/* Say that no more will come, once; a socket that is full is not told. */
void tls_conn_shut(struct tls_conn *c);

/* From now on nothing is said: it shall look broken. */
void tls_conn_break(struct tls_conn *c);

#endif /* TLS_CONN_H */
