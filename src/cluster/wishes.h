/* SPDX-License-Identifier: ISC */

/*
 * wishes - the table of what should stand in Redis, and what of it does not
 *
 * Each wish is one entry: service, field, value. The list that it is on says
 * how it stands: clean (as far as we know it is there), dirty (to be written),
 * sent (in the batch under way), removed (to be deleted; no longer in the
 * table). A batch is of one kind, deletions first: so an entry that went and
 * came back is written last. Pure: knows no Redis and no clock.
 */

#ifndef CLUSTER_WISHES_H
#define CLUSTER_WISHES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/map.h"
#include "base/str.h"

enum wish_list {
	WISH_NOWHERE,
	WISH_CLEAN,
	WISH_DIRTY,
	WISH_REMOVED,
	WISH_SENT,
	WISH_NLISTS
};

struct wish {
	struct link link;
	enum wish_list on;
	bool removed;
	unsigned seen;	   /* the audit that found it */
	const char *field; /* all three live behind the struct */
	const char *service;
	const char *value; /* JSON; of no meaning in a removed one */
};

struct wishes {
	struct map by_field;
	struct list list[WISH_NLISTS];
	size_t n[WISH_NLISTS];
	size_t max; /* of the table, and of those removed */
	unsigned audit;
};

void wishes_init(struct wishes *w, size_t max);
void wishes_done(struct wishes *w);

/* 1 changed, 0 as it was, -ENOBUFS, -ENOMEM: then it is as it was. */
int wishes_set(struct wishes *w, struct span service, struct span field,
    struct span value) MUST_CHECK;

/* True if there was one. It is deleted from Redis too. */
bool wishes_remove(struct wishes *w, struct span field);

/*
 * Move at most `most` of one kind to `sent`, which must be empty: their number
 * and the list itself is the batch. Then it went well, or it did not.
 */
size_t wishes_take_batch(struct wishes *w, size_t most);
void wishes_batch_done(struct wishes *w);
void wishes_batch_failed(struct wishes *w);

/*
 * Compare with what Redis holds of ours: begin, each entry found, end. What
 * differs or is missing becomes dirty; what nobody wishes is to be removed
 * (-ENOBUFS, -ENOMEM: not noted; the next audit finds it again).
 */
void wishes_audit_begin(struct wishes *w);
int wishes_audit_found(struct wishes *w, struct span service, struct span field,
    struct span value) MUST_CHECK;
void wishes_audit_end(struct wishes *w);

size_t wishes_count(const struct wishes *w);   /* in the table */
size_t wishes_pending(const struct wishes *w); /* not known to be done */

#endif /* CLUSTER_WISHES_H */
