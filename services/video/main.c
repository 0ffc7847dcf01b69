/* SPDX-License-Identifier: ISC */

/*
 * drover-video - videos over HTTP: a service of drover, or of anybody
 *
 * The same program is what it contains: see lib/nursery.h.
 */

#include <string.h>

#include "video/routes.h"
#include "video/work.h"

int
main(int argc, char *argv[])
{
	if (argc == 2 && strcmp(argv[1], VIDEO_WORK_ARGUMENT) == 0)
		return svc_nursery_main(&video_work);
	return svc_main(&video_service, argc, argv);
}
