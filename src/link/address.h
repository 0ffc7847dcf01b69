/* SPDX-License-Identifier: ISC */

/*
 * address - "unix:/path", "127.0.0.1:80", "[::1]:80" as a socket address
 *
 * Numbers only: nothing is looked up in a name service.
 */

#ifndef LINK_ADDRESS_H
#define LINK_ADDRESS_H

#include <netinet/in.h>
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

/* -EINVAL not one; -ENAMETOOLONG a path over 107 bytes. */
int address_parse(struct address *a, const char *text) MUST_CHECK;

#endif /* LINK_ADDRESS_H */
