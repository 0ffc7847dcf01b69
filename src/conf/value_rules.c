/* SPDX-License-Identifier: ISC */

/* What a route says besides where it leads: headers, redirect, limit, CORS. */

#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "conf/conf.h"
#include "conf/value_types.h"

#define NAME_MAX_ 64
#define VALUE_MAX 512
#define RATE_MAX 1000000

/* --- headers -------------------------------------------------------------- */

/* Why a header is not the operator's; a name that ends in - is a beginning. */
static const struct {
	const char *name, *why;
} kept[] = {
	{ "connection", "it ends at this hop" },
	{ "keep-alive", "it ends at this hop" },
	{ "proxy-connection", "it ends at this hop" },
	{ "proxy-authenticate", "it ends at this hop" },
	{ "proxy-authorization", "it ends at this hop" },
	{ "te", "it ends at this hop" },
	{ "upgrade", "it ends at this hop" },
	{ "http2-settings", "it ends at this hop" },
	{ "content-length", "it frames the message" },
	{ "transfer-encoding", "it frames the message" },
	{ "trailer", "it frames the message" },
	{ "expect", "it frames the message" },
	{ "host", "drover writes it" },
	{ "via", "drover writes it" },
	{ "traceparent", "drover writes it" },
	{ "x-request-id", "drover writes it" },
	{ "x-forwarded-for", "drover writes it" },
	{ "x-forwarded-host", "drover writes it" },
	{ "x-forwarded-proto", "drover writes it" },
	{ "x-forwarded-prefix", "drover writes it" },
	{ "ratelimit", "drover writes it" },
	{ "ratelimit-policy", "drover writes it" },
	{ "drover-", "drover writes it" },
};

/* As a CGI-like service would read it. */
static void
normalise(char out[NAME_MAX_ + 1], const char *name)
{
	size_t i;

	for (i = 0; i < NAME_MAX_ && name[i] != '\0'; i++) {
		char c = name[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + 32);
		out[i] = c == '_' ? '-' : c;
	}
	out[i] = '\0';
}

static bool
same_header(const char *a, const char *b)
{
	char x[NAME_MAX_ + 1], y[NAME_MAX_ + 1];

	normalise(x, a);
	normalise(y, b);
	return strcmp(x, y) == 0;
}

static const char *
why_kept(const char *name)
{
	char plain[NAME_MAX_ + 1];

	normalise(plain, name);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		size_t n = strlen(kept[i].name);
		bool begins = kept[i].name[n - 1] == '-';

		if (strncmp(plain, kept[i].name, n) == 0 &&
		    (begins || plain[n] == '\0'))
			return kept[i].why;
	}
	return NULL;
}

/* A name that may be changed; n is where it stands. */
static bool
may_change(
    const struct value_site *site, const struct node *n, const char *name)
{
	const char *why = why_kept(name);

	if (why == NULL)
		return true;
	fault_add(site->faults, site->file, n->line, site->shown,
	    "found the header \"%s\"; allowed others: %s", name, why);
	return false;
}

static bool
is_value(const struct node *n)
{
	size_t len;

	if (n->kind != NODE_STRING)
		return false;
	len = strlen(n->text);
	if (len == 0 || len > VALUE_MAX || n->text[0] == ' ' ||
	    n->text[len - 1] == ' ')
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)n->text[i] < 0x20 || n->text[i] == 0x7f)
			return false;
	return true;
}

static bool
read_pair(const struct value_site *site, const struct schema *row,
    const struct node *map, const struct node *n, struct conf_env *out)
{
	if (!value_is_token(n->key, NAME_MAX_) || !is_value(n))
		return value_refuse(site, row, n);
	if (!may_change(site, n, n->key))
		return false;
	for (const struct node *e = map->first; e != n; e = e->next)
		if (same_header(e->key, n->key))
			return value_refuse(site, row, n);
	out->name = arena_copy(site->arena, span_of(n->key));
	out->value = arena_copy(site->arena, span_of(n->text));
	return (out->name != NULL && out->value != NULL) || value_nomem(site);
}

