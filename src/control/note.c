/* SPDX-License-Identifier: ISC */

#include "control/note.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int
encode(json_t *o, char *text, size_t size)
{
	size_t n = json_dumpb(o, text, size, JSON_COMPACT);

	json_decref(o);
	if (n == 0)
		return -ENOMEM;
	return n > size ? -ENOBUFS : (int)n;
}

static json_t *
exit_json(const struct spawn_exit *e)
{
	return json_pack("[i, i, i, I]", (int)e->kind, e->code, e->signal,
	    (json_int_t)e->at_wall_ms);
}

int
note_replica(const struct replica *r, char *text, size_t size)
{
	return encode(
	    json_pack("{ss ss si ss si si ss si si sb sI sI so*}", "kind",
		"replica", "service", r->service->spec->name, "n", (int)r->n,
		"address", r->address, "port", (int)r->port, "cell", r->cell,
		"state", instance_state_name(instance_state(r->in)), "crashes",
		(int)instance_crashes(r->in), "restarts", (int)r->restarts,
		"extra", !r->current, "ready_at", (json_int_t)r->ready_wall,
		"spawn_hash",
		r->other ? (json_int_t)0
			 : (json_int_t)r->process_conf->hash_spawn,
		"exit", r->has_exit ? exit_json(&r->exit) : NULL),
	    text, size);
}

int
note_worker(const struct worker *w, char *text, size_t size)
{
	return encode(
	    json_pack("{ss si si si sI sb}", "kind", "worker", "n", (int)w->n,
		"restarts", (int)w->restarts, "lane", (int)w->lane, "epoch",
		(json_int_t)w->epoch, "leaving", w->leaving),
	    text, size);
}

int
note_check(const struct replica *r, char *text, size_t size)
{
	return encode(json_pack("{ss ss si}", "kind", "check", "service",
			  r->service->spec->name, "n", (int)r->n),
	    text, size);
}

static int
parse_kind(const char *kind, enum note_kind *out)
{
	static const char *const kinds[] = {
		[NOTE_REPLICA] = "replica",
		[NOTE_WORKER] = "worker",
		[NOTE_CHECK] = "check",
	};

	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		if (strcmp(kinds[i], kind) != 0)
			continue;
		*out = (enum note_kind)i;
		return 0;
	}
	return -EINVAL;
}

static int
parse_exit(struct note *note, json_t *o)
{
	int kind, code, signal;
	json_int_t at;

	if (o == NULL)
		return 0;
	if (json_unpack(o, "[i, i, i, I!]", &kind, &code, &signal, &at) < 0 ||
	    kind < EXIT_EXITED || kind > EXIT_UNKNOWN || at < 0)
		return -EINVAL;
	note->has_exit = true;
	note->exit = (struct spawn_exit){
		.kind = (enum spawn_exit_kind)kind,
		.code = code,
		.signal = signal,
		.at_wall_ms = (uint64_t)at,
	};
	return 0;
}

static int
parse_fields(struct note *note, json_t *o)
{
	const char *kind = "", *service = "", *address = "", *state = "ready";
	int n = 0, port = 0, crashes = 0, restarts = 0, extra = 0, lane = -1;
	int leaving = 0;
	json_int_t ready = 0, hash = 0, epoch = 0;

	note->cell = -1;
	if (json_unpack(o,
		"{s:s s?s s?i s?s s?i s?i s?s s?i s?i s?b s?I s?I "
		"s?i s?I s?b}",
		"kind", &kind, "service", &service, "n", &n, "address",
		&address, "port", &port, "cell", &note->cell, "state", &state,
		"crashes", &crashes, "restarts", &restarts, "extra", &extra,
		"ready_at", &ready, "spawn_hash", &hash, "lane", &lane, "epoch",
		&epoch, "leaving", &leaving) < 0)
		return -EINVAL;
	if (n < 0 || port < 0 || port > 65535 || crashes < 0 || restarts < 0 ||
	    epoch < 0 || epoch > UINT32_MAX || note->cell < -1 ||
	    note->cell >= SCOREBOARD_ENDPOINTS ||
	    str_copy(note->service, sizeof(note->service), span_of(service)) <
		0 ||
	    str_copy(note->address, sizeof(note->address), span_of(address)) <
		0 ||
	    instance_state_parse(state, &note->state) < 0)
		return -EINVAL;
	note->n = (unsigned)n;
	note->port = (unsigned)port;
	note->crashes = (unsigned)crashes;
	note->restarts = (unsigned)restarts;
	note->extra = extra != 0;
	note->lane = lane < 0 ? note->n : (unsigned)lane;
	note->epoch = (uint32_t)epoch;
	note->leaving = leaving != 0;
	note->ready_wall = (uint64_t)ready;
	note->spawn_hash = (uint64_t)hash;
	return parse_kind(kind, &note->kind);
}

int
note_parse(struct note *note, const void *text, size_t n)
{
	json_t *o = json_loadb(text, n, 0, NULL);
	int r;

	*note = (struct note){ 0 };
	if (o == NULL)
		return -EINVAL;
	r = parse_fields(note, o);
	if (r == 0)
		r = parse_exit(note, json_object_get(o, "exit"));
	json_decref(o);
	return r;
}
