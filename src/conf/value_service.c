/* SPDX-License-Identifier: ISC */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "conf/conf.h"
#include "conf/value_types.h"

/* --- lists of strings ----------------------------------------------------- */

const char *const *
value_copy_list(const struct value_site *site, const struct schema *row,
    const struct node *n)
{
	const char **list;
	size_t i = 0;

	list = arena_alloc(site->arena, (n->n + 1) * sizeof(*list));
	if (list == NULL) {
		value_nomem(site);
		return NULL;
	}
	for (const struct node *e = n->first; e != NULL; e = e->next) {
		list[i] = value_copy(site, row, e);
		if (list[i++] == NULL)
			return NULL;
	}
	return list;
}

bool
read_argv(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	const char *const *argv;

	if (n->kind != NODE_LIST || n->n < row->min || n->n > row->max)
		return value_refuse(site, row, n);
	if (n->first->kind == NODE_STRING && *n->first->text == '\0')
		return value_refuse(site, row, n->first);
	argv = value_copy_list(site, row, n);
	if (argv != NULL)
		*(const char *const **)field = argv;
	return argv != NULL;
}

bool
value_stands_before(const struct node *list, const struct node *n)
{
	for (const struct node *e = list->first; e != n; e = e->next)
		if (strcmp(e->text, n->text) == 0)
			return true;
	return false;
}

static bool
is_protocol(const char *s)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "0123456789.-";
	size_t n = strlen(s);

	return n > 0 && n <= CONF_TOKEN_MAX && s[strspn(s, allowed)] == '\0' &&
	    strcmp(s, "h2c") != 0;
}

bool
read_tokens(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	const char *const *tokens;

	if (n->kind != NODE_LIST || n->n > row->max)
		return value_refuse(site, row, n);
	for (const struct node *e = n->first; e != NULL; e = e->next)
		if (e->kind != NODE_STRING || !is_protocol(e->text) ||
		    value_stands_before(n, e))
			return value_refuse(site, row, e);
	tokens = value_copy_list(site, row, n);
	if (tokens != NULL)
		*(const char *const **)field = tokens;
	return tokens != NULL;
}

bool
read_names(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	const char *const *names;

	if (n->kind != NODE_LIST || n->n > row->max)
		return value_refuse(site, row, n);
	for (const struct node *e = n->first; e != NULL; e = e->next)
		if (e->kind != NODE_STRING || !value_is_name(e->text) ||
		    value_stands_before(n, e))
			return value_refuse(site, row, e);
	names = value_copy_list(site, row, n);
	if (names != NULL)
		*(const char *const **)field = names;
	return names != NULL;
}

