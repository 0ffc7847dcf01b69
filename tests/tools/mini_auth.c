/* SPDX-License-Identifier: ISC */

#include "mini_auth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

static const char *
contents(const char *path)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	if (fd_read_file(path, &b) < 0)
		return NULL;
	return buf_str(&b); /* for as long as the program runs */
}

static bool
set_number(struct snapshot_auth *a, const char *key, const char *value)
{
	const struct {
		const char *key;
		uint32_t *to;
	} table[] = {
		{ "flags", &a->flags },
		{ "algorithms", &a->algorithms },
		{ "leeway", &a->leeway_s },
		{ "timeout", &a->timeout_ms },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(table[i].key, key) == 0) {
			*table[i].to = (uint32_t)strtoul(value, NULL, 0);
			return true;
		}
	return false;
}

static bool
set_text(struct snapshot_auth *a, const char *key, char *value)
{
	const struct {
		const char *key;
		const char **to;
		bool file;
	} table[] = {
		{ "users", &a->users, true },
		{ "jwks", &a->jwks, true },
		{ "secret", &a->secret, true },
		{ "realm", &a->realm, false },
		{ "user_header", &a->user_header, false },
		{ "issuer", &a->issuer, false },
		{ "audience", &a->audience, false },
		{ "cookie", &a->cookie, false },
		{ "require", &a->require, false },
		{ "claims", &a->claims, false },
		{ "path", &a->path, false },
		{ "asks", &a->request_headers, false },
		{ "answers", &a->response_headers, false },
	};

	for (char *c = value; *c != '\0'; c++)
		*c = *c == ',' ? ' ' : *c;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strcmp(table[i].key, key) == 0) {
			*table[i].to = table[i].file ? contents(value)
						     : strdup(value);
			return *table[i].to != NULL;
		}
	return false;
}

struct snapshot_auth *
mini_auth(char **words, int n, uint32_t (*find_service)(const char *name))
{
	struct snapshot_auth *a = calloc(1, sizeof(*a));

	for (int i = 0; a != NULL && i < n; i++) {
		char *value = strchr(words[i], '=');

		*value++ = '\0';
		if (strcmp(words[i], "service") == 0) {
			a->service = find_service(value);
		} else if (!set_number(a, words[i], value) &&
		    !set_text(a, words[i], value)) {
			fprintf(stderr, "mini_control: auth %s=%s\n", words[i],
			    value);
			exit(1);
		}
	}
	return a;
}

void
mini_auth_print(const struct scoreboard_worker_view *v)
{
	printf(" cached=%" PRIu64 " checked=%" PRIu64 " refused=%" PRIu64
	       " shed=%" PRIu64 " unanswered=%" PRIu64 " verdicts=%" PRIu64
	       "\n",
	    v->auth_cached, v->auth_checked, v->auth_refused, v->auth_shed,
	    v->auth_unanswered, v->auth_verdicts);
}
