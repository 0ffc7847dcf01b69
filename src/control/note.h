/* SPDX-License-Identifier: ISC */

/*
 * note - what one control process leaves with the keeper for the next one
 *
 * A note of a few hundred bytes of JSON stands with each child. It names what
 * the child is, so that a new control process can take it over as it runs.
 * Unknown keys are skipped and missing ones have defaults: the version is the
 * set of keys. A note that cannot be read is -EINVAL; such a child is ended.
 */

#ifndef CONTROL_NOTE_H
#define CONTROL_NOTE_H

#include "control/state.h"

#define NOTE_MAX 1024

enum note_kind { NOTE_REPLICA, NOTE_WORKER, NOTE_CHECK };

struct note {
	enum note_kind kind;
	char service[CONF_NAME_MAX + 1];
	unsigned n; /* of the replica or worker */
	char address[ADDRESS_MAX];
	unsigned port;
	int cell;
	enum instance_state state;
	unsigned crashes, restarts;
	bool extra;	/* not the current one of its place */
	unsigned lane;	/* of a worker; n where none was written */
	uint32_t epoch; /* of a worker */
	bool leaving;	/* of a worker: told to end */
	uint64_t ready_wall;
	uint64_t spawn_hash; /* of the configuration it was started with */
	bool has_exit;
	struct spawn_exit exit; /* of the process before it */
};

/* The text's length, or a negative errno. */
int note_replica(const struct replica *r, char *text, size_t size);
int note_worker(const struct worker *w, char *text, size_t size);
int note_check(const struct replica *r, char *text, size_t size);

int note_parse(struct note *note, const void *text, size_t n) MUST_CHECK;

#endif /* CONTROL_NOTE_H */
