/* SPDX-License-Identifier: ISC */

/* Whatever the bytes, they are names with hashes, or refused with why. */

#include <stdint.h>
#include <stdlib.h>

#include "tls/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct users *u;
	struct err err = { "" };
	bool known;

	if (users_parse((struct span){ (const char *)data, n }, &u, &err) < 0) {
		if (u != NULL || err.text[0] == '\0')
			abort();
		return 0;
	}
	if (users_hash(u, SPAN("ann"), &known)[0] != '$')
		abort();
	users_free(u);
	return 0;
}
