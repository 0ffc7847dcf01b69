/* SPDX-License-Identifier: ISC */

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "conf/conf.h"
#include "conf/value_types.h"

#define SOCKET_PATH_MAX 107 /* of sockaddr_un, without the NUL */
#define HOST_MAX 253

static bool
is_port(struct span s)
{
	uint64_t port;

	return str_u64(s, &port) == 0 && port > 0 && port <= 65535;
}

/* An address of this family, from a span. */
static bool
is_ip(int family, struct span s)
{
	unsigned char raw[16];
	char text[INET6_ADDRSTRLEN];

	return str_copy(text, sizeof(text), s) == 0 &&
	    inet_pton(family, text, raw) == 1;
}

/* Split "host:port" and "[v6]:port"; no port: the empty span. */
static bool
split_port(struct span s, bool *bracketed, struct span *host, struct span *port)
{
	const char *end;

	*bracketed = s.n > 0 && *s.p == '[';
	end = memchr(s.p, *bracketed ? ']' : ':', s.n);
	if (end == NULL)
		end = s.p + s.n;
	*host = (struct span){ s.p, (size_t)(end - s.p) };
	if (*bracketed) {
		if (end == s.p + s.n)
			return false;
		host->p++;
		host->n--;
		end++;
	}
	*port = (struct span){ end, (size_t)(s.p + s.n - end) };
	if (port->n == 0)
		return true;
	port->n--;
	return *port->p++ == ':';
}

static bool
is_address(const char *text)
{
	struct span s = span_of(text), host, port;
	bool bracketed;

	if (span_starts(s, SPAN("unix:/")))
		return s.n - strlen("unix:") <= SOCKET_PATH_MAX;
	return split_port(s, &bracketed, &host, &port) && is_port(port) &&
	    is_ip(bracketed ? AF_INET6 : AF_INET, host);
}

bool
read_address(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	const char *copy;

	if (n->kind != NODE_STRING || !is_address(n->text))
		return value_refuse(site, row, n);
	copy = value_copy(site, row, n);
	*(const char **)field = copy;
	return copy != NULL;
}

static bool
is_host_name(struct span s)
{
	struct span label;

	if (s.n == 0 || s.n > HOST_MAX || s.p[s.n - 1] == '.')
		return false;
	while (span_next(&s, '.', &label)) {
		if (label.n == 0 || label.n > 63 || *label.p == '-' ||
		    label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!isalnum((unsigned char)label.p[i]) &&
			    label.p[i] != '-' && label.p[i] != '_')
				return false;
	}
	return true;
}

static bool
is_host(const char *text)
{
	struct span s = span_of(text);

	if (s.n > 2 && *s.p == '[' && s.p[s.n - 1] == ']')
		return is_ip(AF_INET6, (struct span){ s.p + 1, s.n - 2 });
	if (span_starts(s, SPAN("*."))) {
		s.p += 2;
		s.n -= 2;
	}
	return is_host_name(s);
}

/* Hosts are compared without case: they are kept in lower case. */
bool
read_host(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	char *copy;

	if (n->kind != NODE_STRING || !is_host(n->text))
		return value_refuse(site, row, n);
	copy = arena_copy(site->arena, span_of(n->text));
	*(const char **)field = copy;
	if (copy == NULL)
		return value_nomem(site);
	for (; *copy != '\0'; copy++)
		*copy = (char)tolower((unsigned char)*copy);
	return true;
}

static bool
has_dot_segment(struct span s)
{
	struct span part;

	while (span_next(&s, '/', &part))
		if (span_eq(part, SPAN(".")) || span_eq(part, SPAN("..")))
			return true;
	return false;
}

bool
value_is_url_path(const char *s, size_t max, bool query)
{
	if (*s != '/' || strlen(s) > max)
		return false;
	if (!query && has_dot_segment(span_of(s)))
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || *s == '#' || (*s == '?' && !query))
			return false;
	return true;
}

