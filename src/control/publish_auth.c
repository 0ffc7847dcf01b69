/* SPDX-License-Identifier: ISC */

#include "control/publish_auth.h"

#include <errno.h>
#include <string.h>

#include "conf/secrets.h"
#include "control/service.h"

static uint32_t
index_of(struct control *c, const char *name)
{
	uint32_t index = 0;

	LIST_EACH (s, &c->services, struct service, link) {
		if (strcmp(s->spec->name, name) == 0)
			return index;
		index++;
	}
	return UINT32_MAX;
}

/* With a space between; NULL: out of memory. */
static const char *
join(struct arena *arena, const char *const *list)
{
	size_t n = 1;
	char *text, *at;

	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		n += strlen(list[i]) + 1;
	text = at = arena_alloc(arena, n);
	for (size_t i = 0; text != NULL && list != NULL && list[i] != NULL;
	     i++) {
		if (i > 0)
			*at++ = ' ';
		memcpy(at, list[i], strlen(list[i]));
		at += strlen(list[i]);
	}
	return text;
}

static uint32_t
flags_of(const struct conf_auth *a)
{
	uint32_t flags = 0;

	if (a->users != NULL)
		flags |= SNAPSHOT_AUTH_BASIC;
	if (a->algorithms != 0)
		flags |= SNAPSHOT_AUTH_BEARER;
	if (a->service != NULL)
		flags |= SNAPSHOT_AUTH_FORWARD;
	return flags != 0 && a->pass ? flags | SNAPSHOT_AUTH_PASS : flags;
}

/* A service that is not there (any more) cannot say yes: nobody is let in. */
static void
put_forward(
    struct control *c, struct snapshot_auth *out, const struct conf_auth *a)
{
	if (a->service == NULL)
		return;
	out->service = index_of(c, a->service);
	out->path = a->path;
	out->timeout_ms = (uint32_t)a->timeout_ms;
	if (out->service != UINT32_MAX)
		return;
	out->flags = SNAPSHOT_AUTH_BASIC;
	out->users = "";
	out->service = 0;
}

int
publish_auth(struct control *c, struct arena *arena, const struct conf_auth *a,
    const struct snapshot_auth **out)
{
	static const char *const usual[] = { "Authorization", "Cookie", NULL };
	struct snapshot_auth *auth;

	*out = NULL;
	if (flags_of(a) == 0)
		return 0;
	auth = arena_alloc(arena, sizeof(*auth));
	if (auth == NULL)
		return -ENOMEM;
	*auth = (struct snapshot_auth){
		.flags = flags_of(a),
		.algorithms = a->algorithms,
		.leeway_s = (uint32_t)(a->leeway_ms / 1000),
		.realm = a->realm,
		.users = secrets_text(c->credentials, a->users),
		.user_header = a->user_header,
		.secret = secrets_text(c->credentials, a->secret),
		.jwks = secrets_text(c->credentials, a->jwks),
		.issuer = a->issuer,
		.audience = a->audience,
		.cookie = a->cookie,
		.require = join(arena, a->require),
		.claims = join(arena, a->claims),
		.request_headers = join(arena,
		    a->request_headers != NULL ? a->request_headers : usual),
		.response_headers = join(arena, a->response_headers),
	};
	put_forward(c, auth, a);
	if (auth->require == NULL || auth->claims == NULL ||
	    auth->request_headers == NULL || auth->response_headers == NULL)
		return -ENOMEM;
	*out = auth;
	return 0;
}
