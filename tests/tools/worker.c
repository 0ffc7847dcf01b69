/* SPDX-License-Identifier: ISC */

/* worker SOCKET INDEX - proxy_main() as a program of its own, for the tests */

#include "base/title.h"
#include "proxy/proxy.h"

int
main(int argc, char **argv)
{
	return title_init(argc, argv) < 0 ? 1 : proxy_main(argc, argv);
}
