/* SPDX-License-Identifier: ISC */

/* h2_session - what h2.c and h2_answer.c share; nobody else's */

#ifndef HTTP_H2_SESSION_H
#define HTTP_H2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "http/h2.h"
#include "http/h2_head.h"

/* So many at once, and so many a second. */
struct h2_budget {
	uint32_t most, per_s;
	uint32_t left;
	uint64_t since_ms; /* when `left` was last filled up */
};

struct h2 {
	nghttp2_session *ng;
	const struct h2_ops *ops;
	void *arg;
	struct buf_meter *meter;
	uint64_t now_ms;
	enum h2_fault fault;
	int error; /* of ops->emit */

	/* The frame that is being read. */
	bool preface; /* not even the first came */
	size_t nhead; /* bytes of its header that came */
	size_t rest;  /* of its payload, or of the preface, to come */
	unsigned char frame[9];

	struct h2_head head;
	struct h2_event *ev; /* during h2_read() */
	struct h2_budget resets, controls;
	uint32_t updates; /* WINDOW_UPDATEs that what we sent accounts for */
};

nghttp2_mem h2_memory(struct h2 *h);

/* The end of its answer was framed. */
void h2_ended(struct h2 *h, struct h2_stream *s);

/* h2_answer.c: nghttp2 asks for the body of a frame. */
int h2_on_send_data(nghttp2_session *ng, nghttp2_frame *frame,
    const uint8_t *framehd, size_t length, nghttp2_data_source *source,
    void *arg);

#endif /* HTTP_H2_SESSION_H */