bool
read_set(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	struct conf_headers *h = field;
	struct conf_env *set;
	size_t i = 0;

	if (n->kind != NODE_MAP || n->n > row->max)
		return value_refuse(site, row, n);
	set = arena_alloc(site->arena, n->n * sizeof(*set) + 1);
	if (set == NULL)
		return value_nomem(site);
	for (const struct node *e = n->first; e != NULL; e = e->next)
		if (!read_pair(site, row, n, e, &set[i++]))
			return false;
	h->set = set;
	h->nset = n->n;
	return true;
}

json_t *
write_set(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_headers *h = field;
	json_t *map;

	(void)row;
	*omit = h->nset == 0;
	map = *omit ? NULL : json_object();
	for (size_t i = 0; map != NULL && i < h->nset; i++) {
		if (json_object_set_new(
			map, h->set[i].name, json_string(h->set[i].value)) == 0)
			continue;
		json_decref(map);
		map = NULL;
	}
	return map;
}

bool
read_fields(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	const char *const *list;

	if (n->kind != NODE_LIST || n->n > row->max)
		return value_refuse(site, row, n);
	for (const struct node *e = n->first; e != NULL; e = e->next)
		if (e->kind != NODE_STRING ||
		    !value_is_token(e->text, NAME_MAX_) ||
		    value_stands_before(n, e))
			return value_refuse(site, row, e);
	list = value_copy_list(site, row, n);
	if (list == NULL)
		return false;
	*(const char *const **)field = n->n > 0 ? list : NULL;
	return true;
}

bool
read_remove(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	if (!read_fields(site, row, n, field))
		return false;
	for (const struct node *e = n->first; e != NULL; e = e->next)
		if (!may_change(site, e, e->text))
			return false;
	return true;
}

/* --- redirect ------------------------------------------------------------- */

/* The length of the placeholder that stands here, or 0. */
static size_t
hole_at(const char *s)
{
	static const char *const holes[] = { "${host}", "${path}", "${query}" };

	for (size_t i = 0; i < ARRAY_LEN(holes); i++)
		if (strncmp(s, holes[i], strlen(holes[i])) == 0)
			return strlen(holes[i]);
	return 0;
}

/* Text of a URL, with placeholders; nothing that a browser would repair. */
static bool
is_url_text(const char *s)
{
	while (*s != '\0') {
		size_t n = hole_at(s);

		if (n == 0 &&
		    (*s <= 0x20 || *s >= 0x7f ||
			strchr("\"<>\\^`{|}$", *s) != NULL))
			return false;
		s += n > 0 ? n : 1;
	}
	return true;
}

/*
 * What comes in may not say whose site it is: the host is a text, or the host
 * that was asked for, and a path here does not begin with what came (`//evil`).
 */
static bool
is_target(const char *s)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789.-_:[]";
	const char *host;

	if (!is_url_text(s))
		return false;
	if (*s == '/')
		return s[1] != '/' &&
		    (s[1] != '$' || strcmp(s + 1, "${query}") == 0);
	if (strncmp(s, "https://", 8) != 0 && strncmp(s, "http://", 7) != 0)
		return false;
	host = s = strchr(s, '/') + 2;
	if (strncmp(s, "${host}", 7) == 0)
		s += 7;
	s += strspn(s, name);
	return s > host &&
	    (*s == '\0' || *s == '/' || *s == '?' || *s == '#' ||
		strncmp(s, "${path}", 7) == 0 ||
		strncmp(s, "${query}", 8) == 0);
}

bool
read_target(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	const char *copy;

	if (n->kind != NODE_STRING || strlen(n->text) > row->max ||
	    (strcmp(n->text, "https") != 0 && !is_target(n->text)))
		return value_refuse(site, row, n);
	copy = value_copy(site, row, n);
	*(const char **)field = copy;
	return copy != NULL;
}

bool
read_status(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	int64_t s = n->kind == NODE_INT ? n->number : 0;

	if (s != 301 && s != 302 && s != 303 && s != 307 && s != 308)
		return value_refuse(site, row, n);
	*(unsigned *)field = (unsigned)s;
	return true;
}

json_t *
write_some(const struct schema *row, const void *field, bool *omit)
{
	unsigned v = *(const unsigned *)field;

	(void)row;
	*omit = v == 0;
	return v == 0 ? NULL : json_integer(v);
}

