/* SPDX-License-Identifier: ISC */

/* client_call(): a client on a loop of its own. */

#include <errno.h>
#include <string.h>

#include "http/client.h"

struct call {
	struct loop *loop;
	struct client_answer *answer;
	struct err *err;
	int r;
};

static void
on_call_head(void *arg, const struct head *head)
{
	struct call *call = arg;
	const struct head_header *type = head_find(head, HDR_CONTENT_TYPE);

	call->answer->status = head->status;
	if (type != NULL &&
	    str_copy(call->answer->content_type,
		sizeof(call->answer->content_type), type->value) < 0)
		call->answer->content_type[0] = '\0';
}

static void
on_call_body(void *arg, struct span data)
{
	struct call *call = arg;

	if (call->r == 0)
		call->r = buf_append(&call->answer->body, data.p, data.n);
}

static void
on_call_done(void *arg, int r, const struct err *err)
{
	struct call *call = arg;

	if (r < 0) {
		call->r = r;
		if (call->err != NULL && err != NULL)
			*call->err = *err;
	} else if (call->r < 0)
		err_set(call->err, call->r, "out of memory for the answer");
	loop_stop(call->loop);
}

int
client_call(const struct client_request *request, struct client_answer *answer,
    struct err *err)
{
	static const struct client_ops ops = { on_call_head, on_call_body,
		on_call_done };
	struct call call = { .answer = answer, .err = err };
	uint64_t max = request->max_body;

	if (max == 0 || max > SIZE_MAX / 4)
		max = max == 0 ? CLIENT_BODY_MAX : SIZE_MAX / 4;

	memset(answer, 0, sizeof(*answer));
	buf_init(&answer->body, (size_t)max);
	call.loop = loop_new(err);
	if (call.loop == NULL)
		return -ENOMEM;
	if (client_start(call.loop, request, &ops, &call, err) == NULL)
		call.r = -EINVAL;
	else
		loop_run(call.loop);
	loop_free(call.loop);
	return call.r;
}
