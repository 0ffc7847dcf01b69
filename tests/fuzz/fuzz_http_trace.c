/* SPDX-License-Identifier: ISC */

/* What is taken for a traceparent comes out again as version 00. */

#include <string.h>

#include "http/trace.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	struct span in = { (const char *)data, size };
	struct trace t, again;
	char out[TRACE_TEXT];

	if (!trace_parse(&t, in))
		return 0;
	MUST(size >= TRACE_TEXT);
	trace_put(&t, out);
	MUST(memcmp(out, "00", 2) == 0);
	MUST(memcmp(out + 2, in.p + 2, 51) == 0);
	MUST(trace_parse(&again, (struct span){ out, TRACE_TEXT }));
	MUST(memcmp(&t, &again, sizeof(t)) == 0);
	return 0;
}
