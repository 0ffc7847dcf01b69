/* SPDX-License-Identifier: ISC */

/*
 * pem - the certificates and keys that a configuration names, read from disk
 *
 * Control reads them, for workers may not; a worker gets the text. They are
 * read again for every check and every reload, and each listener's are tried
 * together as a worker will use them.
 */

#ifndef CONF_PEM_H
#define CONF_PEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"

#define PEM_NAME_MAX 254

struct pem {
	const struct conf_listen *listen;
	const struct conf_certificate *conf;
	struct buf cert;
	struct buf key; /* wiped when it is freed */
	int64_t not_before, not_after;
	char name[PEM_NAME_MAX]; /* the first of the certificate's; "" none */
};

struct pems {
	const struct conf *conf; /* a reference */
	struct pem *all; /* in the order of listen and of certificates */
	size_t n;
};

/* False: errors says what is wrong, and p is empty. */
bool pems_read(struct pems *p, const struct conf *conf, struct buf *errors);
void pems_done(struct pems *p); /* of a zeroed one too */

/* Whether it could be read. */
bool pems_check(const struct conf *conf, struct buf *errors);

/*
 * "has expired" and the like at a time in seconds since 1970; NULL: it is good
 * for longer than CONF_EXPIRY_DAYS.
 */
const char *pem_warning(const struct pem *p, int64_t now);

#endif /* CONF_PEM_H */
