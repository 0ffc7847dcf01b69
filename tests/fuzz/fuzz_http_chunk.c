/* SPDX-License-Identifier: ISC */

/*
 * However a chunked body is cut, it decodes to the same bytes and ends at the
 * same place, and following it agrees with decoding it.
 *
 * The first two bytes say how to cut, the rest is the body.
 */

#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	check_chunk_pieces(
	    (const char *)data + 2, size - 2, 1 + data[0], 1 + data[1] % 64u);
	return 0;
}
