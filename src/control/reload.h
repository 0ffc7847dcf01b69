/* SPDX-License-Identifier: ISC */

/*
 * reload - from one configuration in force to the next, all or nothing
 */

#ifndef CONTROL_RELOAD_H
#define CONTROL_RELOAD_H

#include "control/state.h"

/*
 * Put in force what stands on disk, but for versions that are held (held.h):
 * services added, changed, replaced and removed as the herd runs. -EINVAL with
 * the reasons (a key that only a new start can change, an address that cannot
 * be bound): nothing was changed.
 */
int reload_apply(
    struct control *c, const struct conf *disk, struct buf *errors) MUST_CHECK;

/*
 * Back to conf, whose services alone differ from what is in force; no process
 * is replaced here. whole: also their keys and users are read again, which may
 * fail with -EINVAL and the reasons.
 */
int reload_back(struct control *c, const struct conf *conf, bool whole,
    struct buf *errors) MUST_CHECK;

#endif /* CONTROL_RELOAD_H */
