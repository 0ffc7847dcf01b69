/* SPDX-License-Identifier: ISC */

/*
 * title - what ps and top show of this process
 *
 * title_init() comes first of all in main(): it moves the arguments away from
 * where the kernel shows them (argv's pointers are replaced), so that the
 * title can stand there. The title is cut at the length of the command line.
 */

#ifndef BASE_TITLE_H
#define BASE_TITLE_H

#include "base/array.h"

int title_init(int argc, char **argv) MUST_CHECK; /* 0 or -ENOMEM */

/* "drover: proxy 1"; the thread's name too. Nothing without title_init(). */
void title_set(const char *fmt, ...) PRINTF(1, 2);

#endif /* BASE_TITLE_H */
