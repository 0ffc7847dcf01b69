/* SPDX-License-Identifier: ISC */

/* views - answers that a look and a change have in common */

#ifndef ADMIN_VIEWS_H
#define ADMIN_VIEWS_H

#include "admin/call.h"

/* The service or instance as it is now, or 404 with the near name. */
void call_service(struct call *call, unsigned status, const char *name);
void call_instance(struct call *call, unsigned status, const char *id);

#endif /* ADMIN_VIEWS_H */
