/* SPDX-License-Identifier: ISC */

/* cli_world - the command line against the real admin API over a fake control
 */

#ifndef TESTS_UNIT_CLI_WORLD_H
#define TESTS_UNIT_CLI_WORLD_H

#include <stdbool.h>
#include <sys/types.h>

#define PAGE_MAX 65536

struct scene { /* how the fake control is to be */
	unsigned settle;
	bool stuck;
	int fail;
	bool broken_file;
	bool no_changes;
	bool registry_down;
	bool all_well;
	bool goes_down;	     /* shutdown ends the child */
	const char *refused; /* the upgrade, and why */
	const char *given_up;
	unsigned events;
	bool line_later;   /* a line, some time after the follower came */
	bool stranger;	   /* the peer has no role */
	const char *phase; /* of every rollout */
};

extern char folder[];	    /* for mkdtemp() */
extern char path[64];	    /* of the admin socket */
extern char page[PAGE_MAX]; /* what the last command wrote */
extern pid_t server;

void begin(const struct scene *scene);
void end(void);

int drover(const char *line);		   /* the exit code */
void exec_line(const char *line, int out); /* in a child: it does not return */
void assert_said(const char *what);

#endif /* TESTS_UNIT_CLI_WORLD_H */
