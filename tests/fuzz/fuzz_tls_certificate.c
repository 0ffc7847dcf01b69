/* SPDX-License-Identifier: ISC */

/* A certificate, its key (behind a NUL) and the name that a client asks for. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tls/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
look_at(const struct tls_certificate *c)
{
	for (size_t i = 0; i < tls_certificate_nnames(c); i++) {
		const char *name = tls_certificate_name(c, i);
		char again[TLS_NAME_MAX + 1];

		assert(tls_name_read(span_of(name), true, again));
		assert(strcmp(name, again) == 0);
		assert(tls_certificate_covers(c, span_of(name)));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const char *text = (const char *)data, *nul = memchr(text, 0, n);
	struct span cert = { text, nul != NULL ? (size_t)(nul - text) : n };
	struct span key = { text + cert.n, n - cert.n };
	struct tls_certificate *c;
	char name[TLS_NAME_MAX + 1];
	struct err err = { "" };

	if (nul != NULL) {
		key.p++;
		key.n--;
	}
	if (tls_certificate_read(&c, cert, key, &err) == 0) {
		look_at(c);
		tls_certificate_free(c);
	} else {
		assert(err.text[0] != '\0');
	}
	if (tls_name_read(key, false, name)) {
		assert(strlen(name) == key.n && strchr(name, '*') == NULL);
		assert(tls_name_read(span_of(name), false, name));
	}
	return 0;
}
