/* SPDX-License-Identifier: ISC */

/*
 * url - where a Redis is, and as whom to speak to it
 *
 *	redis://[[user]:password@]host[:port][/db]
 *	unix://[[user]:password@]/path[?db=n]
 *
 * Port 6379, db 0 if not said; an IPv6 host stands in brackets; user, password
 * and path may be percent-encoded. The unix form is what redis-py, ioredis and
 * go-redis read; `redis+unix:` is taken as the same. Both also take the query
 * keys db, user (username) and pass (password). Anything else, rediss: (TLS)
 * included, is an error that names the part.
 *
 * Behind Sentinels, which are asked for the server that has a name:
 *
 *	sentinel://[[user]:password@]host[:port][,host[:port]...][/db]?master=NAME
 *
 * Port 26379; user, password and db are the server's, the query keys
 * sentinel_user and sentinel_pass the Sentinels'.
 *
 * Plain values: nothing is allocated, nothing points into the text.
 */

#ifndef REDIS_URL_H
#define REDIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define REDIS_URL_MAX 2048 /* bytes of text */
#define REDIS_SENTINELS_MAX 8u

struct redis_url {
	char host[256];	    /* "" with a path */
	char path[108];	    /* a Unix socket; "" with a host */
	char user[128];	    /* "": the default user */
	char password[256]; /* "": none */
	uint16_t port;
	unsigned db; /* 0..16383 */
};

/* 0, or -EINVAL, -ENAMETOOLONG with the reason (never with the password). */
int redis_url_parse(
    struct redis_url *url, struct span text, struct err *err) MUST_CHECK;

struct redis_sentinels {
	char master[64]; /* letters, digits, dots, dashes, underscores */
	unsigned n;
	struct redis_url at[REDIS_SENTINELS_MAX];
};

/* Whether the text is to be read by redis_sentinels_parse(). */
bool redis_sentinels_are_in(struct span text);

/* Likewise; url is the server's, without a host. */
int redis_sentinels_parse(struct redis_sentinels *s, struct redis_url *url,
    struct span text, struct err *err) MUST_CHECK;
int redis_sentinels_text(const struct redis_sentinels *s,
    const struct redis_url *url, char *buf, size_t size) MUST_CHECK;

/* A host that a name look-up or a connection could be tried with. */
bool redis_host_is_clean(const char *host);

/* "host:port" or "/path", without secrets, for logs. Returns buf. */
const char *redis_url_show(const struct redis_url *url, char *buf, size_t size);

/* The text again, percent-encoded: 0, -ENAMETOOLONG or -ENOMEM (buf is ""). */
int redis_url_text(
    const struct redis_url *url, char *buf, size_t size) MUST_CHECK;

#endif /* REDIS_URL_H */
