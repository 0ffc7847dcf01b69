/* SPDX-License-Identifier: ISC */

/* Whatever a daemon may send: cut into lines, shown as each kind of thing. */

#include <stdint.h>
#include <string.h>

#include "cli/lines.h"
#include "cli/show.h"

#define PAGE_MAX (4 * 1024 * 1024)

static void
show_all(const json_t *value)
{
	struct buf out;

	buf_init(&out, PAGE_MAX);
	(void)!show_status(value, false, &out);
	buf_clear(&out);
	(void)!show_service(
	    value, json_object_get(value, "services"), true, &out);
	buf_clear(&out);
	(void)!show_nodes(value, true, &out);
	(void)!show_changes(value, &out);
	(void)!show_event(value, &out);
	(void)!show_line(value, false, &out);
	buf_done(&out);
}

/* What is printed may not reach the terminal's controls. */
static void
check_clean(char *text)
{
	text_clean(text);
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' && *p != '\t' && *p != '\n')
			__builtin_trap();
}

static int
on_line(void *arg, char *line)
{
	const char *data = lines_sse_data(line);
	json_t *value = json_loads(data != NULL ? data : line, 0, NULL);

	(void)arg;
	if (value != NULL)
		show_all(value);
	json_decref(value);
	check_clean(line);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines l;
	size_t half = size / 2;

	lines_init(&l, on_line, NULL);
	(void)!lines_feed(&l, (struct span){ (const char *)data, half });
	(void)!lines_feed(
	    &l, (struct span){ (const char *)data + half, size - half });
	lines_done(&l);
	return 0;
}
