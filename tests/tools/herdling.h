/* SPDX-License-Identifier: ISC */

/*
 * herdling - what its two files share: herdling.c starts it, misbehaves and
 * turns the loop, herdling_http.c answers
 */

#ifndef TESTS_TOOLS_HERDLING_H
#define TESTS_TOOLS_HERDLING_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/tools/wire.h"

/* What the command line asked for; see the table in herdling.c. */
struct herdling_options {
	uint64_t port, crash, crash_after, crash_code, ignore_term, forks;
	uint64_t setsid, flood, never_ready, ready_after, delay, notify;
	uint64_t swap, twice, lose, fail, linger, unique, crash_at;
	const char *unix_path, *say;
};

extern struct herdling_options opt;
extern uint64_t started_us;
extern volatile sig_atomic_t terminated;

struct request {
	char method[16];
	char path[1024];
	char query[1024];
	char token[128];
	char head[WIRE_HEAD_MAX + 1];
	struct wire_body body;
};

struct conn {
	int fd; /* -1: free */
	char in[WIRE_HEAD_MAX];
	size_t nin;
	bool has_head, asked, close;
	struct request rq;
	uint64_t due_us; /* when the answer may go out */
	struct wire_text out;
	size_t sent;
	uint64_t big_left, big_at; /* bytes of pattern that follow `out` */
	bool big_chunked;
};

void conn_readable(struct conn *c); /* may end it: fd is -1 then */
void conn_writable(struct conn *c);
bool conn_due(const struct conn *c); /* its answer may go out */

#endif /* TESTS_TOOLS_HERDLING_H */