json_t *
write_strings(const struct schema *row, const void *field, bool *omit)
{
	const char *const *s = *(const char *const *const *)field;
	json_t *list;

	(void)row;
	*omit = s == NULL;
	list = s != NULL ? json_array() : NULL;
	for (; list != NULL && *s != NULL; s++) {
		if (json_array_append_new(list, json_string(*s)) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

/* --- env ------------------------------------------------------------------ */

/* A variable that drover does not set itself. */
static bool
is_variable(const char *s)
{
	static const char *const ours[] = { "LISTEN_FDS", "LISTEN_PID",
		"LISTEN_FDNAMES", "NOTIFY_SOCKET" };
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz_0123456789";

	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (strcmp(s, ours[i]) == 0)
			return false;
	return *s != '\0' && strlen(s) <= 255 && (*s < '0' || *s > '9') &&
	    s[strspn(s, letters)] == '\0' && strncmp(s, "DROVER_", 7) != 0;
}

static bool
refuse_variable(const struct value_site *site, const struct node *n)
{
	fault_add(site->faults, site->file, n->line, site->shown,
	    "found the variable \"%.60s\"; allowed a letter or _, then "
	    "letters, digits and _, and none that drover sets itself",
	    n->key);
	return false;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(((const struct conf_env *)a)->name,
	    ((const struct conf_env *)b)->name);
}

bool
read_env(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	struct conf_service *s = field;
	struct conf_env *env;
	size_t i = 0;

	if (n->kind != NODE_MAP || n->n > row->max)
		return value_refuse(site, row, n);
	env = arena_alloc(site->arena, (n->n + 1) * sizeof(*env));
	if (env == NULL)
		return value_nomem(site);
	for (const struct node *e = n->first; e != NULL; e = e->next, i++) {
		if (!is_variable(e->key))
			return refuse_variable(site, e);
		env[i].value = value_copy(site, row, e);
		if (env[i].value == NULL)
			return false;
		env[i].name = arena_copy(site->arena, span_of(e->key));
		if (env[i].name == NULL)
			return value_nomem(site);
	}
	qsort(env, i, sizeof(*env), by_name);
	s->env = env;
	s->nenv = i;
	return true;
}

json_t *
write_env(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_service *s = field;
	json_t *map = json_object();

	(void)row;
	(void)omit;
	for (size_t i = 0; map != NULL && i < s->nenv; i++) {
		if (json_object_set_new(
			map, s->env[i].name, json_string(s->env[i].value)) == 0)
			continue;
		json_decref(map);
		map = NULL;
	}
	return map;
}

/* --- replicas ------------------------------------------------------------- */

/* A fault at replicas.min or .max, on its line. */
static bool
refuse_bound(const struct value_site *site, const struct node *n,
    unsigned least, const struct schema *row)
{
	char found[NODE_FOUND_MAX], key[NODE_FOUND_MAX];

	snprintf(key, sizeof(key), "%s.%s", site->shown, n->key);
	fault_add(site->faults, site->file, n->line, key,
	    "found %s; allowed an integer from %u to %" PRIu64,
	    node_found(n, found), least, row->max);
	return false;
}

static bool
read_bound(const struct value_site *site, const struct schema *row,
    const struct node *n, unsigned least, unsigned *out)
{
	if (n->kind != NODE_INT || n->number < (int64_t)least ||
	    n->number > (int64_t)row->max)
		return refuse_bound(site, n, least, row);
	*out = (unsigned)n->number;
	return true;
}

static bool
read_bounds(const struct value_site *site, const struct schema *row,
    const struct node *map, struct conf_service *s)
{
	const struct node *min = node_get(map, "min");
	const struct node *max = node_get(map, "max");

	if (min == NULL || max == NULL || map->n != 2)
		return value_refuse(site, row, map);
	if (!read_bound(site, row, min, 0, &s->replicas_min) ||
	    !read_bound(site, row, max, 1, &s->replicas_max))
		return false;
	if (s->replicas_min <= s->replicas_max)
		return true;
	return refuse_bound(site, max, s->replicas_min, row);
}

bool
read_replicas(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	struct conf_service *s = field;

	if (n->kind == NODE_MAP)
		return read_bounds(site, row, n, s);
	if (n->kind != NODE_INT || n->number < (int64_t)row->min ||
	    n->number > (int64_t)row->max)
		return value_refuse(site, row, n);
	s->replicas_min = s->replicas_max = (unsigned)n->number;
	return true;
}

json_t *
write_replicas(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_service *s = field;

	(void)row;
	(void)omit;
	if (s->replicas_min != s->replicas_max)
		return json_pack("{si si}", "min", (int)s->replicas_min, "max",
		    (int)s->replicas_max);
	return json_integer(s->replicas_min);
}

/* --- balance.hash --------------------------------------------------------- */

static const char hash_choices[] = "header|cookie|query|path|source";

bool
value_is_token(const char *s, size_t max)
{
	static const char token[] = "!#$%&'*+-.^_`|~0123456789"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz";

	return *s != '\0' && strlen(s) <= max && s[strspn(s, token)] == '\0';
}

bool
read_hash(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	struct conf_service *s = field;
	struct span rest, kind;
	char word[16];
	size_t choice = SIZE_MAX;

	if (n->kind == NODE_STRING) {
		rest = span_of(n->text);
		if (span_next(&rest, ':', &kind) &&
		    str_copy(word, sizeof(word), kind) == 0)
			choice = value_choice(hash_choices, word);
	}
	if (choice == SIZE_MAX ||
	    (choice < CONF_HASH_PATH
		    ? !value_is_token(rest.n > 0 ? rest.p : "", 255)
		    : kind.n != strlen(n->text)))
		return value_refuse(site, row, n);
	s->balance = CONF_BALANCE_HASH;
	s->hash = (enum conf_hash)choice;
	s->hash_name = arena_copy(site->arena, rest);
	return s->hash_name != NULL || value_nomem(site);
}

json_t *
write_hash(const struct schema *row, const void *field, bool *omit)
{
	static const char *const kinds[] = { "header", "cookie", "query",
		"path", "source" };
	const struct conf_service *s = field;

	(void)row;
	*omit = s->balance != CONF_BALANCE_HASH;
	if (*omit)
		return NULL;
	return json_sprintf("%s%s%s", kinds[s->hash],
	    *s->hash_name != '\0' ? ":" : "", s->hash_name);
}

/* --- routes --------------------------------------------------------------- */

static bool
read_match(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field, bool exact)
{
	struct conf_route *r = field;

	if (r->path != NULL) {
		fault_add(site->faults, site->file, n->line, site->shown,
		    "found path and exact; allowed one of them");
		return false;
	}
	if (n->kind != NODE_STRING ||
	    !value_is_url_path(n->text, row->max, false))
		return value_refuse(site, row, n);
	r->path = value_copy(site, row, n);
	r->exact = exact;
	return r->path != NULL;
}

bool
read_route_path(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return read_match(site, row, n, field, false);
}

bool
read_route_exact(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return read_match(site, row, n, field, true);
}

json_t *
write_route_path(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_route *r = field;

	(void)row;
	*omit = r->exact || r->path == NULL; /* refused: rules.c */
	return *omit ? NULL : json_string(r->path);
}

json_t *
write_route_exact(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_route *r = field;

	(void)row;
	*omit = !r->exact;
	return r->exact ? json_string(r->path) : NULL;
}

/* In the order of their bits, CONF_GET first. */
static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "DELETE",
	"PATCH", "OPTIONS" };

static unsigned
method_bit(const struct node *n)
{
	for (unsigned i = 0; i < ARRAY_LEN(methods); i++)
		if (n->kind == NODE_STRING && strcmp(methods[i], n->text) == 0)
			return 1U << i;
	return 0;
}

bool
read_methods(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	unsigned set = 0;

	if (n->kind != NODE_LIST || n->n < row->min)
		return value_refuse(site, row, n);
	for (const struct node *e = n->first; e != NULL; e = e->next) {
		unsigned bit = method_bit(e);

		if (bit == 0 || (set & bit))
			return value_refuse(site, row, e);
		set |= bit;
	}
	*(unsigned *)field = set;
	return true;
}

json_t *
write_methods(const struct schema *row, const void *field, bool *omit)
{
	unsigned set = *(const unsigned *)field;
	json_t *list;

	(void)row;
	*omit = set == 0;
	list = set != 0 ? json_array() : NULL;
	for (unsigned i = 0; list != NULL && i < ARRAY_LEN(methods); i++) {
		if (!(set & 1U << i) ||
		    json_array_append_new(list, json_string(methods[i])) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

/* --- checks --------------------------------------------------------------- */

static bool
set_kind(const struct value_site *site, const struct node *n,
    struct conf_check *check, enum conf_check_kind kind)
{
	if (check->kind == CONF_CHECK_NOTIFY)
		return true; /* refused as a whole: rules.c */
	if (check->kind == CONF_CHECK_NONE) {
		check->kind = kind;
		return true;
	}
	fault_add(site->faults, site->file, n->line, site->shown,
	    "found a second kind of check; allowed one of path, tcp and exec");
	return false;
}

bool
read_ready(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	bool notify;

	if (!read_flag(site, row, n, &notify))
		return false;
	if (notify)
		((struct conf_check *)field)->kind = CONF_CHECK_NOTIFY;
	return true;
}

json_t *
write_ready(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_check *check = field;

	(void)row;
	*omit = check->kind != CONF_CHECK_NOTIFY;
	return *omit ? NULL : json_string("notify");
}

bool
read_check_path(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	struct conf_check *check = field;

	if (n->kind != NODE_STRING ||
	    !value_is_url_path(n->text, row->max, true))
		return value_refuse(site, row, n);
	check->path = value_copy(site, row, n);
	return check->path != NULL && set_kind(site, n, check, CONF_CHECK_HTTP);
}

json_t *
write_check_path(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_check *check = field;

	(void)row;
	*omit = check->kind != CONF_CHECK_HTTP;
	return *omit ? NULL : json_string(check->path);
}

bool
read_check_tcp(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	bool yes;

	if (!read_bool(site, row, n, &yes))
		return false;
	return !yes || set_kind(site, n, field, CONF_CHECK_TCP);
}

json_t *
write_check_tcp(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_check *check = field;

	(void)row;
	*omit = check->kind != CONF_CHECK_TCP;
	return *omit ? NULL : json_true();
}

bool
read_check_exec(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	struct conf_check *check = field;

	return read_argv(site, row, n, &check->command) &&
	    set_kind(site, n, check, CONF_CHECK_EXEC);
}

json_t *
write_check_exec(const struct schema *row, const void *field, bool *omit)
{
	const struct conf_check *check = field;

	*omit = check->kind != CONF_CHECK_EXEC;
	return *omit ? NULL : write_strings(row, &check->command, omit);
}
