/* SPDX-License-Identifier: ISC */

#include "conf/schema.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "conf/value.h"

size_t
schema_len(const struct schema *table)
{
	size_t n = 0;

	while (table[n].path != NULL)
		n++;
	return n;
}

size_t
schema_find(const struct schema *table, const char *path)
{
	for (size_t i = 0; table[i].path != NULL; i++)
		if (strcmp(table[i].path, path) == 0)
			return i;
	return SIZE_MAX;
}

const char *
schema_leaf(const struct schema *row, const char *parent)
{
	size_t n = strlen(parent);
	const char *leaf = row->path;

	if (n > 0) {
		if (strncmp(leaf, parent, n) != 0 || leaf[n] != '.')
			return NULL;
		leaf += n + 1;
	}
	return strpbrk(leaf, ".[") == NULL ? leaf : NULL;
}

size_t
schema_child(const struct schema *table, const char *parent, const char *key)
{
	for (size_t i = 0; table[i].path != NULL; i++) {
		const char *leaf = schema_leaf(&table[i], parent);

		if (leaf != NULL && strcmp(leaf, key) == 0)
			return i;
	}
	return SIZE_MAX;
}

/* "a|b|c" as "one of a, b, c". */
static void
allowed_choices(const char *choices, char *out, size_t size)
{
	struct span rest = span_of(choices), part;
	size_t n = (size_t)snprintf(out, size, "one of ");

	while (n < size && span_next(&rest, '|', &part))
		n += (size_t)snprintf(out + n, size - n, "%.*s%s", (int)part.n,
		    part.p, rest.n > 0 ? ", " : "");
}

static void
allowed_range(const struct schema *row, char *out, size_t size)
{
	char min[VALUE_SHOW_MAX], max[VALUE_SHOW_MAX];

	switch (row->type) {
	case SCHEMA_DURATION:
	case SCHEMA_AGE:
		snprintf(out, size,
		    "a duration from %s to %s, as 250ms, 5s, 2m, 1h",
		    value_show_ms(min, row->min), value_show_ms(max, row->max));
		break;
	case SCHEMA_SIZE:
		snprintf(out, size,
		    "a size from %s to %s, as 64KiB, 512MiB, 4GiB",
		    value_show_bytes(min, row->min),
		    value_show_bytes(max, row->max));
		break;
	case SCHEMA_PERCENT:
		snprintf(out, size,
		    "a percentage from %" PRIu64 "%% to %" PRIu64
		    "%%, as 150%%",
		    row->min, row->max);
		break;
	default:
		snprintf(out, size, "%san integer from %" PRIu64 " to %" PRIu64,
		    row->type == SCHEMA_WORKERS ? "auto, or " : "", row->min,
		    row->max);
	}
}

