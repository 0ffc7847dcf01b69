/* SPDX-License-Identifier: ISC */

/*
 * Whatever the bytes, a snapshot is refused or it is one that a worker can use
 * without a further look; and what was decoded is decoded again from its own
 * encoding.
 */

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "link/address.h"
#include "link/scoreboard.h"
#include "link/snapshot.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void
check_service(const struct snapshot *s, const struct snapshot_service *v)
{
	struct address a;

	MUST(v->cell < SCOREBOARD_SERVICES && v->name[0] != '\0');
	MUST(strlen(v->name) <= SNAPSHOT_NAME_MAX);
	MUST(strlen(v->token) <= SNAPSHOT_TOKEN_MAX);
	for (uint32_t i = 0; i < v->ncalls; i++)
		MUST(v->calls[i] < s->nservices);
	for (uint32_t i = 0; i < v->nendpoints; i++) {
		const struct snapshot_endpoint *e = &v->endpoints[i];

		MUST(e->cell < SCOREBOARD_ENDPOINTS && e->weight > 0);
		MUST(address_parse(&a, e->address) == 0);
	}
}

/* Nothing in it ends a line of a head but the ends of lines. */
static void
check_route(const struct snapshot *s, const struct snapshot_route *r)
{
	const char *const texts[] = { r->request_set, r->request_remove,
		r->response_set, r->response_remove, r->redirect,
		r->cors_origins, r->cors_headers, r->cors_expose };

	const struct snapshot_auth *a = r->auth;

	MUST(r->path[0] == '/' && r->service < s->nservices);
	MUST(a == NULL || (a->flags & SNAPSHOT_AUTH_FORWARD) == 0 ||
	    (a->service < s->nservices && a->path[0] == '/'));
	MUST(r->rate_count == 0 || (r->rate_burst > 0 && r->rate_period_s > 0));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		for (const char *c = texts[i]; *c != '\0'; c++)
			MUST((unsigned char)*c >= 0x20 ||
			    (*c == '\n' && (i == 0 || i == 2)));
}

static void
check_again(const struct snapshot *s)
{
	struct snapshot *back;
	struct buf one, two;

	buf_init(&one, SNAPSHOT_BYTES_MAX);
	buf_init(&two, SNAPSHOT_BYTES_MAX);
	MUST(snapshot_encode(s, &one) == 0);
	MUST(snapshot_decode(one.data, one.len, &back, NULL) == 0);
	MUST(snapshot_encode(back, &two) == 0);
	MUST(one.len == two.len && memcmp(one.data, two.data, one.len) == 0);
	snapshot_free(back);
	buf_done(&one);
	buf_done(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct snapshot *s;
	struct err err = { "" };

	if (snapshot_decode(data, size, &s, &err) < 0) {
		MUST(s == NULL && err.text[0] != '\0');
		return 0;
	}
	for (uint32_t i = 0; i < s->nservices; i++)
		check_service(s, &s->services[i]);
	for (uint32_t i = 0; i < s->nroutes; i++)
		check_route(s, &s->routes[i]);
	check_again(s);
	snapshot_free(s);
	return 0;
}
