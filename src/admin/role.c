/* SPDX-License-Identifier: ISC */

#include "admin/role.h"

#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>

#define ENTRY_MAX 16384 /* bytes of one line of passwd or group */

static bool
listed(const struct group *group, const char *user)
{
	for (char *const *m = group->gr_mem; *m != NULL; m++)
		if (strcmp(*m, user) == 0)
			return true;
	return false;
}

static bool
is_member(const char *name, uid_t uid, gid_t gid)
{
	char group_text[ENTRY_MAX], user_text[ENTRY_MAX];
	struct group group, *g;
	struct passwd user, *u;

	if (name == NULL)
		return false;
	if (getgrnam_r(name, &group, group_text, sizeof(group_text), &g) != 0 ||
	    g == NULL)
		return false;
	if (g->gr_gid == gid)
		return true;
	if (getpwuid_r(uid, &user, user_text, sizeof(user_text), &u) != 0 ||
	    u == NULL)
		return false;
	return u->pw_gid == g->gr_gid || listed(g, u->pw_name);
}

enum role
role_of(const struct role_rules *rules, uid_t uid, gid_t gid)
{
	if (uid == 0 || uid == rules->uid)
		return ROLE_ADMIN;
	if (is_member(rules->group_admin, uid, gid))
		return ROLE_ADMIN;
	if (is_member(rules->group_read, uid, gid))
		return ROLE_READ;
	return ROLE_NONE;
}

const char *
role_name(enum role role)
{
	static const char *const names[] = {
		[ROLE_NONE] = "none",
		[ROLE_READ] = "read",
		[ROLE_ADMIN] = "admin",
	};

	return names[role];
}
