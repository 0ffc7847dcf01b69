/* SPDX-License-Identifier: ISC */

/*
 * sleeper - a service whose only work is to take as long as it is told
 *
 * For tests of services/lib: work that looks at its flag and work that does
 * not, of a length that no codec and no load of the machine changes.
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "lib/service.h"

struct wish {
	int ms;
	int stubborn;
};

/* clang-format off */
static const struct svc_param rows[] = {
	{ .name = "ms", .type = SVC_INT, .max = 60000,
	  .offset = offsetof(struct wish, ms), .unit = "ms",
	  .text = "How long." },
	{ .name = "stubborn", .type = SVC_BOOL,
	  .offset = offsetof(struct wish, stubborn),
	  .text = "Whether it goes on when nobody waits." },
};
/* clang-format on */

static const struct svc_params params = { rows, ARRAY_LEN(rows) };

/* Sleeps, then answers with the body. */
static void
work(struct svc_call *call)
{
	const struct wish *wish = call->params;
	uint64_t end = clock_ms() + (uint64_t)wish->ms;
	struct timespec nap = { 0, 2000000 };

	while (clock_ms() < end && (wish->stubborn || !*call->stop))
		nanosleep(&nap, NULL);
	call->data = malloc(call->body.n + 1);
	if (call->data == NULL) {
		(void)svc_refuse(
		    &call->refusal, &svc_internal, "out of memory");
		return;
	}
	if (call->body.n > 0)
		memcpy(call->data, call->body.p, call->body.n);
	call->len = call->body.n;
	call->type = "application/octet-stream";
	call->release = free;
}

static const struct svc_route routes[] = {
	{ .method = "POST",
	    .path = "/sleep",
	    .summary = "Sleep, and give the body back",
	    .params = &params,
	    .params_size = sizeof(struct wish),
	    .takes = "anything",
	    .answers = "application/octet-stream",
	    .work = work },
};

static const struct svc_service sleeper = { .name = "sleeper",
	.title = "Sleeper",
	.text = "Sleeps.",
	.routes = routes,
	.nroutes = ARRAY_LEN(routes) };

int
main(int argc, char *argv[])
{
	return svc_main(&sleeper, argc, argv);
}
