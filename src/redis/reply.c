/* SPDX-License-Identifier: ISC */

#include "redis/reply.h"

#include <errno.h>
#include <hiredis/read.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define ARENA_FIRST 2048

/*
 * A reply may be so much larger in memory than on the wire: a short string of
 * 7 bytes takes 72, a usual one of 100 bytes takes 180.
 */
#define ARENA_FACTOR 8

struct redis_reader {
	redisReader *reader;
	struct arena arena; /* of the reply being read, or just handed out */
	size_t max;
	size_t fed; /* bytes of replies not yet complete */
	bool given; /* the arena holds a reply that was handed out */
	bool over;  /* a ceiling was met */
};

static void *
take(struct redis_reader *reader, size_t n)
{
	struct arena *arena = &reader->arena;
	void *p = arena_alloc(arena, n);

	if (p == NULL && n > (arena->max - arena->total) / 2)
		reader->over = true;
	return p;
}

/* --- hiredis asks for objects ----------------------------------------------
 */

static struct redis_reply *
make(const redisReadTask *task, enum redis_type type)
{
	struct redis_reader *reader = task->privdata;
	struct redis_reply *reply = take(reader, sizeof(*reply));

	if (reply == NULL)
		return NULL;
	reply->type = type;
	reply->str = SPAN("");
	if (task->parent != NULL) {
		struct redis_reply *parent = task->parent->obj;

		parent->item[task->idx] = reply;
	}
	return reply;
}

static void *
on_string(const redisReadTask *task, char *p, size_t n)
{
	struct redis_reader *reader = task->privdata;
	enum redis_type type = task->type == REDIS_REPLY_ERROR ? REDIS_ERROR
	    : task->type == REDIS_REPLY_STATUS		       ? REDIS_STATUS
							       : REDIS_STRING;
	char *copy = take(reader, n + 1);
	struct redis_reply *reply = copy != NULL ? make(task, type) : NULL;

	if (reply == NULL)
		return NULL;
	memcpy(copy, p, n);
	reply->str = (struct span){ copy, n };
	return reply;
}

static void *
on_array(const redisReadTask *task, int n)
{
	struct redis_reader *reader = task->privdata;
	size_t count = n > 0 ? (size_t)n : 0;
	struct redis_reply *reply;
	void *items = NULL;

	if (count > reader->max / 4) { /* four bytes each, at the least */
		reader->over = true;
		return NULL;
	}
	if (count > 0)
		items = take(reader, count * sizeof(*reply->item));
	if (count > 0 && items == NULL)
		return NULL;
	reply = make(task, REDIS_ARRAY);
	if (reply != NULL) {
		reply->n = count;
		reply->item = items;
	}
	return reply;
}

static void *
on_integer(const redisReadTask *task, long long value)
{
	struct redis_reply *reply = make(task, REDIS_INTEGER);

	if (reply != NULL)
		reply->integer = value;
	return reply;
}

static void *
on_nil(const redisReadTask *task)
{
	return make(task, REDIS_NIL);
}

static void
on_free(void *object)
{
	(void)object; /* the arena's */
}

static redisReplyObjectFunctions functions = {
	.createString = on_string,
	.createArray = on_array,
	.createInteger = on_integer,
	.createNil = on_nil,
	.freeObject = on_free,
};

/* --- the reader -----------------------------------------------------------
 */

struct redis_reader *
redis_reader_new(size_t max)
{
	struct redis_reader *reader = calloc(1, sizeof(*reader));

	if (reader == NULL)
		return NULL;
	reader->reader = redisReaderCreateWithFunctions(&functions);
	if (reader->reader == NULL) {
		free(reader);
		return NULL;
	}
	reader->reader->privdata = reader;
	reader->max = max;
	arena_init(&reader->arena, ARENA_FIRST, max * ARENA_FACTOR);
	return reader;
}

void
redis_reader_free(struct redis_reader *reader)
{
	if (reader == NULL)
		return;
	redisReaderFree(reader->reader);
	arena_done(&reader->arena);
	free(reader);
}

static int
reader_error(const struct redis_reader *reader)
{
	if (reader->reader->err != REDIS_ERR_OOM)
		return -EPROTO;
	return reader->over ? -ENOBUFS : -ENOMEM;
}

static void
forget_given(struct redis_reader *reader)
{
	if (reader->given)
		arena_reset(&reader->arena);
	reader->given = false;
}

int
redis_reader_feed(struct redis_reader *reader, const void *data, size_t n)
{
	forget_given(reader);
	if (redisReaderFeed(reader->reader, data, n) != REDIS_OK)
		return reader_error(reader);
	reader->fed += n;
	return 0;
}

int
redis_reader_next(struct redis_reader *reader, const struct redis_reply **reply)
{
	void *got = NULL;

	forget_given(reader);
	if (redisReaderGetReply(reader->reader, &got) != REDIS_OK)
		return reader_error(reader);
	if (got == NULL)
		return reader->fed > reader->max ? -ENOBUFS : 0;
	reader->fed = reader->reader->len - reader->reader->pos;
	reader->given = true;
	*reply = got;
	return 1;
}

/* --- looking at replies ---------------------------------------------------
 */

bool
redis_reply_is(const struct redis_reply *reply, enum redis_type type)
{
	return reply != NULL && reply->type == type;
}

const struct redis_reply *
redis_reply_at(const struct redis_reply *reply, size_t n)
{
	if (!redis_reply_is(reply, REDIS_ARRAY) || n >= reply->n)
		return NULL;
	return reply->item[n];
}

bool
redis_reply_fails(const struct redis_reply *reply, const char *word)
{
	struct span rest, head;

	if (!redis_reply_is(reply, REDIS_ERROR))
		return false;
	rest = reply->str;
	return span_next(&rest, ' ', &head) && span_eq(head, span_of(word));
}

bool
redis_reply_is_farewell(const struct redis_reply *reply)
{
	return redis_reply_fails(reply, "READONLY") ||
	    redis_reply_fails(reply, "LOADING") ||
	    redis_reply_fails(reply, "MASTERDOWN") ||
	    redis_reply_fails(reply, "NOAUTH");
}

int
redis_reply_u64(const struct redis_reply *reply, uint64_t *out)
{
	if (redis_reply_is(reply, REDIS_INTEGER) && reply->integer >= 0) {
		*out = (uint64_t)reply->integer;
		return 0;
	}
	if (!redis_reply_is(reply, REDIS_STRING))
		return -EINVAL;
	return str_u64(reply->str, out) < 0 ? -EINVAL : 0;
}
