/* SPDX-License-Identifier: ISC */

#include "control/named.h"

#include <errno.h>

#include "base/near.h"
#include "control/replica.h"
#include "control/service.h"

#define NAMES_MAX 4096

static int
no_such(const char *what, const char *name, const char *near, struct err *err)
{
	if (near == NULL)
		return err_set(err, -ENOENT, "no %s %s", what, name);
	return err_set(
	    err, -ENOENT, "no %s %s; did you mean %s?", what, name, near);
}

int
named_service(
    struct control *c, const char *name, struct service **s, struct err *err)
{
	const char *names[CONF_SERVICES_MAX + 1];
	size_t n = 0;

	*s = service_by_name(c, name);
	if (*s != NULL && !(*s)->removed)
		return 0;
	LIST_EACH (at, &c->services, struct service, link)
		if (n < ARRAY_LEN(names) && !at->removed)
			names[n++] = at->spec->name;
	return no_such("service", name, near_name(name, names, n), err);
}

int
named_replica(
    struct control *c, const char *id, struct replica **r, struct err *err)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	*r = replica_by_id(c, id);
	if (*r != NULL)
		return 0;
	LIST_EACH (s, &c->services, struct service, link)
		LIST_EACH (at, &s->replicas, struct replica, link)
			if (n < ARRAY_LEN(names))
				names[n++] = at->id;
	return no_such("instance", id, near_name(id, names, n), err);
}

int
named_either(struct control *c, const char *name, struct service **s,
    struct replica **r, struct err *err)
{
	*r = replica_by_id(c, name);
	if (*r != NULL) {
		*s = (*r)->service;
		return 0;
	}
	return named_service(c, name, s, err);
}
