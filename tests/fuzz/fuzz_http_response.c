/* SPDX-License-Identifier: ISC */

/*
 * The same for the head of a response. The third byte is the method that was
 * asked with.
 */

#include "pieces.h"

static const struct head_limits limits = { .head = 2048, .target = 512 };

static void
check_framing(const struct head *h, enum method asked)
{
	bool length = head_has(h, HDR_CONTENT_LENGTH);
	bool coding = head_has(h, HDR_TRANSFER_ENCODING);

	MUST(!(length && coding));
	MUST(h->status >= 100 && h->status <= 999);
	if (asked == METHOD_HEAD || h->status < 200 || h->status == 204 ||
	    h->status == 304)
		MUST(h->framing == FRAMING_NONE);
	else
		MUST(h->framing ==
		    (length	     ? FRAMING_LENGTH
			    : coding ? FRAMING_CHUNKED
				     : FRAMING_CLOSE));
	MUST(h->framing != FRAMING_CLOSE || !h->keep_alive);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 3;
	struct reading whole;
	int asked;

	if (size < 3)
		return 0;
	size -= 3;
	asked = data[2] % METHOD_N;
	check_pieces(bytes, size, data[0], 1 + data[1] % 64u, asked, &limits);
	reading_init(&whole, &limits);
	reading_show(&whole, bytes, size, asked);
	if (whole.verdict == HEAD_OK)
		check_framing(&whole.head, (enum method)asked);
	reading_done(&whole);
	return 0;
}
