/* SPDX-License-Identifier: ISC */

/* drover-image - pictures over HTTP: a service of drover, or of anybody */

#include "image/routes.h"

int
main(int argc, char *argv[])
{
	return svc_main(&image_service, argc, argv);
}
