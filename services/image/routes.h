/* SPDX-License-Identifier: ISC */

/* routes - the image tool as HTTP shows it; knows no codec */

#ifndef IMAGE_ROUTES_H
#define IMAGE_ROUTES_H

#include "lib/service.h"

extern const struct svc_service image_service;

#endif /* IMAGE_ROUTES_H */
