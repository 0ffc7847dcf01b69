/* SPDX-License-Identifier: ISC */

/*
 * named - what an operator means by a name
 *
 * 0, or -ENOENT with an error that suggests the near name.
 */

#ifndef CONTROL_NAMED_H
#define CONTROL_NAMED_H

#include "control/state.h"

int named_service(struct control *c, const char *name, struct service **s,
    struct err *err) MUST_CHECK;
int named_replica(struct control *c, const char *id, struct replica **r,
    struct err *err) MUST_CHECK;

/* A service, or an instance and its service; *r is NULL for a service. */
int named_either(struct control *c, const char *name, struct service **s,
    struct replica **r, struct err *err) MUST_CHECK;

#endif /* CONTROL_NAMED_H */
