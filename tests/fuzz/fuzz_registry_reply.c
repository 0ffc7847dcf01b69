/* SPDX-License-Identifier: ISC */

/*
 * Any bytes from a Redis: cut in two at a place that the first byte says, read
 * as replies, and each decoded as the read script's. A second reply meets what
 * the first left.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/directory.h"
#include "cluster/view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
look(const struct directory *d)
{
	const struct view_self self = { "c", "a", "i", "" };
	struct wishes none;
	json_t *json;

	wishes_init(&none, 1);
	for (size_t i = 0; i < d->nentries; i++)
		if (d->entries[i].node[0] == '\0' ||
		    d->entries[i].state[0] == '\0' ||
		    strlen(d->entries[i].id) > DIRECTORY_MEMORY)
			abort();
	json = view_json(d, &none, &self, d->at + 1000);
	json_decref(json);
	wishes_done(&none);
}

static int
read_replies(struct redis_reader *reader, struct directory *d)
{
	const struct redis_reply *reply;
	int r;

	while ((r = redis_reader_next(reader, &reply)) > 0) {
		int got = directory_read(d, reply, 5000);

		if (got < 0 &&
		    (d->nentries != 0 || d->nnodes != 0 || d->birth[0] != '\0'))
			abort();
		look(d);
	}
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct redis_reader *reader = redis_reader_new(1 << 16);
	struct directory d;
	size_t cut;

	if (reader == NULL || n == 0) {
		redis_reader_free(reader);
		return 0;
	}
	directory_init(&d);
	cut = data[0] % n;
	if (redis_reader_feed(reader, data + 1, cut) == 0 &&
	    read_replies(reader, &d) == 0 &&
	    redis_reader_feed(reader, data + 1 + cut, n - 1 - cut) == 0)
		read_replies(reader, &d);
	directory_done(&d);
	redis_reader_free(reader);
	return 0;
}
