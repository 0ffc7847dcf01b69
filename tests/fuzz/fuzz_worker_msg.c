/* SPDX-License-Identifier: ISC */

/* What is not refused is within its bounds, and reads the same again. */

#include <stdlib.h>
#include <string.h>

#include "link/scoreboard.h"
#include "link/worker_msg.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct worker_msg m, back;
	char out[WORKER_MSG_MAX];
	struct err err = { "" };
	ssize_t n;

	if (worker_msg_decode(&m, data, size, &err) < 0) {
		MUST(err.text[0] != '\0');
		return 0;
	}
	MUST(m.index < SCOREBOARD_WORKERS && m.cell < SCOREBOARD_ENDPOINTS);
	MUST(m.nids <= SNAPSHOT_LISTENERS_MAX && m.pid >= 0);
	MUST(memchr(m.text, '\0', sizeof(m.text)) != NULL);
	n = worker_msg_encode(&m, out, sizeof(out));
	MUST(n > 0);
	MUST(worker_msg_decode(&back, out, (size_t)n, &err) == 0);
	MUST(memcmp(&m, &back, sizeof(m)) == 0);
	return 0;
}
