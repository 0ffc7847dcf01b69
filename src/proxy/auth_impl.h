/* SPDX-License-Identifier: ISC */

/* auth_impl - what auth.c, auth_judge.c and auth_wait.c share */

#ifndef PROXY_AUTH_IMPL_H
#define PROXY_AUTH_IMPL_H

#include "base/arena.h"
#include "base/buf.h"
#include "proxy/auth.h"
#include "tls/jwt.h"
#include "tls/users.h"

#define AUTH_NAMES_MAX 32
#define AUTH_REFUSALS 3

struct auth_names {
	struct span name[AUTH_NAMES_MAX];
	size_t n;
};

/* Lines of WWW-Authenticate, by what was wrong. */
enum auth_refusal {
	AUTH_ASKED, /* there were no credentials, or not the right ones */
	AUTH_TOKEN, /* RFC 6750: invalid_token */
	AUTH_SCOPE  /* insufficient_scope */
};

struct auth {
	struct link link; /* of one of auths.all */
	unsigned refs;
	struct arena arena;		      /* what the spans point into */
	unsigned char print[VERDICTS_DIGEST]; /* of its contents */
	unsigned char key[VERDICTS_DIGEST];   /* of its verdicts */
	unsigned flags;
	bool cut_short; /* while it is built: there was no memory */
	bool broken;	/* it cannot be used: nobody is let in */
	struct users *users;
	struct jwks *jwks;
	struct jwt_policy policy;
	struct span claim_headers[JWT_CLAIMS_MAX];
	struct span user_header;
	struct span cookie;
	struct span path; /* forward: "GET /check HTTP/1.1" has it */
	uint32_t timeout_ms;
	struct deadline_kind *asked_kind; /* of that; NULL: not forward */
	struct auth_names asks;		  /* forward: request_headers */
	struct auth_names answers;	  /* forward: response_headers */
	struct auth_names hidden;	  /* all that are set by us */
	struct span refusals[AUTH_REFUSALS];
};

/* A password that is being hashed, for all requests that have the same. */
struct auth_flight {
	struct link link;
	struct worker *w;
	unsigned char digest[VERDICTS_DIGEST];
	struct hasher_job *job;
	struct list waits; /* struct auth_wait */
};

struct auth_wait {
	struct link link; /* of the flight */
	struct exchange *x;
	struct auth *a; /* a reference */
	struct auth_flight *flight;
	struct subrequest *sub; /* NULL: nobody is to be asked */
	unsigned char digest[VERDICTS_DIGEST];
	const char *hash; /* of a; NULL: no password is to be hashed */
	bool known;	  /* hash is this user's own */
	char user[USERS_NAME_MAX + 1];
	char password[USERS_PASSWORD_MAX + 1];
};

/* The wait of x, made at need; NULL: out of memory. */
struct auth_wait *auth_wait_of(struct exchange *x, struct auth *a);

/* Answers; ends x. */
void auth_refuse(struct exchange *x, const struct auth *a, unsigned status,
    enum auth_refusal why, const char *detail);

bool auth_names_have(const struct auth_names *names, struct span name);

/* "X-User: ann\r\n" behind what is in b; nothing for an unfit value. */
int auth_put_line(
    struct buf *b, struct span name, struct span value) MUST_CHECK;

#endif /* PROXY_AUTH_IMPL_H */
