/* SPDX-License-Identifier: ISC */

/*
 * address - "unix:/path", "127.0.0.1:80", "[::1]:80" as a socket address
 *
 * Numbers only: nothing is looked up in a name service.
 */

#ifndef LINK_ADDRESS_H
#define LINK_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/array.h"

struct address {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} u;
	socklen_t len;
};

/* "unix:/" and 107 bytes, or "[v6]:port" */
#define ADDRESS_TEXT 128

/* -EINVAL not one; -ENAMETOOLONG a path over 107 bytes. */
int address_parse(struct address *a, const char *text) MUST_CHECK;

/* Where a socket is bound. A negative errno; -EINVAL: at no such address. */
int address_of_socket(struct address *a, int fd) MUST_CHECK;

bool address_equal(const struct address *a, const struct address *b);

/* As address_parse() reads it. Returns out. */
const char *address_text(const struct address *a, char out[ADDRESS_TEXT]);

#endif /* LINK_ADDRESS_H */
