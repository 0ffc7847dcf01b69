/* SPDX-License-Identifier: ISC */

/*
 * context - how a listener speaks TLS: its certificates, versions and tickets
 *
 * Server side only. TLS 1.2 and 1.3 without compression, renegotiation and
 * early data; the ciphers of TLS 1.2 are AEADs with forward secrecy unless
 * others are asked for.
 *
 * The certificate is chosen by the name that the client asks for (SNI, RFC
 * 6066): a certificate with that very name, else one with a star in the place
 * of its first label, else the first of all, also for a client that asks for
 * none. Of several for one name the first of each kind of key is used, so an
 * RSA and an ECDSA certificate can stand side by side and the client's ciphers
 * decide.
 *
 * Sessions are resumed by tickets alone (RFC 5077; RFC 8446, 4.6.1): nothing is
 * kept. They are sealed with the first of the keys that were set, and opened
 * with any; one that was opened by another than the first is renewed. Without
 * keys there are no tickets.
 *
 * One thread. A context is shared by reference; a connection holds one.
 */

#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define TLS_PAIRS_MAX 256 /* certificates of a listener */
#define TLS_TICKET_KEYS_MAX 4
#define TLS_TICKET_KEY 80  /* bytes: name 16, AES-256 32, HMAC 32 */
#define TLS_TICKET_S 86400 /* how long a session can be resumed */

enum tls_version { TLS_1_2, TLS_1_3 };

struct tls_pair {
	struct span cert; /* PEM: the leaf, then its chain */
	struct span key;
};

struct tls_config {
	const struct tls_pair *pairs; /* the first is the default */
	size_t npairs;		      /* 1..TLS_PAIRS_MAX */
	enum tls_version min_version;
	const char *ciphers; /* of TLS 1.2, as OpenSSL writes them; "": usual */
	const char *suites;  /* of TLS 1.3; "": usual */
	bool http2;	     /* offer h2 before http/1.1 (ALPN, RFC 7301) */
};

struct tls_context;

/* -EINVAL, -ENOMEM. err says which certificate, from 0, and what is wrong. */
int tls_context_new(struct tls_context **out, const struct tls_config *conf,
    struct err *err) MUST_CHECK;
struct tls_context *tls_context_ref(struct tls_context *t);
void tls_context_unref(struct tls_context *t); /* NULL is fine */

/* n keys of TLS_TICKET_KEY bytes, the newest first; copied. */
void tls_context_tickets(
    struct tls_context *t, const unsigned char *keys, size_t n);

#endif /* TLS_CONTEXT_H */
