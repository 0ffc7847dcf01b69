/* SPDX-License-Identifier: ISC */

#include "tls/conn.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "tls/lib.h"

/* Ciphertext that is taken from the socket at once. */
#define READ_AT_ONCE (48U * 1024)

struct tls_conn {
	SSL *ssl;
	struct tls_context *context;
	enum tls_failure failure;
	bool open;   /* the handshake is done */
	bool broken; /* no call can do anything any more */
	bool told;   /* close_notify went */
};

struct tls_conn *
tls_conn_of(const SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

struct tls_context *
tls_conn_context(const struct tls_conn *c)
{
	return c->context;
}

struct tls_conn *
tls_conn_new(struct tls_context *t, int fd)
{
	struct tls_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->context = tls_context_ref(t);
	c->ssl = tls_context_open(t);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1 ||
	    SSL_set_app_data(c->ssl, c) != 1) {
		ERR_clear_error();
		tls_conn_free(c);
		return NULL;
	}
	SSL_set_accept_state(c->ssl);
	return c;
}

void
tls_conn_free(struct tls_conn *c)
{
	if (c == NULL)
		return;
	SSL_free(c->ssl);
	tls_context_unref(c->context);
	free(c);
}

/* --- what went wrong ------------------------------------------------------ */

static enum tls_failure
failure_of(unsigned long e)
{
	switch (ERR_GET_REASON(e)) {
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return TLS_FAILURE_CLOSED;
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_RECORD_LENGTH_MISMATCH:
		return TLS_FAILURE_GARBAGE;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
		return TLS_FAILURE_VERSION;
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_GROUPS:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
		return TLS_FAILURE_CIPHER;
	case ERR_R_MALLOC_FAILURE:
		return TLS_FAILURE_MEMORY;
	default:
		break;
	}
	return ERR_GET_REASON(e) > SSL_AD_REASON_OFFSET ? TLS_FAILURE_ALERT
							: TLS_FAILURE_PROTOCOL;
}

static int
break_off(struct tls_conn *c, int how)
{
	unsigned long e = ERR_peek_error();

	c->broken = true;
	if (how == SSL_ERROR_SYSCALL || how == SSL_ERROR_ZERO_RETURN || e == 0)
		c->failure = TLS_FAILURE_CLOSED;
	else
		c->failure = failure_of(e);
	ERR_clear_error();
	return c->failure == TLS_FAILURE_CLOSED ? -ECONNRESET
	    : c->failure == TLS_FAILURE_MEMORY	? -ENOMEM
						: -EPROTO;
}

/* After a call that returned r, which is none of success. */
static int
verdict(struct tls_conn *c, int r)
{
	int how = SSL_get_error(c->ssl, r);

	if (how == SSL_ERROR_WANT_READ)
		return -EAGAIN;
	if (how == SSL_ERROR_WANT_WRITE)
		return -EINPROGRESS;
	return break_off(c, how);
}

/* What others left behind would be taken for an error of ours. */
static void
forget_errors(void)
{
	if (ERR_peek_error() != 0)
		ERR_clear_error();
}

enum tls_failure
tls_conn_failure(const struct tls_conn *c)
{
	return c->failure;
}

/* --- the handshake -------------------------------------------------------- */

int
tls_conn_handshake(struct tls_conn *c)
{
	int r;

	if (c->broken)
		return -ECONNRESET;
	forget_errors();
	r = SSL_accept(c->ssl);
	if (r != 1)
		return verdict(c, r);
	c->open = true;
	SSL_set_default_read_buffer_len(c->ssl, READ_AT_ONCE);
	return 0;
}

bool
tls_conn_resumed(const struct tls_conn *c)
{
	return SSL_session_reused(c->ssl) == 1;
}

bool
tls_conn_is_http2(const struct tls_conn *c)
{
	const unsigned char *name;
	unsigned int n;

	SSL_get0_alpn_selected(c->ssl, &name, &n);
	return n == 2 && memcmp(name, "h2", 2) == 0;
}

