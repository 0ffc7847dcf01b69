/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include <ctype.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "conf/conf.h"
#include "conf/value_types.h"
#include "model/seccomp.h"

/* --- text ----------------------------------------------------------------- */

const char *
value_copy(const struct value_site *site, const struct schema *row,
    const struct node *n)
{
	const char *copy;

	if (n->kind != NODE_STRING) {
		value_refuse(site, row, n);
		return NULL;
	}
	copy = arena_copy(site->arena, span_of(n->text));
	if (copy == NULL)
		value_nomem(site);
	return copy;
}

/* Copy it into the field if it is a string that passes. */
static bool
put_text(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field, bool (*passes)(const char *, size_t))
{
	const char *copy;

	if (n->kind != NODE_STRING || !passes(n->text, row->max))
		return value_refuse(site, row, n);
	copy = value_copy(site, row, n);
	*(const char **)field = copy;
	return copy != NULL;
}

static bool
is_text(const char *s, size_t max)
{
	size_t n = strlen(s);

	if (n == 0 || n > max)
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static bool
is_path(const char *s, size_t max)
{
	(void)max;
	return *s == '/' && is_text(s, 4095);
}

bool
value_is_name(const char *s)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	size_t n = strlen(s);

	return n > 0 && n <= CONF_NAME_MAX && strchr(letters, *s) != NULL &&
	    s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

static bool
is_name(const char *s, size_t max)
{
	(void)max;
	return value_is_name(s);
}

static bool
is_node(const char *s, size_t max)
{
	(void)max;
	if (strlen(s) > CONF_NAME_MAX || !isalnum((unsigned char)*s))
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr("._-", *s) == NULL)
			return false;
	return true;
}

bool
read_text(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return put_text(site, row, n, field, is_text);
}

/* The folder that a relative path in this file counts from, with its slash. */
static bool
folder_of(const char *file, char out[PATH_MAX])
{
	const char *slash = strrchr(file, '/');
	char name[PATH_MAX];
	size_t n;

	if (slash == NULL)
		slash = file = "./";
	if (str_copy(name, sizeof(name),
		(struct span){ file, (size_t)(slash - file) + 1 }) < 0 ||
	    realpath(name, out) == NULL)
		return false;
	n = strlen(out);
	if (n + 1 >= PATH_MAX)
		return false;
	memcpy(out + n, "/", 2);
	return true;
}

bool
read_file_path(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	char path[2 * PATH_MAX] = "";
	size_t have;

	if (n->kind != NODE_STRING || !is_text(n->text, PATH_MAX - 1) ||
	    (*n->text != '/' && !folder_of(site->file, path)))
		return value_refuse(site, row, n);
	have = strlen(path);
	memcpy(path + have, n->text, strlen(n->text) + 1);
	if (strlen(path) >= PATH_MAX)
		return value_refuse(site, row, n);
	*(const char **)field = arena_copy(site->arena, span_of(path));
	return *(const char **)field != NULL || value_nomem(site);
}

bool
read_path(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return put_text(site, row, n, field, is_path);
}

bool
read_name(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return put_text(site, row, n, field, is_name);
}

bool
read_node(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return put_text(site, row, n, field, is_node);
}

json_t *
write_text(const struct schema *row, const void *field, bool *omit)
{
	const char *s = *(const char *const *)field;

	(void)row;
	*omit = s == NULL;
	return s != NULL ? json_string(s) : NULL;
}

/* --- choices -------------------------------------------------------------- */

size_t
value_choice(const char *choices, const char *text)
{
	struct span rest = span_of(choices), part;

	for (size_t i = 0; span_next(&rest, '|', &part); i++)
		if (span_eq(part, span_of(text)))
			return i;
	return SIZE_MAX;
}

static json_t *
choice_json(const char *choices, size_t want, bool *omit)
{
	struct span rest = span_of(choices), part;

	for (size_t i = 0; span_next(&rest, '|', &part); i++)
		if (i == want)
			return json_stringn(part.p, part.n);
	*omit = true;
	return NULL;
}

bool
read_bool(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	if (n->kind != NODE_BOOL)
		return value_refuse(site, row, n);
	*(bool *)field = n->number != 0;
	return true;
}

json_t *
write_bool(const struct schema *row, const void *field, bool *omit)
{
	(void)row;
	(void)omit;
	return json_boolean(*(const bool *)field);
}

static bool
read_choice(const struct value_site *site, const struct schema *row,
    const struct node *n, size_t *choice)
{
	*choice = SIZE_MAX;
	/* 1.2 is a number to YAML, and a word to us. */
	if (n->kind == NODE_STRING ||
	    (n->kind == NODE_OTHER && n->text != NULL))
		*choice = value_choice(row->choices, n->text);
	return *choice != SIZE_MAX || value_refuse(site, row, n);
}

bool
read_flag(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	size_t choice;

	if (!read_choice(site, row, n, &choice))
		return false;
	*(bool *)field = choice == 1;
	return true;
}

json_t *
write_flag(const struct schema *row, const void *field, bool *omit)
{
	return choice_json(row->choices, *(const bool *)field, omit);
}

bool
read_enum(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	size_t choice;

	if (!read_choice(site, row, n, &choice))
		return false;
	*(unsigned *)field = (unsigned)choice;
	return true;
}

