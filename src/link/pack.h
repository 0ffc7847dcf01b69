/* SPDX-License-Identifier: ISC */

/*
 * pack - records of numbers and strings, between processes of one machine
 *
 * Numbers are in the machine's own order. A record is a 32-bit length and its
 * fields; a reader that knows more fields than the writer wrote gets zeros
 * and empty strings for the rest, and one that knows fewer skips them. That is
 * how version N reads N-1.
 *
 * Writing: the first failure (-ENOBUFS, -ENOMEM) sticks in `error`; look once,
 * at the end. Reading: a field that runs over the end of the data, a string
 * over its ceiling, or one with a NUL inside sets `error` to -EBADMSG, and
 * every later read gives zeros.
 */

#ifndef LINK_PACK_H
#define LINK_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

struct packer {
	struct buf *out; /* borrowed */
	size_t record;	 /* where the open record's length stands */
	int error;
};

void pack_begin(struct packer *p, struct buf *out);
void pack_open(struct packer *p); /* records do not nest */
void pack_close(struct packer *p);
void pack_u32(struct packer *p, uint32_t v);
void pack_u64(struct packer *p, uint64_t v);
void pack_bytes(struct packer *p, const void *data, size_t n); /* no length */
void pack_str(struct packer *p, const char *s);		       /* NULL is "" */

struct unpacker {
	const unsigned char *at;
	const unsigned char *end;
	const unsigned char *record; /* end of the open record, or NULL */
	int error;
};

void unpack_begin(struct unpacker *u, const void *data, size_t n);
void unpack_open(struct unpacker *u);
void unpack_close(struct unpacker *u); /* skips what was not read */
uint32_t unpack_u32(struct unpacker *u);
uint64_t unpack_u64(struct unpacker *u);
void unpack_bytes(struct unpacker *u, void *out, size_t n);
struct span unpack_span(struct unpacker *u, size_t max);

/* A copy in the arena, never NULL unless error was set (-ENOMEM too). */
const char *unpack_str(struct unpacker *u, struct arena *a, size_t max);

/* A count of records to come: over max, or over what is left, is an error. */
uint32_t unpack_count(struct unpacker *u, uint32_t max);

#endif /* LINK_PACK_H */
