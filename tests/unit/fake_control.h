/* SPDX-License-Identifier: ISC */

/*
 * fake_control - control.h's functions over a herd that is only told about
 *
 * For tests of the admin API and of the command line. Three services: image
 * (two ready), video (one of two, the other crashed), data (stopped). A command
 * changes what is wanted at once, and what is so after `settle` more looks;
 * with `stuck` it never comes about.
 */

#ifndef TESTS_UNIT_FAKE_CONTROL_H
#define TESTS_UNIT_FAKE_CONTROL_H

#include "control/control.h"

#define FAKE_SERVICES 3
#define FAKE_INSTANCES 8

struct fake_service {
	const char *name;
	unsigned desired;
	bool stopped;
	int pids[FAKE_INSTANCES]; /* 0: none */
	bool crashed[FAKE_INSTANCES];
	unsigned settle; /* looks until it is as wanted */
	bool renew;	 /* restart: new pids then */
};

struct control {
	struct loop *loop;
	struct fake_service services[FAKE_SERVICES];
	uint64_t generation;
	unsigned settle; /* for the next command */
	bool stuck;
	int fail; /* what the next command returns, once; 0: it works */
	int next_pid;
	unsigned commands; /* that were carried out */
	int verb;	   /* the last one of a rollout */
	struct control_reload how;
	const char *phase; /* of every rollout; or NULL */
	bool broken_file;  /* plan and reload find errors */
	bool no_changes;
	bool down;				   /* shutdown was asked for */
	void (*tried)(void *arg, const char *why); /* an upgrade's trial */
	void *tried_arg;
	struct loop_later trial;
	const char *refused; /* what the trial says; or NULL */
	char upgrade_to[64];
	unsigned epoch;
	const char *failed; /* why the upgrade was given up; or NULL */
	bool registry_down;
	bool out_of_memory; /* views are NULL */

	struct list watches;
	uint64_t next_event;
	char *events[CONTROL_EVENTS];

	struct control_logs *follower; /* the last one */
	unsigned followers;
};

void fake_control_init(struct control *c, struct loop *loop);
void fake_control_done(struct control *c);

void fake_event(
    struct control *c, const char *instance, const char *from, const char *to);
void fake_line(struct control *c, const char *instance, const char *text);

#endif /* TESTS_UNIT_FAKE_CONTROL_H */