json_t *
write_enum(const struct schema *row, const void *field, bool *omit)
{
	return choice_json(row->choices, *(const unsigned *)field, omit);
}

/* In the order of the row's choices. */
static const int signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1,
	SIGUSR2, SIGWINCH };

bool
read_signal(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	size_t choice;

	if (!read_choice(site, row, n, &choice) || choice >= ARRAY_LEN(signals))
		return false;
	*(int *)field = signals[choice];
	return true;
}

json_t *
write_signal(const struct schema *row, const void *field, bool *omit)
{
	size_t i = 0;

	while (i < ARRAY_LEN(signals) && signals[i] != *(const int *)field)
		i++;
	return choice_json(row->choices, i, omit);
}

/* --- numbers -------------------------------------------------------------- */

bool
read_int(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	if (n->kind != NODE_INT || n->number < 0 ||
	    (uint64_t)n->number < row->min || (uint64_t)n->number > row->max)
		return value_refuse(site, row, n);
	*(unsigned *)field = (unsigned)n->number;
	return true;
}

json_t *
write_int(const struct schema *row, const void *field, bool *omit)
{
	(void)row;
	(void)omit;
	return json_integer(*(const unsigned *)field);
}

static bool
in_range(const struct schema *row, uint64_t v)
{
	return v >= row->min && v <= row->max;
}

bool
read_duration(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	uint64_t ms;

	if (n->kind != NODE_STRING || str_duration(span_of(n->text), &ms) < 0 ||
	    !in_range(row, ms))
		return value_refuse(site, row, n);
	*(uint64_t *)field = ms;
	return true;
}

json_t *
write_duration(const struct schema *row, const void *field, bool *omit)
{
	char out[VALUE_SHOW_MAX];

	(void)row;
	(void)omit;
	return json_string(value_show_ms(out, *(const uint64_t *)field));
}

bool
read_size(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	uint64_t bytes = 0;
	bool ok = false;

	if (n->kind == NODE_STRING)
		ok = str_size(span_of(n->text), &bytes) == 0;
	else if (n->kind == NODE_INT && n->number >= 0) {
		bytes = (uint64_t)n->number;
		ok = true;
	}
	if (!ok || !in_range(row, bytes))
		return value_refuse(site, row, n);
	*(uint64_t *)field = bytes;
	return true;
}

json_t *
write_size(const struct schema *row, const void *field, bool *omit)
{
	char out[VALUE_SHOW_MAX];

	(void)row;
	(void)omit;
	return json_string(value_show_bytes(out, *(const uint64_t *)field));
}

bool
read_percent(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	struct span s = span_of(n->kind == NODE_STRING ? n->text : "");
	uint64_t v;

	if (s.n < 2 || s.p[s.n - 1] != '%')
		return value_refuse(site, row, n);
	s.n--;
	if (str_u64(s, &v) < 0 || !in_range(row, v))
		return value_refuse(site, row, n);
	*(unsigned *)field = (unsigned)v;
	return true;
}

json_t *
write_percent(const struct schema *row, const void *field, bool *omit)
{
	char out[VALUE_SHOW_MAX];

	(void)row;
	(void)omit;
	snprintf(out, sizeof(out), "%u%%", *(const unsigned *)field);
	return json_string(out);
}

/* CPUs that we may run on, as the affinity and a cpuset leave them. */
static unsigned
cpus(unsigned max)
{
	cpu_set_t set;
	unsigned n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = (unsigned)CPU_COUNT(&set);
	return n < max ? n : max;
}

bool
read_workers(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	if (n->kind != NODE_STRING || strcmp(n->text, "auto") != 0)
		return read_int(site, row, n, field);
	*(unsigned *)field = cpus((unsigned)row->max);
	return true;
}

/* --- sets of words -------------------------------------------------------- */

bool
value_read_bits(const struct value_site *site, const struct schema *row,
    const struct node *n, const char *(*word)(unsigned i), unsigned *set)
{
	*set = 0;
	if (n->kind != NODE_LIST || n->n < row->min)
		return value_refuse(site, row, n);
	for (const struct node *e = n->first; e != NULL; e = e->next) {
		unsigned bit = 0;

		for (unsigned i = 0; word(i) != NULL; i++)
			if (e->kind == NODE_STRING &&
			    strcmp(word(i), e->text) == 0)
				bit = 1U << i;
		if (bit == 0 || (*set & bit))
			return value_refuse(site, row, e);
		*set |= bit;
	}
	return true;
}

json_t *
value_write_bits(const char *(*word)(unsigned i), unsigned set, bool *omit)
{
	json_t *list;

	*omit = set == 0;
	list = set != 0 ? json_array() : NULL;
	for (unsigned i = 0; list != NULL && word(i) != NULL; i++) {
		if (!(set & 1U << i) ||
		    json_array_append_new(list, json_string(word(i))) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	return list;
}

static const char *
group_of_calls(unsigned i)
{
	return i < SECCOMP_NGROUPS ? seccomp_groups[i].name : NULL;
}

bool
read_calls(const struct value_site *site, const struct schema *row,
    const struct node *n, void *field)
{
	return value_read_bits(site, row, n, group_of_calls, field);
}

json_t *
write_calls(const struct schema *row, const void *field, bool *omit)
{
	(void)row;
	return value_write_bits(group_of_calls, *(const unsigned *)field, omit);
}
