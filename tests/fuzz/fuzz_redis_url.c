/* SPDX-License-Identifier: ISC */

/*
 * Any text is a URL or an error with a reason. What was read and written again
 * is read as the same.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "redis/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct span text = { (const char *)data, n };
	struct redis_url url, again;
	struct err err = { "" };
	char out[REDIS_URL_MAX];

	if (redis_url_parse(&url, text, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	if ((url.host[0] == '\0') == (url.path[0] == '\0'))
		abort();
	if (redis_url_text(&url, out, sizeof(out)) < 0)
		return 0; /* three bytes for one: it may be too long now */
	if (redis_url_parse(&again, span_of(out), NULL) < 0 ||
	    strcmp(url.host, again.host) != 0 ||
	    strcmp(url.path, again.path) != 0 ||
	    strcmp(url.user, again.user) != 0 ||
	    strcmp(url.password, again.password) != 0 ||
	    url.port != again.port || url.db != again.db)
		abort();
	return 0;
}
