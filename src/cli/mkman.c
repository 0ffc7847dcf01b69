/* SPDX-License-Identifier: ISC */

/* mkman - print drover(1); runs at build time */

#include <stdio.h>

#include "cli/help.h"

int
main(void)
{
	struct buf out;

	buf_init(&out, 1024 * 1024);
	if (help_manual(&out) < 0 ||
	    fwrite(buf_str(&out), 1, out.len, stdout) != out.len ||
	    fflush(stdout) != 0)
		return 1;
	buf_done(&out);
	return 0;
}
