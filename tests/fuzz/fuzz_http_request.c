/* SPDX-License-Identifier: ISC */

/*
 * However a request head is cut, it reads as it does whole; what is taken lies
 * inside the buffer and keeps the rules that the proxy relies on.
 *
 * The first two bytes say how to cut, the rest is the head.
 */

#include "pieces.h"

static const struct head_limits limits = { .head = 2048, .target = 512 };

static void
check_framing(const struct head *h)
{
	bool length = head_has(h, HDR_CONTENT_LENGTH);
	bool coding = head_has(h, HDR_TRANSFER_ENCODING);

	MUST(!(length && coding));
	MUST((h->framing == FRAMING_LENGTH) == length);
	MUST((h->framing == FRAMING_CHUNKED) == coding);
	MUST(h->minor == 1 || !coding);
	MUST(h->minor == 0 || head_has(h, HDR_HOST));
	MUST(h->minor == 0 || h->host.n > 0);
	MUST(h->path.n > 0 && memchr(h->path.p, '?', h->path.n) == NULL);
	MUST(h->method != METHOD_CONNECT && h->method != METHOD_TRACE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data + 2;
	struct reading whole;

	if (size < 2)
		return 0;
	size -= 2;
	check_pieces(
	    bytes, size, data[0], 1 + data[1] % 64u, READ_REQUEST, &limits);
	reading_init(&whole, &limits);
	reading_show(&whole, bytes, size, READ_REQUEST);
	if (whole.verdict == HEAD_OK)
		check_framing(&whole.head);
	reading_done(&whole);
	return 0;
}
