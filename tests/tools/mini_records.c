/* SPDX-License-Identifier: ISC */

#include "mini_records.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct records *records;

int
mini_records_open(void)
{
	struct err err;
	int fd;

	if (record_create(&fd, &err) < 0 ||
	    record_attach(&records, fd, &err) < 0) {
		fprintf(stderr, "mini_control: %s\n", err.text);
		exit(1);
	}
	return fd;
}

static void
ask_bars(const struct scoreboard *board, unsigned cell)
{
	struct scoreboard_bars_view v;
	uint64_t n = 0;

	scoreboard_endpoint_bars(board, cell, &v);
	for (unsigned i = 0; i < HISTOGRAM_BARS; i++)
		n += v.count[i];
	printf("bars count=%" PRIu64 " slow=%" PRIu64 " sum=%" PRIu64 "\n", n,
	    n - v.count[0] - v.count[1] - v.count[2] - v.count[3] - v.count[4],
	    v.sum_us);
}

static const char *
name_of(unsigned worker, uint16_t name)
{
	static char text[4][RECORD_NAME_MAX + 1];
	static unsigned at;

	at = (at + 1) % 4;
	return record_read_name(records, worker, name, text[at]);
}

static void
print_hops(unsigned worker, const struct record *rec)
{
	for (unsigned i = 0; i < rec->nhops && i < RECORD_HOPS; i++)
		printf("%s[\"%s\",\"%s\"]", i > 0 ? "," : "",
		    name_of(worker, rec->hops[i]),
		    record_outcome_name(rec->outcomes[i]));
}

static void
print_texts(unsigned worker, const struct record *rec)
{
	char text[RECORD_TEXT_MAX];
	struct record_text t;
	size_t n = record_read_text(records, worker, rec, text);

	record_unpack_text(text, n, &t);
	printf("\"target\":\"%.*s\",\"host\":\"%.*s\",\"agent\":\"%.*s\","
	       "\"referer\":\"%.*s\",",
	    (int)t.target.n, t.target.p, (int)t.host.n, t.host.p,
	    (int)t.agent.n, t.agent.p, (int)t.referer.n, t.referer.p);
}

static void
print_record(unsigned worker, const struct record *rec)
{
	char trace[32], span[16], id[RECORD_ID_MAX];
	struct span path = record_path(rec), name = record_id(rec, id);

	str_hex(trace, rec->trace, sizeof(rec->trace));
	str_hex(span, rec->span, sizeof(rec->span));
	printf("records {\"id\":\"%.*s\",\"trace\":\"%.32s\","
	       "\"span\":\"%.16s\",\"path\":\"%.*s\",",
	    (int)name.n, name.p, trace, span, (int)path.n, path.p);
	print_texts(worker, rec);
	printf("\"service\":\"%s\",\"route\":\"%s\",\"status\":%u,"
	       "\"fault\":%u,\"flags\":%u,\"attempts\":%u,\"candidates\":%u,"
	       "\"ejected\":%u,\"over_budget\":%u,\"method\":%u,\"in\":%" PRIu64
	       ",\"out\":%" PRIu64 ",",
	    name_of(worker, rec->service), name_of(worker, rec->route),
	    rec->status, rec->fault, rec->flags, rec->attempts, rec->candidates,
	    rec->ejected, rec->over_budget, rec->method, rec->bytes_in,
	    rec->bytes_out);
	printf("\"wait\":%u,\"connect\":%u,\"first\":%u,\"total\":%" PRIu64
	       ",\"started\":%" PRIu64 ",\"version\":%u,\"hops\":[",
	    rec->wait_us, rec->connect_us, rec->first_us, rec->total_us,
	    rec->started_us, rec->version);
	print_hops(worker, rec);
	printf("]}\n");
}

static void
ask_records(unsigned worker)
{
	uint64_t head = record_head(records, worker);
	struct record rec;

	for (uint64_t at = record_tail(records, worker); at < head; at++)
		if (record_read(records, worker, at, &rec))
			print_record(worker, &rec);
	printf("records end\n");
}

bool
mini_records_ask(const struct scoreboard *board, char **words)
{
	if (strcmp(words[0], "bars?") == 0)
		ask_bars(board, (unsigned)strtoul(words[1], NULL, 0));
	else if (strcmp(words[0], "records?") == 0)
		ask_records((unsigned)strtoul(words[1], NULL, 0));
	else
		return false;
	return true;
}
