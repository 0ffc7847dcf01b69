/* SPDX-License-Identifier: ISC */

/* routes - the video tool as HTTP shows it; knows no codec */

#ifndef VIDEO_ROUTES_H
#define VIDEO_ROUTES_H

#include "lib/service.h"

extern const struct svc_service video_service;

#endif /* VIDEO_ROUTES_H */
