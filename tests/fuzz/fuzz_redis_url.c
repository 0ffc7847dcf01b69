/* SPDX-License-Identifier: ISC */

/*
 * Any text is a URL or an error with a reason. What was read and written again
 * is read as the same.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/url.h"

#define MUST(what)               \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
same(const struct redis_url *a, const struct redis_url *b)
{
	MUST(strcmp(a->host, b->host) == 0);
	MUST(strcmp(a->path, b->path) == 0);
	MUST(strcmp(a->user, b->user) == 0);
	MUST(strcmp(a->password, b->password) == 0);
	MUST(a->port == b->port && a->db == b->db);
}

static void
one_server(struct span text)
{
	struct redis_url url, again;
	struct err err = { "" };
	char out[REDIS_URL_MAX];

	if (redis_url_parse(&url, text, &err) < 0) {
		MUST(err.text[0] != '\0');
		return;
	}
	MUST((url.host[0] == '\0') != (url.path[0] == '\0'));
	if (redis_url_text(&url, out, sizeof(out)) < 0)
		return; /* three bytes for one: it may be too long now */
	MUST(redis_url_parse(&again, span_of(out), NULL) == 0);
	same(&url, &again);
}

static void
sentinels(struct span text)
{
	struct redis_sentinels list, list_again;
	struct redis_url url, again;
	struct err err = { "" };
	char out[REDIS_URL_MAX];

	if (redis_sentinels_parse(&list, &url, text, &err) < 0) {
		MUST(err.text[0] != '\0');
		return;
	}
	MUST(list.n > 0 && list.n <= REDIS_SENTINELS_MAX);
	MUST(url.host[0] == '\0' && url.path[0] == '\0');
	MUST(list.master[0] != '\0');
	if (redis_sentinels_text(&list, &url, out, sizeof(out)) < 0)
		return;
	MUST(redis_sentinels_parse(&list_again, &again, span_of(out), NULL) ==
	    0);
	same(&url, &again);
	MUST(list.n == list_again.n);
	MUST(strcmp(list.master, list_again.master) == 0);
	for (unsigned i = 0; i < list.n; i++)
		same(&list.at[i], &list_again.at[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct span text = { (const char *)data, n };

	one_server(text);
	sentinels(text);
	return 0;
}
