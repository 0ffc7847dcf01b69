/* SPDX-License-Identifier: ISC */

/* mkconf - print drover.yaml(5), or with an argument doc/configuration.md */

#include <stdio.h>

#include "conf/manual.h"

int
main(int argc, char **argv)
{
	struct buf out;
	int r;

	(void)argv;
	buf_init(&out, 1024 * 1024);
	r = argc > 1 ? conf_manual_markdown(&out) : conf_manual_mdoc(&out);
	if (r < 0 || fwrite(buf_str(&out), 1, out.len, stdout) != out.len ||
	    fflush(stdout) != 0)
		return 1;
	buf_done(&out);
	return 0;
}
