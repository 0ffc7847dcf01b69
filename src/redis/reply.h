/* SPDX-License-Identifier: ISC */

/*
 * reply - what Redis answers, read from bytes; hiredis stops here
 *
 * Only hiredis's reader is used. Its connections look up names while
 * everybody waits, abort out of memory, and grow without a ceiling, so ours
 * are our own (redis/redis.h); and the replies it reads are built in our arena.
 *
 * A reply is one tree of plain values. It is borrowed: it lives until the next
 * call to the reader that gave it.
 */

#ifndef REDIS_REPLY_H
#define REDIS_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum redis_type {
	REDIS_NIL,
	REDIS_STRING,
	REDIS_STATUS,
	REDIS_ERROR, /* str is Redis's text */
	REDIS_INTEGER,
	REDIS_ARRAY
};

struct redis_reply {
	enum redis_type type;
	int64_t integer;
	struct span str; /* STRING, STATUS, ERROR; a NUL follows; never NULL */
	size_t n;	 /* ARRAY */
	const struct redis_reply **item; /* n of them, none NULL */
};

/* The nth of an array, or NULL if this is no array that long. */
const struct redis_reply *redis_reply_at(
    const struct redis_reply *reply, size_t n);

/* Of this type (reply may be NULL)? */
bool redis_reply_is(const struct redis_reply *reply, enum redis_type type);

/* An error whose first word is this one? */
bool redis_reply_fails(const struct redis_reply *reply, const char *word);

/* What a server says that will not serve this connection any more? */
bool redis_reply_is_farewell(const struct redis_reply *reply);

/* A decimal string or an integer, at least 0; -EINVAL otherwise. */
int redis_reply_u64(const struct redis_reply *reply, uint64_t *out) MUST_CHECK;

struct redis_reader;

/* max: bytes that one reply may have on the wire. NULL out of memory. */
struct redis_reader *redis_reader_new(size_t max);
void redis_reader_free(struct redis_reader *reader);

/* Copies the bytes. 0 or -ENOMEM, -EPROTO as redis_reader_next(). */
int redis_reader_feed(
    struct redis_reader *reader, const void *data, size_t n) MUST_CHECK;

/*
 * 1 and the next reply; 0 when it is not there yet; -EPROTO not Redis's
 * language, -ENOBUFS over max, -ENOMEM. After an error the reader is only good
 * to be freed.
 */
int redis_reader_next(
    struct redis_reader *reader, const struct redis_reply **reply) MUST_CHECK;

#endif /* REDIS_REPLY_H */