bool
read_url_path(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	const char *copy;

	if (n->kind != NODE_STRING ||
	    !value_is_url_path(n->text, row->max, false))
		return value_refuse(site, row, n);
	copy = value_copy(site, row, n);
	*(const char **)field = copy;
	return copy != NULL;
}

/* --- trusted_proxies ------------------------------------------------------ */

static bool
behind_prefix_is_zero(const struct conf_network *net)
{
	for (unsigned bit = net->prefix; bit < 128; bit++)
		if (net->address[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

static bool
parse_network(const char *text, struct conf_network *net)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct span rest = span_of(text), host;
	char ip[INET6_ADDRSTRLEN];
	uint64_t prefix;
	bool v4, slash = strchr(text, '/') != NULL;

	if (!span_next(&rest, '/', &host) || str_copy(ip, sizeof(ip), host) < 0)
		return false;
	memcpy(net->address, mapped, sizeof(mapped));
	v4 = inet_pton(AF_INET, ip, net->address + sizeof(mapped)) == 1;
	if (!v4 && inet_pton(AF_INET6, ip, net->address) != 1)
		return false;
	prefix = v4 ? 32 : 128;
	if (slash && (str_u64(rest, &prefix) < 0 || prefix > (v4 ? 32 : 128)))
		return false;
	net->prefix = (unsigned)prefix + (v4 ? 96 : 0);
	return behind_prefix_is_zero(net);
}

bool
read_networks(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	struct conf *conf = CONTAINER_OF(field, struct conf, trusted);
	struct conf_network *nets;
	size_t i = 0;

	if (n->kind != NODE_LIST || n->n > row->max)
		return value_refuse(site, row, n);
	nets = arena_alloc(site->arena, (n->n + 1) * sizeof(*nets));
	if (nets == NULL)
		return value_nomem(site);
	for (const struct node *e = n->first; e != NULL; e = e->next)
		if (e->kind != NODE_STRING ||
		    !parse_network(e->text, &nets[i++]))
			return value_refuse(site, row, e);
	conf->trusted = nets;
	conf->ntrusted = n->n;
	return true;
}

static json_t *
network_json(const struct conf_network *net)
{
	bool v4 = net->prefix >= 96 &&
	    IN6_IS_ADDR_V4MAPPED(
		(const struct in6_addr *)(const void *)net->address);
	char ip[INET6_ADDRSTRLEN];

	if (inet_ntop(v4 ? AF_INET : AF_INET6, net->address + (v4 ? 12 : 0), ip,
		sizeof(ip)) == NULL)
		return NULL;
	return json_sprintf("%s/%u", ip, net->prefix - (v4 ? 96 : 0));
}

json_t *
write_networks(const struct schema *row, const void *field, bool *omit)
{
	const struct conf *conf = CONTAINER_OF(
	    (void *)(uintptr_t)field, struct conf, trusted);
	json_t *list = json_array();

	(void)row;
	(void)omit;
	for (size_t i = 0; list != NULL && i < conf->ntrusted; i++) {
		if (json_array_append_new(
			list, network_json(&conf->trusted[i])) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

/* --- registry ------------------------------------------------------------- */

/* Behind the last '@', if there is one. */
static struct span
behind_user(struct span s)
{
	for (size_t i = s.n; i > 0; i--)
		if (s.p[i - 1] == '@')
			return (struct span){ s.p + i, s.n - i };
	return s;
}

/* Cut s at c; what stands behind it. */
static struct span
cut_off(struct span *s, char c)
{
	const char *at = s->n > 0 ? memchr(s->p, c, s->n) : NULL;
	struct span rest = { NULL, 0 };

	if (at == NULL)
		return rest;
	rest.p = at + 1;
	rest.n = s->n - (size_t)(at + 1 - s->p);
	s->n = (size_t)(at - s->p);
	return rest;
}

static bool
is_database(struct span db)
{
	uint64_t number;

	return db.n == 0 || (str_u64(db, &number) == 0 && number <= 16383);
}

static bool
is_server(struct span s)
{
	struct span host, port;
	bool bracketed;

	if (!split_port(s, &bracketed, &host, &port) ||
	    (port.n > 0 && !is_port(port)))
		return false;
	return bracketed ? is_ip(AF_INET6, host) : is_host_name(host);
}

/* redis://[user:password@]host[:port][/db] */
static bool
is_redis_url(const char *text)
{
	struct span s = span_of(text), db;

	if (!span_starts(s, SPAN("redis://")) ||
	    !value_is_url_path(text + strlen("redis:/"), 1024, true))
		return false;
	s = behind_user(span_of(text + strlen("redis://")));
	db = cut_off(&s, '/');
	return is_database(db) && is_server(s);
}

static bool
is_master_name(struct span name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!isalnum((unsigned char)name.p[i]) &&
		    strchr("._-", name.p[i]) == NULL)
			return false;
	return name.n > 0 && name.n <= 63;
}

/* master=NAME once, and whom to be to the Sentinels. */
static bool
is_sentinel_query(struct span query)
{
	bool named = false;
	struct span key;

	while (span_next(&query, '&', &key)) {
		struct span value = cut_off(&key, '=');

		if (span_eq(key, SPAN("master")) && !named)
			named = is_master_name(value);
		else if (value.n == 0 ||
		    (!span_eq(key, SPAN("sentinel_user")) &&
			!span_eq(key, SPAN("sentinel_pass"))))
			return false;
	}
	return named;
}

/* sentinel://[user:password@]host[:port][,...][/db]?master=NAME[&...] */
static bool
is_sentinel_url(const char *text)
{
	struct span s = span_of(text), query, db, host;
	size_t n = 0;

	if (!span_starts(s, SPAN("sentinel://")) ||
	    !value_is_url_path(text + strlen("sentinel:/"), 1024, true))
		return false;
	s = span_of(text + strlen("sentinel://"));
	query = cut_off(&s, '?');
	s = behind_user(s);
	db = cut_off(&s, '/');
	while (span_next(&s, ',', &host))
		if (++n > CONF_SENTINELS_MAX || !is_server(host))
			return false;
	return n > 0 && is_database(db) && is_sentinel_query(query);
}

/* The URL may hold a password: what was found is not repeated. */
static bool
refuse_registry(const struct value_site *site, const struct schema *row,
    const struct node *n)
{
	const char *found = "a URL that is none of Redis";
	char allowed[256];

	if (n->kind != NODE_STRING || strstr(n->text, "://") == NULL)
		return value_refuse(site, row, n);
	if (strncmp(n->text, "sentinel://", 11) == 0)
		found = "a sentinel:// URL with a bad host, port, database, "
			"master or key";
	else if (strncmp(n->text, "rediss://", 9) == 0)
		found = "a URL with TLS";
	else if (strncmp(n->text, "redis://", 8) == 0)
		found = "a redis:// URL with a bad host, port or database";
	fault_add(site->faults, site->file, n->line, site->shown,
	    "found %s; allowed %s", found,
	    schema_allowed(row, allowed, sizeof(allowed)));
	return false;
}

bool
read_registry(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	struct conf_registry *registry = field;
	const char *text = n->kind == NODE_STRING ? n->text : "";

	registry->url = "";
	if (strcmp(text, "managed") == 0)
		registry->kind = CONF_REGISTRY_MANAGED;
	else if (strcmp(text, "none") == 0)
		registry->kind = CONF_REGISTRY_NONE;
	else if (is_redis_url(text) || is_sentinel_url(text)) {
		registry->kind = CONF_REGISTRY_URL;
		registry->url = value_copy(site, row, n);
		return registry->url != NULL;
	} else
		return refuse_registry(site, row, n);
	return true;
}

json_t *
write_registry(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_registry *registry = field;

	(void)row;
	(void)omit;
	if (registry->kind == CONF_REGISTRY_MANAGED)
		return json_string("managed");
	if (registry->kind == CONF_REGISTRY_NONE)
		return json_string("none");
	return json_string(registry->url);
}
