/* SPDX-License-Identifier: ISC */

/*
 * role - what a local peer may do
 *
 * uid 0 and drover's own user are admin, so are members of the admin group;
 * members of the read group may read. A member is who has the group as primary
 * group, runs under it, or stands in its list; looked up at each call.
 */

#ifndef ADMIN_ROLE_H
#define ADMIN_ROLE_H

#include <sys/types.h>

/* In their order: who has one has those before it, too. */
enum role { ROLE_NONE, ROLE_READ, ROLE_ADMIN };

struct role_rules {
	char *group_admin; /* NULL: no such group */
	char *group_read;
	uid_t uid; /* drover's own */
};

enum role role_of(const struct role_rules *rules, uid_t uid, gid_t gid);

const char *role_name(enum role role); /* "none", "read", "admin" */

#endif /* ADMIN_ROLE_H */
