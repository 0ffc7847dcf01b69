/* SPDX-License-Identifier: ISC */

/*
 * held - versions that were taken back, and stay so
 *
 * The files go on naming the version that failed, or that an operator undid. So
 * that no reload and no takeover tries it again by itself, it is remembered,
 * with the version that is in force in its stead: whatever is read from disk
 * has that put in its place before it is compared and applied. It is forgotten
 * when the file says something else, or with `drover reload --retry`.
 *
 * control.held is {service: {"version", "why", "spec"}}; it is saved with
 * applied.json.
 */

#ifndef CONTROL_HELD_H
#define CONTROL_HELD_H

#include "control/state.h"

/*
 * conf with the services of specs ({name: spec}) in the place of its own: a new
 * one; or NULL with why it cannot be.
 */
const struct conf *held_compose(
    const struct conf *conf, json_t *specs, struct buf *errors);

/* That version of s is not to be tried again; what is in force now stays. */
void held_add(struct service *s, uint64_t version, const char *why);

/*
 * disk as it may be applied: a reference to itself, or another one. NULL: the
 * versions in force do not fit it, errors say why.
 */
const struct conf *held_apply(
    struct control *c, const struct conf *disk, struct buf *errors);

/* disk was applied: what it does not name any more is forgotten. */
void held_forget(struct control *c, const struct conf *disk);
void held_clear(struct control *c);

/* Those that disk names: [{"service", "why"}] */
json_t *held_json(const struct control *c, const struct conf *disk);

#endif /* CONTROL_HELD_H */