/* --- rate limit ----------------------------------------------------------- */

static const struct {
	const char *name;
	unsigned seconds;
} periods[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 } };

bool
read_rate(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	struct conf_rate *rate = field;
	struct span rest, number;
	uint64_t count;

	if (n->kind != NODE_STRING)
		return value_refuse(site, row, n);
	rest = span_of(n->text);
	if (!span_next(&rest, '/', &number) || str_u64(number, &count) < 0 ||
	    count == 0 || count > RATE_MAX)
		return value_refuse(site, row, n);
	for (size_t i = 0; i < ARRAY_LEN(periods); i++) {
		if (!span_eq(rest, span_of(periods[i].name)))
			continue;
		rate->count = (unsigned)count;
		rate->period_s = periods[i].seconds;
		return true;
	}
	return value_refuse(site, row, n);
}

json_t *
write_rate(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_rate *rate = field;

	(void)row;
	*omit = rate->count == 0;
	for (size_t i = 0; !*omit && i < ARRAY_LEN(periods); i++)
		if (periods[i].seconds == rate->period_s)
			return json_sprintf(
			    "%u/%s", rate->count, periods[i].name);
	return NULL;
}

bool
read_rate_key(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	const char *name = n->kind == NODE_STRING ? n->text : "";
	const char **header = field;

	*header = NULL;
	if (strcmp(name, "address") == 0)
		return true;
	if (strncmp(name, "header:", 7) != 0 ||
	    !value_is_token(name + 7, NAME_MAX_))
		return value_refuse(site, row, n);
	*header = arena_copy(site->arena, span_of(name + 7));
	return *header != NULL || value_nomem(site);
}

json_t *
write_rate_key(const struct schema *row, const void *field, bool *omit)
{
	const char *header = *(const char *const *)field;

	(void)row;
	*omit = header == NULL;
	return *omit ? NULL : json_sprintf("header:%s", header);
}

/* --- cors ----------------------------------------------------------------- */

static bool
ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* The end of a host's name, or of an address in []; NULL: there is none. */
static const char *
skip_host(const char *s)
{
	const char *host = s;

	if (*s != '[')
		s += strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-_");
	else if (*(s += 1 + strspn(s + 1, "0123456789abcdef:.")) == ']')
		s++;
	else
		return NULL;
	return s > host ? s : NULL;
}

static bool
is_port(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n >= 1 && n <= 5 && *s != '0' && s[n] == '\0';
}

/* As a browser writes it: scheme, host, and a port that is not the usual. */
static bool
is_origin(const char *s)
{
	bool tls = strncmp(s, "https://", 8) == 0;

	if ((!tls && strncmp(s, "http://", 7) != 0) || strlen(s) > 255 ||
	    ends_in(s, tls ? ":443" : ":80"))
		return false;
	s = skip_host(s + (tls ? 8 : 7));
	if (s == NULL)
		return false;
	return *s == '\0' || (*s == ':' && is_port(s + 1));
}

bool
read_origins(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	const char *const *list;

	if (n->kind != NODE_LIST || n->n == 0 || n->n > row->max)
		return value_refuse(site, row, n);
	for (const struct node *e = n->first; e != NULL; e = e->next) {
		if (e->kind == NODE_STRING && strcmp(e->text, "*") == 0 &&
		    n->n == 1)
			continue;
		if (e->kind != NODE_STRING || !is_origin(e->text) ||
		    value_stands_before(n, e))
			return value_refuse(site, row, e);
	}
	list = value_copy_list(site, row, n);
	if (list != NULL)
		*(const char *const **)field = list;
	return list != NULL;
}

json_t *
write_switch(const struct schema *row, const void *field, bool *omit)
{
	bool v = *(const bool *)field;

	(void)row;
	*omit = !v;
	return v ? json_true() : NULL;
}

json_t *
write_age(const struct schema *row, const void *field, bool *omit)
{
	char out[VALUE_SHOW_MAX];
	uint64_t ms = *(const uint64_t *)field;

	(void)row;
	*omit = ms == 0;
	return ms == 0 ? NULL : json_string(value_show_ms(out, ms));
}
