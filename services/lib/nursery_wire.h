/* SPDX-License-Identifier: ISC */

/*
 * nursery_wire - what the two sides of a nursery say to each other
 *
 * To the nursery, on its descriptor 3: one packet an errand, struct
 * nursery_order and the order's bytes, with two descriptors: the errand's own
 * socket and what the child reads. On the errand's socket come back
 * NURSERY_ANSWER from the child, with a memory file, or NURSERY_EXIT from the
 * nursery. Closing it stops the errand. Same program, same machine: structs go
 * as they are.
 */

#ifndef SVC_NURSERY_WIRE_H
#define SVC_NURSERY_WIRE_H

#include <stdint.h>

#define NURSERY_FD 3

struct nursery_order {
	uint64_t memory;
	uint64_t cpu_s;
	uint64_t out;
};

#define NURSERY_NO_CHILD (-1) /* as a status: it could not be forked */

enum nursery_kind { NURSERY_ANSWER = 1, NURSERY_EXIT = 2 };

struct nursery_word {
	uint32_t kind;
	int32_t status; /* NURSERY_EXIT: as waitpid() says it */
	uint64_t len;	/* NURSERY_ANSWER: bytes in the file */
};

#endif /* SVC_NURSERY_WIRE_H */