/* clang-format off */
static const struct {
	const char *name;    /* in the manual: "Type: ..." */
	const char *allowed; /* in an error; %llu is row->max; NULL: made */
} types[SCHEMA_NTYPES] = {
	[SCHEMA_GROUP] =	{ "mapping", "a mapping" },
	[SCHEMA_ELEMENTS] =	{ "list of mappings", "a list of at most %llu mappings" },
	[SCHEMA_CHECK] =	{ "mapping", "a mapping" },
	[SCHEMA_TEXT] =		{ "text", "text of 1 to %llu bytes without control characters" },
	[SCHEMA_PATH] =		{ "path", "an absolute path of at most 4095 bytes" },
	[SCHEMA_FILE] =		{ "path", "a path of at most 4095 bytes, absolute or from the folder of this file" },
	[SCHEMA_NAME] =		{ "name", "a lower-case letter, then lower-case letters, digits and dashes, at most 63" },
	[SCHEMA_NODE] =		{ "name", "letters, digits, dots, dashes and underscores, at most 63, a letter or digit first" },
	[SCHEMA_ADDRESS] =	{ "address", "ADDRESS:PORT, [ADDRESS]:PORT or unix:/PATH of at most 107 bytes" },
	[SCHEMA_HOST] =		{ "host name", "a host name without a port, or *. and a host name" },
	[SCHEMA_URL_PATH] =	{ "URL path", "a path that begins with a slash, of visible ASCII without ? and #, without dot segments, at most %llu bytes" },
	[SCHEMA_BOOL] =		{ "true or false", "true or false" },
	[SCHEMA_FLAG] =		{ "choice", NULL },
	[SCHEMA_ENUM] =		{ "choice", NULL },
	[SCHEMA_INT] =		{ "integer", NULL },
	[SCHEMA_DURATION] =	{ "duration", NULL },
	[SCHEMA_SIZE] =		{ "size", NULL },
	[SCHEMA_PERCENT] =	{ "percentage", NULL },
	[SCHEMA_ARGV] =		{ "list of strings", "a list of 1 to %llu strings, the first not empty" },
	[SCHEMA_TOKENS] =	{ "list of protocols", "a list of at most %llu different protocols of lower-case letters, digits, dots and dashes, at most 31 each, and not h2c" },
	[SCHEMA_NAMES] =	{ "list of names", "a list of at most %llu different names of services" },
	[SCHEMA_ENV] =		{ "mapping of strings", "a mapping of at most %llu variables to strings in quotes" },
	[SCHEMA_REPLICAS] =	{ "integer, or min and max", "an integer from 0 to %llu, or {min: 0, max: 8} with max from 1 to that" },
	[SCHEMA_READY] =	{ "choice", NULL },
	[SCHEMA_CHECK_PATH] =	{ "URL path", "a path that begins with a slash, of visible ASCII without #, at most %llu bytes" },
	[SCHEMA_CHECK_TCP] =	{ "true or false", "true or false" },
	[SCHEMA_CHECK_EXEC] =	{ "list of strings", "a list of 1 to %llu strings, the first not empty" },
	[SCHEMA_SIGNAL] =	{ "choice", NULL },
	[SCHEMA_HASH] =		{ "what to hash", "header:NAME, cookie:NAME, query:NAME, path or source" },
	[SCHEMA_ROUTE_PATH] =	{ "URL path", "a path that begins with a slash, of visible ASCII without ? and #, without dot segments, at most %llu bytes" },
	[SCHEMA_ROUTE_EXACT] =	{ "URL path", "a path that begins with a slash, of visible ASCII without ? and #, without dot segments, at most %llu bytes" },
	[SCHEMA_METHODS] =	{ "list of methods", "a list of different ones of GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS" },
	[SCHEMA_SET] =		{ "mapping of strings", "a mapping of at most %llu header names to strings in quotes, of 1 to 512 bytes without control characters and without a space at their ends" },
	[SCHEMA_REMOVE] =	{ "list of headers", "a list of at most %llu different header names, of at most 64 bytes" },
	[SCHEMA_FIELDS] =	{ "list of headers", "a list of at most %llu different header names, of at most 64 bytes" },
	[SCHEMA_TARGET] =	{ "URL", "https, or a URL of visible ASCII that begins with http or https and a host, which may be ${host}, or with one slash, and behind that may have ${host}, ${path} and ${query}, at most %llu bytes" },
	[SCHEMA_STATUS] =	{ "status", "301, 302, 303, 307 or 308" },
	[SCHEMA_RATE] =		{ "rate", "a number from 1 to 1000000 and /s, /m or /h, as 100/s" },
	[SCHEMA_BURST] =	{ "integer", NULL },
	[SCHEMA_RATE_KEY] =	{ "what to count by", "address or header:NAME" },
	[SCHEMA_ORIGINS] =	{ "list of origins", "a list of 1 to %llu different origins, as https://example.org or http://example.org:8080 in lower case and without a port that goes without saying, or \"*\" alone" },
	[SCHEMA_SWITCH] =	{ "true or false", "true or false" },
	[SCHEMA_AGE] =		{ "duration", NULL },
	[SCHEMA_WORKERS] =	{ "integer, or auto", NULL },
	[SCHEMA_REGISTRY] =	{ "URL", "managed, none, redis://[user:password@]host[:port][/db] or sentinel://host[:port],...[/db]?master=NAME" },
	[SCHEMA_NETWORKS] =	{ "list of addresses", "a list of at most %llu addresses or networks, as 10.0.0.0/8 or fd00::/8, with nothing set behind the prefix" },
	[SCHEMA_ALGORITHMS] =	{ "list of algorithms", "a list of different ones of HS256, RS256, ES256" },
	[SCHEMA_CALLS] =	{ "list of groups", "a list of different ones of filesystem, namespaces, kernel, clock, debug, keyring, io_uring, sockets, obsolete, newer" },
	[SCHEMA_FIELD] =	{ "header", "the name of a header without underscores, at most 63 bytes, and none that drover or the message's framing needs" },
	[SCHEMA_PASSED] =	{ "list of headers", "a list of at most %llu different names of headers without underscores, and none that drover or the message's framing needs" },
	[SCHEMA_COOKIE] =	{ "cookie", "the name of a cookie, at most 255 bytes" },
	[SCHEMA_REQUIRE] =	{ "list of claims", "a list of at most %llu different claim=value" },
	[SCHEMA_CLAIMS] =	{ "list of claims", "a list of at most %llu different claim=Header, with headers as in response_headers" },
};
/* clang-format on */

const char *
schema_type_name(enum schema_type type)
{
	return types[type].name;
}

const char *
schema_allowed(const struct schema *row, char *out, size_t size)
{
	const char *form = types[row->type].allowed;
	const char *hole;

	if (row->choices != NULL)
		allowed_choices(row->choices, out, size);
	else if (row->type == SCHEMA_ELEMENTS && row->min > 0)
		snprintf(out, size,
		    "a list of %" PRIu64 " to %" PRIu64 " mappings", row->min,
		    row->max);
	else if (form == NULL)
		allowed_range(row, out, size);
	else if ((hole = strstr(form, "%llu")) == NULL)
		snprintf(out, size, "%s", form);
	else
		snprintf(out, size, "%.*s%llu%s", (int)(hole - form), form,
		    (unsigned long long)row->max, hole + strlen("%llu"));
	return out;
}
