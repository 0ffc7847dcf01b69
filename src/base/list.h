/* SPDX-License-Identifier: ISC */

/*
 * list - doubly linked lists whose links live inside the things they hold
 *
 * A struct link is zero or on exactly one list. list_remove() on a link that
 * is on no list does nothing, so that teardown needs no bookkeeping.
 */

#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/array.h"

struct link {
	struct link *next;
	struct link *prev;
};

struct list {
	struct link head; /* circular, through the head */
};

static inline void
list_init(struct list *l)
{
	l->head.next = l->head.prev = &l->head;
}

static inline bool
list_empty(const struct list *l)
{
	return l->head.next == &l->head;
}

static inline bool
link_on_list(const struct link *k)
{
	return k->next != NULL;
}

static inline void
link_insert(struct link *k, struct link *before)
{
	k->next = before;
	k->prev = before->prev;
	before->prev->next = k;
	before->prev = k;
}

static inline void
list_push(struct list *l, struct link *k) /* at the end */
{
	link_insert(k, &l->head);
}

static inline void
list_unshift(struct list *l, struct link *k) /* at the front */
{
	link_insert(k, l->head.next);
}

static inline void
list_remove(struct link *k)
{
	if (k->next == NULL)
		return;
	k->next->prev = k->prev;
	k->prev->next = k->next;
	k->next = k->prev = NULL;
}

/* The first thing on the list, or NULL. */
#define LIST_FIRST(list, type, member)   \
	(list_empty(list) ? (type *)NULL \
			  : CONTAINER_OF((list)->head.next, type, member))

#define LIST_EACH(var, list, type, member)                              \
	for (type *var = CONTAINER_OF((list)->head.next, type, member); \
	     &var->member != &(list)->head;                             \
	     var = CONTAINER_OF(var->member.next, type, member))

/* The same; the body may remove and free var. */
#define LIST_EACH_SAFE(var, list, type, member)                               \
	for (type *var = CONTAINER_OF((list)->head.next, type, member),       \
		  *var##_next = CONTAINER_OF(var->member.next, type, member); \
	     &var->member != &(list)->head; var = var##_next,                 \
		  var##_next = CONTAINER_OF(var->member.next, type, member))

#endif /* BASE_LIST_H */
