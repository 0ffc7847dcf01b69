/* SPDX-License-Identifier: ISC */

/* Whatever stands in a child's note: read within bounds, or refused. */

#include <stdlib.h>
#include <string.h>

#include "control/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct note n;

	if (note_parse(&n, data, size) < 0)
		return 0;
	if (memchr(n.service, '\0', sizeof(n.service)) == NULL ||
	    memchr(n.address, '\0', sizeof(n.address)) == NULL || n.cell < -1 ||
	    n.cell >= SCOREBOARD_ENDPOINTS || n.state >= INSTANCE_NSTATES ||
	    n.port > 65535 || n.exit.kind > EXIT_UNKNOWN)
		abort();
	return 0;
}
