/* SPDX-License-Identifier: ISC */

#include "mini_tls.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"

#define PAIRS 8

static const char *
file_text(const char *path)
{
	struct buf b;

	buf_init(&b, SNAPSHOT_PEM_MAX);
	return fd_read_file(path, &b) < 0 ? NULL : b.data;
}

static uint32_t
number(const char *s)
{
	return (uint32_t)strtoul(s, NULL, 0);
}

/* Of a listener of before nothing is freed: a snapshot may hold it. */
int
mini_tls(struct snapshot_listener *l, char **w, int n)
{
	static uint64_t mark;
	struct snapshot_pair *pairs = calloc(PAIRS, sizeof(*pairs));

	if (pairs == NULL)
		return -ENOMEM;
	l->flags |= SNAPSHOT_LISTENER_TLS;
	l->mark = ++mark;
	l->handshake_ms = 10000;
	l->handshakes = 1024;
	l->npairs = l->tls13 = 0;
	l->pairs = pairs;
	for (int i = 0; i < n; i++) {
		if (strncmp(w[i], "tls13=", 6) == 0)
			l->tls13 = number(w[i] + 6);
		else if (strncmp(w[i], "time=", 5) == 0)
			l->handshake_ms = number(w[i] + 5);
		else if (strncmp(w[i], "most=", 5) == 0)
			l->handshakes = number(w[i] + 5);
		else if (i + 1 == n || l->npairs == PAIRS)
			return -EINVAL;
		else {
			pairs[l->npairs].cert = file_text(w[i]);
			pairs[l->npairs++].key = file_text(w[++i]);
		}
	}
	return 0;
}

void
mini_handshakes(const struct scoreboard *board, unsigned worker)
{
	struct scoreboard_worker_view v;

	scoreboard_worker_view(board, worker, &v);
	printf("handshakes");
	for (unsigned i = 0; i < HANDSHAKE_COUNT; i++)
		printf(" %s=%" PRIu64, scoreboard_handshake_name(i),
		    v.handshakes[i]);
	printf("\n");
}
