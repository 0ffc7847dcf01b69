/* SPDX-License-Identifier: ISC */

/*
 * peer - who is at the other end of a client's connection
 */

#ifndef PROXY_PEER_H
#define PROXY_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/str.h"

#define PEER_TEXT 40 /* an address as text, with a NUL; a mapped one is v4 */

struct table;

struct peer {
	unsigned char address[16]; /* v4 mapped; zero for a Unix socket */
	uint64_t checked;	   /* generation */
	bool local;		   /* a Unix socket */
	bool internal;		   /* it came through an internal listener */
	bool secure;		   /* it came with TLS */
	bool trusted;		   /* in trusted_proxies, as of `checked` */
	unsigned char text_len;
	char text[PEER_TEXT];
};

/* v4 mapped into v6. False: a Unix socket, all zero. */
bool peer_address(const struct sockaddr *sa, unsigned char address[16]);

/* How many bytes of it one client has for itself: all, or the /64 of IPv6. */
size_t peer_network(const unsigned char address[16]);

void peer_init(struct peer *p, const struct sockaddr *sa, bool internal);

/* Look up `trusted` where another table has come into force. */
void peer_check(struct peer *p, const struct table *t);

static inline struct span
peer_text(const struct peer *p)
{
	return (struct span){ p->text, p->text_len };
}

#endif /* PROXY_PEER_H */
