/* SPDX-License-Identifier: ISC */

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/near.h"
#include "conf/box.h"

/* A fault of one route. */
#define FAULT(f, s, i, leaf, ...)                                            \
	do {                                                                 \
		char key_[64];                                               \
		snprintf(key_, sizeof(key_), "route[%zu].auth." leaf, (i));  \
		fault_add(                                                   \
		    (f), (s)->file, (s)->routes[i].line, key_, __VA_ARGS__); \
	} while (0)

/* One that asks for nothing would look like one that does. */
static void
check_some(const struct conf_service *s, size_t i, struct faults *f)
{
	const struct conf_auth *a = &s->routes[i].auth;

	if (a->given && a->users == NULL && a->algorithms == 0 &&
	    a->service == NULL)
		FAULT(f, s, i, "basic",
		    "found none of basic, bearer and forward; allowed one or "
		    "more");
}

static void
check_bearer(const struct conf_service *s, size_t i, struct faults *f)
{
	const struct conf_auth *a = &s->routes[i].auth;

	if (a->algorithms == 0)
		return;
	if ((a->jwks == NULL) == (a->secret == NULL))
		FAULT(f, s, i, "bearer",
		    "found %s; allowed one of jwks and secret_file",
		    a->jwks == NULL ? "neither" : "both");
	else if (a->secret != NULL && a->algorithms != CONF_HS256)
		FAULT(f, s, i, "bearer.algorithms",
		    "found others beside secret_file; allowed [HS256]");
}

static void
check_asked(const struct conf *conf, const struct conf_service *s, size_t i,
    bool partial, struct faults *f)
{
	const struct conf_auth *a = &s->routes[i].auth;
	const char *known[CONF_SERVICES_MAX];
	const char *near;

	if (a->service == NULL)
		return;
	if (strcmp(a->service, s->name) == 0) {
		FAULT(f, s, i, "forward.service",
		    "found the service itself; allowed others");
		return;
	}
	if (partial || conf_service(conf, a->service) != NULL)
		return;
	for (size_t k = 0; k < conf->nservices; k++)
		known[k] = conf->services[k].name;
	near = near_name(a->service, known, conf->nservices);
	FAULT(f, s, i, "forward.service",
	    "found \"%s\"%s%s%s; allowed names of services", a->service,
	    near != NULL ? " (" : "", near != NULL ? near : "",
	    near != NULL ? "?)" : "");
}

/* Depth first: `seen` keeps every service from being entered twice. */
static bool
asks_back(const struct conf *c, const struct conf_service *at,
    const struct conf_service *to, bool *seen)
{
	for (size_t i = 0; i < at->nroutes; i++) {
		const struct conf_service *next = at->routes[i].auth.service ==
			NULL
		    ? NULL
		    : conf_service(c, at->routes[i].auth.service);

		if (next == NULL || next == at)
			continue;
		if (next == to)
			return true;
		if (seen[next - c->services])
			continue;
		seen[next - c->services] = true;
		if (asks_back(c, next, to, seen))
			return true;
	}
	return false;
}

/* The first service of a circle; the others would say the same. */
static void
check_circle(const struct conf *conf, struct faults *f)
{
	bool seen[CONF_SERVICES_MAX];

	for (size_t k = 0; k < conf->nservices; k++) {
		const struct conf_service *s = &conf->services[k];

		memset(seen, 0, sizeof(seen));
		if (!asks_back(conf, s, s, seen))
			continue;
		for (size_t i = 0; i < s->nroutes; i++) {
			if (s->routes[i].auth.service == NULL)
				continue;
			FAULT(f, s, i, "forward.service",
			    "found a circle that comes back to \"%s\"; "
			    "allowed none",
			    s->name);
			return;
		}
	}
}

void
conf_check_auth(const struct conf *conf, bool partial, struct faults *f)
{
	for (size_t k = 0; k < conf->nservices; k++) {
		const struct conf_service *s = &conf->services[k];

		for (size_t i = 0; i < s->nroutes; i++) {
			check_some(s, i, f);
			check_bearer(s, i, f);
			check_asked(conf, s, i, partial, f);
		}
	}
	check_circle(conf, f);
}
