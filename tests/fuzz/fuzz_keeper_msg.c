/* SPDX-License-Identifier: ISC */

/*
 * Whatever the bytes: no reading beyond them, and what was understood means
 * the same when it is written and read again.
 */

#include <stdlib.h>
#include <string.h>

#include "link/keeper_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void
walk_lines(struct span rest)
{
	struct keeper_line line;

	while (keeper_line_next(&rest, &line) > 0)
		MUST(line.text.n <= KEEPER_LINE_MAX);
}

static void
walk_list(const char *const *list, size_t max)
{
	size_t n = 0, bytes = 0;

	while (list[n] != NULL)
		bytes += strlen(list[n++]);
	MUST(n <= max && bytes <= KEEPER_MSG_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keeper_msg m, again;
	struct buf first, second;
	struct err err;

	if (keeper_msg_decode(&m, data, size, &err) < 0) {
		MUST(strlen(err.text) > 0);
		return 0;
	}
	if (m.type == KEEPER_MSG_SPAWN) {
		walk_list(m.spec.argv, SPAWN_ARGS_MAX);
		walk_list(m.spec.env, SPAWN_ENV_MAX);
		walk_list(m.spec.writable, KEEPER_WRITABLE_MAX);
	}
	walk_lines(m.bytes);
	buf_init(&first, 2 * KEEPER_MSG_MAX);
	buf_init(&second, 2 * KEEPER_MSG_MAX);
	MUST(keeper_msg_encode(&m, KEEPER_MSG_VERSION, &first) == 0);
	MUST(keeper_msg_decode(&again, first.data, first.len, &err) == 0);
	MUST(keeper_msg_encode(&again, KEEPER_MSG_VERSION, &second) == 0);
	MUST(first.len == second.len &&
	    memcmp(first.data, second.data, first.len) == 0);
	buf_done(&first);
	buf_done(&second);
	return 0;
}