bool
tls_conn_in_kernel(const struct tls_conn *c)
{
	return BIO_get_ktls_send(SSL_get_wbio(c->ssl)) != 0;
}

/* --- bytes ---------------------------------------------------------------- */

static int
read_some(struct tls_conn *c, char *to, size_t room)
{
	int r = SSL_read(c->ssl, to, room > INT_MAX ? INT_MAX : (int)room);

	if (r > 0)
		return r;
	if (SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN &&
	    SSL_get_error(c->ssl, r) == SSL_ERROR_ZERO_RETURN)
		return 0;
	return verdict(c, r);
}

/*
 * Once from the socket, as much as it has; then, without another look ahead,
 * what that was, to the end of its last record: so nothing stays behind that no
 * event would tell of.
 */
ssize_t
tls_conn_recv(struct tls_conn *c, void *to, size_t room)
{
	size_t n;
	int r;

	if (c->broken)
		return -ECONNRESET;
	forget_errors();
	r = read_some(c, to, room);
	if (r <= 0)
		return r;
	n = (size_t)r;
	if (!SSL_has_pending(c->ssl))
		return r;
	SSL_set_read_ahead(c->ssl, 0);
	while (n < room && SSL_has_pending(c->ssl)) {
		r = read_some(c, (char *)to + n, room - n);
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	SSL_set_read_ahead(c->ssl, 1);
	return (ssize_t)n;
}

bool
tls_conn_pending(const struct tls_conn *c)
{
	return c->broken || SSL_has_pending(c->ssl) ||
	    (SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

/* The next record's bytes: where they are, or put together in the scratch. */
static const char *
gather(struct tls_conn *c, const struct iovec *iov, int n, size_t skip,
    size_t *len)
{
	char *scratch = tls_context_scratch(c->context);
	size_t have = 0;

	while (n > 0 && skip >= iov->iov_len) {
		skip -= iov->iov_len;
		iov++;
		n--;
	}
	if (n == 0) {
		*len = 0;
		return NULL;
	}
	if (n == 1 || iov->iov_len - skip >= TLS_RECORD_MAX) {
		*len = iov->iov_len - skip;
		if (*len > TLS_RECORD_MAX)
			*len = TLS_RECORD_MAX;
		return (const char *)iov->iov_base + skip;
	}
	for (; n > 0 && have < TLS_RECORD_MAX; iov++, n--, skip = 0) {
		size_t part = iov->iov_len - skip;

		if (part == 0)
			continue;
		if (part > TLS_RECORD_MAX - have)
			part = TLS_RECORD_MAX - have;
		memcpy(
		    scratch + have, (const char *)iov->iov_base + skip, part);
		have += part;
	}
	*len = have;
	return scratch;
}

ssize_t
tls_conn_send(struct tls_conn *c, const struct iovec *iov, int n)
{
	size_t sent = 0, len;
	const char *data;

	if (c->broken || c->told)
		return -EPIPE;
	forget_errors();
	while ((data = gather(c, iov, n, sent, &len)) != NULL) {
		int r = SSL_write(c->ssl, data, (int)len);

		if (r <= 0)
			r = verdict(c, r);
		if (r == -EINPROGRESS)
			break;
		if (r == -EAGAIN) /* it never reads in order to write */
			return break_off(c, SSL_ERROR_SSL);
		if (r < 0)
			return r;
		sent += (size_t)r;
	}
	return (ssize_t)sent;
}

/* --- its end -------------------------------------------------------------- */

void
tls_conn_shut(struct tls_conn *c)
{
	if (c->broken || c->told || !c->open)
		return;
	c->told = true;
	forget_errors();
	if (SSL_shutdown(c->ssl) < 0)
		ERR_clear_error();
}

void
tls_conn_break(struct tls_conn *c)
{
	c->broken = true;
}
