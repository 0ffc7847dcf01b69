/* SPDX-License-Identifier: ISC */

#include "cluster/wishes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
wishes_init(struct wishes *w, size_t max)
{
	memset(w, 0, sizeof(*w));
	map_init(&w->by_field);
	for (int i = 0; i < WISH_NLISTS; i++)
		list_init(&w->list[i]);
	w->max = max;
}

/* The one gate: a wish is on one list, and the lists are counted. */
static void
move(struct wishes *w, struct wish *wish, enum wish_list to)
{
	if (wish->on != WISH_NOWHERE)
		w->n[wish->on]--;
	list_remove(&wish->link);
	wish->on = to;
	if (to == WISH_NOWHERE)
		return;
	w->n[to]++;
	list_push(&w->list[to], &wish->link);
}

static void
discard(struct wishes *w, struct wish *wish)
{
	move(w, wish, WISH_NOWHERE);
	free(wish);
}

static struct wish *
first(const struct wishes *w, enum wish_list on)
{
	return LIST_FIRST(&w->list[on], struct wish, link);
}

void
wishes_done(struct wishes *w)
{
	struct wish *wish;

	for (int i = 0; i < WISH_NLISTS; i++)
		while ((wish = first(w, (enum wish_list)i)) != NULL)
			discard(w, wish);
	map_done(&w->by_field);
}

static char *
put_text(char *p, struct span s, const char **at)
{
	*at = p;
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return p + s.n + 1;
}

static struct wish *
wish_new(struct span service, struct span field, struct span value)
{
	struct wish *wish = malloc(
	    sizeof(*wish) + service.n + field.n + value.n + 3);
	char *p;

	if (wish == NULL)
		return NULL;
	memset(wish, 0, sizeof(*wish));
	p = put_text((char *)(wish + 1), service, &wish->service);
	p = put_text(p, field, &wish->field);
	put_text(p, value, &wish->value);
	return wish;
}

/* Its entry is to be deleted, unless one of that field is written after. */
static void
bury(struct wishes *w, struct wish *wish)
{
	wish->removed = true;
	if (w->n[WISH_REMOVED] < w->max)
		move(w, wish, WISH_REMOVED);
	else
		discard(w, wish); /* an audit will find what it left */
}

int
wishes_set(
    struct wishes *w, struct span service, struct span field, struct span value)
{
	struct wish *old = map_get(&w->by_field, field);
	struct wish *wish;

	if (old != NULL && span_eq(span_of(old->service), service) &&
	    span_eq(span_of(old->value), value))
		return 0;
	if (old == NULL && w->by_field.len >= w->max)
		return -ENOBUFS;
	wish = wish_new(service, field, value);
	if (wish == NULL)
		return -ENOMEM;
	if (map_put(&w->by_field, field, wish) < 0) {
		free(wish);
		return -ENOMEM;
	}
	if (old != NULL && span_eq(span_of(old->service), service))
		discard(w, old);
	else if (old != NULL)
		bury(w, old);
	move(w, wish, WISH_DIRTY);
	return 1;
}

bool
wishes_remove(struct wishes *w, struct span field)
{
	struct wish *wish = map_del(&w->by_field, field);

	if (wish != NULL)
		bury(w, wish);
	return wish != NULL;
}

size_t
wishes_take_batch(struct wishes *w, size_t most)
{
	enum wish_list from = w->n[WISH_REMOVED] > 0 ? WISH_REMOVED
						     : WISH_DIRTY;
	struct wish *wish;

	while (w->n[WISH_SENT] < most && (wish = first(w, from)) != NULL)
		move(w, wish, WISH_SENT);
	return w->n[WISH_SENT];
}

void
wishes_batch_done(struct wishes *w)
{
	struct wish *wish;

	while ((wish = first(w, WISH_SENT)) != NULL) {
		if (wish->removed)
			discard(w, wish);
		else
			move(w, wish, WISH_CLEAN);
	}
}

void
wishes_batch_failed(struct wishes *w)
{
	struct wish *wish;

	while ((wish = first(w, WISH_SENT)) != NULL)
		move(w, wish, wish->removed ? WISH_REMOVED : WISH_DIRTY);
}

void
wishes_audit_begin(struct wishes *w)
{
	w->audit++;
}

int
wishes_audit_found(
    struct wishes *w, struct span service, struct span field, struct span value)
{
	struct wish *wish = map_get(&w->by_field, field);

	if (wish != NULL && span_eq(span_of(wish->service), service)) {
		if (span_eq(span_of(wish->value), value))
			wish->seen = w->audit;
		return 0;
	}
	if (w->n[WISH_REMOVED] >= w->max)
		return -ENOBUFS;
	wish = wish_new(service, field, SPAN(""));
	if (wish == NULL)
		return -ENOMEM;
	bury(w, wish);
	return 0;
}

void
wishes_audit_end(struct wishes *w)
{
	LIST_EACH_SAFE (wish, &w->list[WISH_CLEAN], struct wish, link)
		if (wish->seen != w->audit)
			move(w, wish, WISH_DIRTY);
}

size_t
wishes_count(const struct wishes *w)
{
	return w->by_field.len;
}

size_t
wishes_pending(const struct wishes *w)
{
	return w->n[WISH_DIRTY] + w->n[WISH_REMOVED] + w->n[WISH_SENT];
}
