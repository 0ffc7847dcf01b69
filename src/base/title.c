/* SPDX-License-Identifier: ISC */

#include "base/title.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

static char *room; /* where the kernel shows the command line */
static size_t room_size;
static char *kept; /* the arguments, for as long as the process lives */

int
title_init(int argc, char **argv)
{
	char *begin = argc > 0 ? argv[0] : NULL, *end = begin, *to;
	size_t size = 1;

	for (int i = 0; i < argc; i++)
		size += strlen(argv[i]) + 1;
	kept = to = malloc(size);
	if (kept == NULL)
		return -ENOMEM;
	for (int i = 0; i < argc; i++) {
		size = strlen(argv[i]) + 1;
		memcpy(to, argv[i], size);
		if (argv[i] == end)
			end += size;
		argv[i] = to;
		to += size;
	}
	room = begin;
	room_size = (size_t)(end - begin);
	return 0;
}

void
title_set(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	prctl(PR_SET_NAME, text);
	if (room_size == 0)
		return;
	memset(room, 0, room_size);
	snprintf(room, room_size, "%s", text);
}
