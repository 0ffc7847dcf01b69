/* SPDX-License-Identifier: ISC */

/* worker SOCKET INDEX - proxy_main() as a program of its own, for the tests */

#include "proxy/proxy.h"

int
main(int argc, char **argv)
{
	return proxy_main(argc, argv);
}
