/* SPDX-License-Identifier: ISC */

/*
 * users - names and the hashes of their passwords
 *
 * The text is lines of `name:hash`; empty ones and those that begin with '#'
 * say nothing. A hash is one of crypt(5) that takes an attacker long: yescrypt
 * ($y$, $gy$), scrypt ($7$), bcrypt ($2a$, $2b$, $2y$), SHA-512 ($6$) and
 * SHA-256 ($5$); older ones are refused. libcrypt stops here.
 */

#ifndef TLS_USERS_H
#define TLS_USERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define USERS_SIZE_MAX (256U * 1024) /* bytes of the text */
#define USERS_NAME_MAX 128
#define USERS_HASH_MAX 255
#define USERS_PASSWORD_MAX 511 /* of crypt(3) */

struct users;

/* -EINVAL: err says which line and why; -ENOMEM. */
int users_parse(
    struct span text, struct users **out, struct err *err) MUST_CHECK;
void users_free(struct users *u);

/*
 * The hash of a name. For one that is not there, that of somebody else, so that
 * checking takes as long, and *known is false. Lives as long as u.
 */
const char *users_hash(const struct users *u, struct span name, bool *known);

/*
 * Whether the password has that hash. Takes milliseconds, and may run in any
 * thread. 1 or 0; -ENOMEM.
 */
int users_check(const char *password, const char *hash) MUST_CHECK;

#endif /* TLS_USERS_H */
