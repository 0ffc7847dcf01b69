/* SPDX-License-Identifier: ISC */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/box.h"
#include "conf/conf.h"
#include "conf/schema.h"

struct changes {
	struct conf_change *list;
	size_t n, cap;
};

static struct conf_change *
add_change(struct changes *c, enum conf_change_kind kind, const char *service,
    const char *key)
{
	struct conf_change *grown;

	if (c->n == c->cap) {
		size_t cap = c->cap == 0 ? 8 : c->cap * 2;

		grown = realloc(c->list, cap * sizeof(*grown));
		if (grown == NULL)
			return NULL;
		c->list = grown;
		c->cap = cap;
	}
	c->list[c->n] = (struct conf_change){
		.kind = kind,
		.service = service,
		.key = key,
	};
	return &c->list[c->n++];
}

/* redis://user:password@host, &sentinel_pass=: nobody needs to read those. */
static void
hide_password(char *text)
{
	char *from = strstr(text, "://"), *at = strrchr(text, '@');
	char *pass = strstr(text, "sentinel_pass=");

	if (from != NULL && pass != NULL) {
		pass += strlen("sentinel_pass=");
		memmove(pass, pass + strcspn(pass, "&"),
		    strlen(pass + strcspn(pass, "&")) + 1);
		at = strrchr(text, '@');
	}
	if (from == NULL || at == NULL || at < from)
		return;
	memmove(from + 3, at + 1, strlen(at + 1) + 1);
}

/* Cut to what fits, between two characters. */
static void
put_cut(char out[64], const char *text)
{
	size_t n = strlen(text);

	if (n <= 63) {
		memcpy(out, text, n + 1);
		return;
	}
	n = 60;
	while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	memcpy(out, text, n);
	memcpy(out + n, "...", 4);
}

static int
show_value(const struct schema *row, const json_t *value, char out[64])
{
	struct buf text;
	int r = 0;

	out[0] = '\0';
	if (value == NULL)
		return 0;
	buf_init(&text, 4 * 1024 * 1024);
	if (json_is_string(value))
		r = buf_puts(&text, json_string_value(value));
	else
		r = conf_json_text(value, &text);
	if (r == 0 && row->type == SCHEMA_REGISTRY)
		hide_password(text.data);
	if (r == 0)
		put_cut(out, buf_str(&text));
	buf_done(&text);
	return r;
}

static bool
same(const json_t *a, const json_t *b)
{
	return a == NULL || b == NULL ? a == b : json_equal(a, b);
}

/* Groups and the keys of elements are compared where their value stands. */
static bool
is_leaf(const struct schema *row)
{
	return row->type != SCHEMA_GROUP && row->type != SCHEMA_CHECK &&
	    strchr(row->path, '[') == NULL;
}

static int
add_row(struct changes *c, enum conf_change_kind kind, const char *service,
    const struct schema *row, json_t *old, json_t *new_)
{
	struct conf_change *change = add_change(c, kind, service, row->path);
	int r;

	if (change == NULL)
		return -ENOMEM;
	r = show_value(row, conf_json_at(old, row->path), change->from);
	if (r == 0)
		r = show_value(row, conf_json_at(new_, row->path), change->to);
	return r;
}

static enum conf_change_kind
kind_of(const struct schema *row)
{
	static const enum conf_change_kind kinds[] = {
		[SCHEMA_LIVE] = CONF_CHANGED,
		[SCHEMA_RESPAWN] = CONF_RESTARTED,
		[SCHEMA_DROVER] = CONF_NEEDS_RESTART_OF_DROVER,
	};

	return kinds[row->reload];
}

static int
diff_root(struct changes *c, json_t *old, json_t *new_)
{
	int r = old != NULL && new_ != NULL ? 0 : -ENOMEM;

	for (const struct schema *row = schema_root;
	     r == 0 && row->path != NULL; row++)
		if (is_leaf(row) &&
		    !same(conf_json_at(old, row->path),
			conf_json_at(new_, row->path)))
			r = add_row(c, kind_of(row), "", row, old, new_);
	json_decref(old);
	json_decref(new_);
	return r;
}

/* One change for a service: the first key that costs its processes, if any. */
static const struct schema *
telling_row(json_t *old, json_t *new_)
{
	const struct schema *first = NULL;

	for (const struct schema *row = schema_service; row->path != NULL;
	     row++) {
		if (!is_leaf(row) ||
		    same(conf_json_at(old, row->path),
			conf_json_at(new_, row->path)))
			continue;
		if (row->reload == SCHEMA_RESPAWN)
			return row;
		if (first == NULL)
			first = row;
	}
	return first;
}

static int
diff_service(struct changes *c, const struct conf_service *old,
    const struct conf_service *new_)
{
	const struct schema *row;
	json_t *a, *b;
	int r = -ENOMEM;

	if (old->hash_all == new_->hash_all)
		return 0;
	a = conf_service_json(old);
	b = conf_service_json(new_);
	row = a != NULL && b != NULL ? telling_row(a, b) : NULL;
	if (row != NULL)
		r = add_row(c, kind_of(row), new_->name, row, a, b);
	json_decref(a);
	json_decref(b);
	return r;
}

static int
diff_services(
    struct changes *c, const struct conf *old, const struct conf *new_)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < old->nservices || j < new_->nservices)) {
		const struct conf_service *a = &old->services[i];
		const struct conf_service *b = &new_->services[j];
		int order = i == old->nservices ? 1
		    : j == new_->nservices	? -1
						: strcmp(a->name, b->name);

		if (order == 0)
			r = diff_service(c, a, b);
		else if (add_change(c, order < 0 ? CONF_REMOVED : CONF_ADDED,
			     order < 0 ? a->name : b->name, "") == NULL)
			r = -ENOMEM;
		i += order <= 0;
		j += order >= 0;
	}
	return r;
}

int
conf_diff(const struct conf *old, const struct conf *new_,
    struct conf_change **changes, size_t *n)
{
	struct changes c = { 0 };
	int r = diff_root(&c, conf_root_json(old), conf_root_json(new_));

	if (r == 0)
		r = diff_services(&c, old, new_);
	if (r < 0) {
		free(c.list);
		c = (struct changes){ 0 };
	}
	*changes = c.list;
	*n = c.n;
	return r;
}
