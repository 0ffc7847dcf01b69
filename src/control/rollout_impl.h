/* SPDX-License-Identifier: ISC */

/*
 * rollout_impl - what the files of rollout share: rollout.c takes the steps,
 * rollout_watch.c judges the new copies, rollout_back.c goes back,
 * rollout_show.c tells and saves
 */

#ifndef CONTROL_ROLLOUT_IMPL_H
#define CONTROL_ROLLOUT_IMPL_H

#include "control/rollout.h"

void rollout_say(struct service *s, const char *to, const char *cause);

/* r runs, or would run, what is to be replaced. */
bool rollout_outdated(const struct replica *r);

/* Current ones and the candidate that are not outdated. */
unsigned rollout_new_copies(const struct service *s);

bool rollout_holding(const struct service *s); /* a canary, or paused */
void rollout_advance(struct service *s);       /* whatever may be done now */
void rollout_drop_candidate(struct service *s, const char *cause);
void rollout_begin(
    struct service *s, enum rollout_kind kind, const char *cause);
void rollout_end(struct service *s, enum rollout_result result);

/* --- rollout_watch.c ------------------------------------------------------ */

struct rollout_tally {
	uint64_t answers, errors;
};

struct rollout_tally rollout_tally(const struct service *s);
uint64_t rollout_watch_left(const struct service *s); /* ms */
void rollout_watch_init(struct service *s);
void rollout_watch_begin(struct service *s);
void rollout_watch_end(struct service *s);

/* --- rollout_back.c ------------------------------------------------------- */

/* The new version failed: back by itself, at the end of the turn. */
void rollout_fail(struct service *s, const char *why);

/* Back now; result is what it will have been. False: it cannot be. */
bool rollout_back(
    struct service *s, enum rollout_result result, const char *why);

#endif /* CONTROL_ROLLOUT_IMPL_H */
