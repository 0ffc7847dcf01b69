/* SPDX-License-Identifier: ISC */

/* Who may use a route. */

#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "conf/conf.h"
#include "conf/value_types.h"

#define PAIR_MAX 255

/* In the order of their bits, CONF_HS256 first. */
static const char *const algorithms[] = { "HS256", "RS256", "ES256" };

static const char *
algorithm(unsigned i)
{
	return i < ARRAY_LEN(algorithms) ? algorithms[i] : NULL;
}

bool
read_algorithms(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return value_read_bits(site, row, n, algorithm, field);
}

json_t *
write_algorithms(const struct schema *row, const void *field, bool *omit)
{
	(void)row;
	return value_write_bits(algorithm, *(const unsigned *)field, omit);
}

static bool
is_token(const char *s)
{
	return value_is_token(s, 255);
}

/* A header that is neither of the message's framing nor drover's own. */
static bool
is_field(const char *s)
{
	static const char *const ours[] = { "Connection", "Content-Length",
		"Expect", "Host", "Keep-Alive", "Proxy-Authenticate",
		"Proxy-Authorization", "Proxy-Connection", "TE", "Trailer",
		"Traceparent", "Transfer-Encoding", "Upgrade", "Via",
		"X-Request-Id" };

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (strcasecmp(s, ours[i]) == 0)
			return false;
	return is_token(s) && strlen(s) <= CONF_FIELD_MAX &&
	    strchr(s, '_') == NULL && strncasecmp(s, "Drover-", 7) != 0 &&
	    strncasecmp(s, "X-Forwarded-", 12) != 0;
}

static bool
put_name(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field, bool (*passes)(const char *))
{
	const char *copy;

	if (n->kind != NODE_STRING || !passes(n->text))
		return value_refuse(site, row, n);
	copy = value_copy(site, row, n);
	*(const char **)field = copy;
	return copy != NULL;
}

bool
read_field(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return put_name(site, row, n, field, is_field);
}

bool
read_cookie(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return put_name(site, row, n, field, is_token);
}

static bool
read_list(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field, bool (*passes)(const char *))
{
	const char *const *list;

	if (n->kind != NODE_LIST || n->n > row->max)
		return value_refuse(site, row, n);
	for (const struct node *e = n->first; e != NULL; e = e->next)
		if (e->kind != NODE_STRING || !passes(e->text) ||
		    value_stands_before(n, e))
			return value_refuse(site, row, e);
	list = value_copy_list(site, row, n);
	if (list != NULL)
		*(const char *const **)field = list;
	return list != NULL;
}

bool
read_passed(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return read_list(site, row, n, field, is_field);
}

/* name=value, both visible ASCII; the first '=' parts them. */
static bool
is_pair(const char *s)
{
	const char *mark = strchr(s, '=');

	if (mark == NULL || mark == s || mark[1] == '\0' ||
	    strlen(s) > PAIR_MAX)
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return false;
	return true;
}

static bool
is_claim(const char *s)
{
	return is_pair(s) && is_field(strchr(s, '=') + 1);
}

bool
read_require(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return read_list(site, row, n, field, is_pair);
}

bool
read_claims(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return read_list(site, row, n, field, is_claim);
}
