/* SPDX-License-Identifier: ISC */

#include "mini_route.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* With %20 for a space and %0a for a line's end. */
static char *
copy_decoded(const char *s)
{
	char *p = strdup(s), *to = p;

	if (p == NULL)
		exit(1);

	for (const char *at = p; *at != '\0'; at++) {
		char hex[3] = "";

		if (*at != '%' || at[1] == '\0' || at[2] == '\0') {
			*to++ = *at;
			continue;
		}
		memcpy(hex, at + 1, 2);
		*to++ = (char)strtoul(hex, NULL, 16);
		at += 2;
	}
	*to = '\0';
	return p;
}

bool
mini_route_set(struct snapshot_route *r, const char *key, const char *value)
{
	const struct {
		const char *key;
		uint32_t *number;
		const char **text;
	} table[] = {
		{ "host", NULL, &r->host },
		{ "rewrite", NULL, &r->rewrite },
		{ "upgrade", NULL, &r->upgrade },
		{ "flags", &r->flags, NULL },
		{ "methods", &r->methods, NULL },
		{ "request_set", NULL, &r->request_set },
		{ "request_remove", NULL, &r->request_remove },
		{ "response_set", NULL, &r->response_set },
		{ "response_remove", NULL, &r->response_remove },
		{ "redirect", NULL, &r->redirect },
		{ "redirect_status", &r->redirect_status, NULL },
		{ "rate_count", &r->rate_count, NULL },
		{ "rate_period_s", &r->rate_period_s, NULL },
		{ "rate_burst", &r->rate_burst, NULL },
		{ "rate_header", NULL, &r->rate_header },
		{ "cors_origins", NULL, &r->cors_origins },
		{ "cors_methods", &r->cors_methods, NULL },
		{ "cors_headers", NULL, &r->cors_headers },
		{ "cors_expose", NULL, &r->cors_expose },
		{ "cors_max_age_s", &r->cors_max_age_s, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (strcmp(table[i].key, key) != 0)
			continue;
		if (table[i].number != NULL)
			*table[i].number = (uint32_t)strtoul(value, NULL, 0);
		else
			*table[i].text = copy_decoded(value);
		return true;
	}
	return false;
}
