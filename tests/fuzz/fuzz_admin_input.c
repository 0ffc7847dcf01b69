/* SPDX-License-Identifier: ISC */

/* The first byte says what the rest is: a body, If-Match, a query. */

#include <stdint.h>

#include "admin/api.h"
#include "admin/input.h"

static const struct api_value values[] = {
	{ "replicas", API_INTEGER, true, 0, 256, "how many" },
	{ "follow", API_BOOLEAN, false, 0, 0, "whether" },
	{ "instance", API_STRING, false, 0, 0, "which" },
	{ "since", API_SINCE, false, 0, 0, "when" },
	{ 0 },
};

static void
fuzz_body(struct span in)
{
	struct fault fault;
	json_t *body = NULL;
	json_int_t n;

	if (input_body(values, in, &body, &fault) < 0)
		return;
	n = json_integer_value(json_object_get(body, "replicas"));
	if (n < 0 || n > 256)
		__builtin_trap();
	json_decref(body);
}

static void
fuzz_query(struct span in)
{
	struct span pair, name, value;
	struct fault fault;

	while (span_next(&in, '&', &pair)) {
		value = pair;
		if (!span_next(&value, '=', &name))
			continue;
		(void)!input_param(values, name, value, &fault);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data + 1, size - 1 };
	bool match;

	if (size == 0)
		return 0;
	switch (data[0] % 3) {
	case 0:
		fuzz_body(in);
		break;
	case 1:
		(void)!input_if_match(in, 7, &match);
		break;
	default:
		fuzz_query(in);
		break;
	}
	return 0;
}
