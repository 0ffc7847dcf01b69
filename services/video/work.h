/* SPDX-License-Identifier: ISC */

/*
 * work - what a contained process of this tool does with one file
 *
 * The order is a struct of plain values, sent by the same program.
 */

#ifndef VIDEO_WORK_H
#define VIDEO_WORK_H

#include "lib/nursery.h"
#include "video/params.h"

#define VIDEO_WORK_ARGUMENT "--contained"

/* In the environment of the process, for tests: a file says how to fail. */
#define VIDEO_FAULTS "DROVER_VIDEO_FAULTS"

enum video_task {
	VIDEO_PROBE,
	VIDEO_THUMBNAIL,
	VIDEO_STORYBOARD,
	VIDEO_WAVEFORM
};

struct video_order {
	enum video_task task;
	struct video_limits limits;
	union {
		struct video_thumbnail_params thumbnail;
		struct video_board_params board;
		struct video_wave_params wave;
	};
};

extern const struct svc_nursery_work video_work;

#endif /* VIDEO_WORK_H */
