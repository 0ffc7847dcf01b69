/* SPDX-License-Identifier: ISC */

/*
 * What reading a browser's request head costs. Not part of any check:
 *	make tests/bench/bench_head && tests/bench/bench_head
 */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "http/head.h"

#define ROUNDS 2000000

static const char browser[] =
    "GET /image/gallery/2026/summer?page=3&size=large HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 "
    "Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    "\r\n"
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Connection: keep-alive\r\n"
    "Referer: https://www.example.com/image/gallery/2026\r\n"
    "Cookie: session=4f7ae2b1c09d8e65; theme=dark; seen=1,2,3,5,8,13\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Sec-Fetch-Dest: document\r\n"
    "Sec-Fetch-Mode: navigate\r\n"
    "If-None-Match: \"5f3e-60d1a2b4c5e80\"\r\n"
    "\r\n";

static const char small[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

static uint64_t
cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
measure(const char *name, struct span in)
{
	struct head_header room[HEAD_HEADERS_MAX];
	struct head h;
	uint64_t start = cpu_ns();
	uint64_t ns;
	size_t taken = 0;

	head_init(&h, room, HEAD_HEADERS_MAX);
	for (unsigned i = 0; i < ROUNDS; i++) {
		size_t scanned = 0;

		taken += head_request(&h, in, &scanned) == HEAD_OK;
	}
	ns = cpu_ns() - start;
	printf("%s: %zu bytes, %zu headers, %" PRIu64 " ns a head%s\n", name,
	    in.n, h.nheaders, ns / ROUNDS, taken == ROUNDS ? "" : ", refused");
}

int
main(void)
{
	measure("browser", (struct span){ browser, sizeof(browser) - 1 });
	measure("small", (struct span){ small, sizeof(small) - 1 });
	return 0;
}
