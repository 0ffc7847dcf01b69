/* SPDX-License-Identifier: ISC */

/*
 * h2_head - the fields of an HTTP/2 header block, as the text of HTTP/1.1
 *
 * Fed with one field after the other it writes the lines that a client of
 * HTTP/1.1 would have sent, and refuses what cannot be said there (h2.h has
 * the list). It judges nothing that head.c judges: the text is read by that.
 * Memory is kept from one head to the next as long as it is little.
 */

#ifndef HTTP_H2_HEAD_H
#define HTTP_H2_HEAD_H

#include "base/buf.h"
#include "http/head.h"

#define H2_HEAD_BOMB 4 /* times the ceiling, and the connection ends */
#define H2_HEAD_KEEP 2048

enum h2_pseudo { H2_METHOD, H2_SCHEME, H2_AUTHORITY, H2_PATH, H2_PSEUDO };

struct h2_head {
	size_t max, max_lines;
	struct buf text;   /* the request line and fields; or trailers */
	struct buf pseudo; /* values, one behind the other */
	struct buf cookie;
	struct {
		bool there;
		size_t at, n;
	} part[H2_PSEUDO];
	size_t cost;
	unsigned lines, hosts;
	bool trailers;
	bool fields; /* past the pseudo fields */
	bool malformed;
	bool nomem;
	bool head;  /* the method is HEAD */
	bool sized; /* there is a Content-Length: */
	uint64_t length;
	enum head_refusal refusal;
};

void h2_head_init(
    struct h2_head *hh, size_t max, size_t max_lines, struct buf_meter *meter);
void h2_head_done(struct h2_head *hh);

void h2_head_begin(struct h2_head *hh, bool trailers);

/* -EFBIG: it has gone so far over the ceiling that nothing more is read. */
int h2_head_field(
    struct h2_head *hh, struct span name, struct span value) MUST_CHECK;

/*
 * The block is whole; end: no body follows. 0: hh->text, unless hh->refusal
 * says why not; -EBADMSG: malformed; -ENOMEM.
 */
int h2_head_end(struct h2_head *hh, bool end) MUST_CHECK;

#endif /* HTTP_H2_HEAD_H */
