/* SPDX-License-Identifier: ISC */

#include "conf/fault.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"

/* What does not fit is dropped: a cut list of faults is still a refusal. */
static void
put_line(struct buf *out, const char *file, unsigned line, const char *key,
    const char *text)
{
	size_t before = out->len;
	char at[16] = "";

	if (line > 0)
		snprintf(at, sizeof(at), ":%u", line);
	if (buf_printf(out, "%s%s: %s: %s", file, at, key, text) < 0)
		return;
	for (size_t i = before; i < out->len; i++)
		if ((unsigned char)out->data[i] < ' ' || out->data[i] == 0x7f)
			out->data[i] = '?';
	if (buf_puts(out, "\n") < 0) {
		out->len = before;
		out->data[before] = '\0';
	}
}

void
fault_add(struct faults *f, const char *file, unsigned line, const char *key,
    const char *fmt, ...)
{
	char text[2 * ERR_MAX];
	va_list ap;

	if (f->n++ >= FAULTS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_line(f->out, file, line, key, text);
}

void
fault_nomem(struct faults *f, const char *file)
{
	f->nomem = true;
	fault_add(f, file, 0, "memory",
	    "found none left; allowed what loading a configuration takes");
}
