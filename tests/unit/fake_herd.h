/* SPDX-License-Identifier: ISC */

/*
 * fake_herd - a keeper that starts nothing
 *
 * Stands in for control/herd.c: writes down the orders, and lets the test say
 * what became of each process.
 */

#ifndef TESTS_UNIT_FAKE_HERD_H
#define TESTS_UNIT_FAKE_HERD_H

#include "control/herd.h"

#define FAKE_CHILDREN 256

struct fake_child {
	uint64_t id;
	char slot[SPAWN_NAME_MAX];
	char argv[256]; /* joined by spaces */
	char env[4096]; /* joined by newlines */
	uint8_t rank;
	size_t filter_len;
	bool no_new_privs, drop_capabilities;
	char note[SPAWN_NOTE_MAX];
	size_t note_len;
	pid_t pid; /* 0: ordered only */
	int last_signal;
	bool group;   /* that signal */
	bool gone;    /* exited, or forgotten */
	bool unheard; /* exited while no control was there */
	bool forgotten;
};

struct fake_herd {
	struct fake_child children[FAKE_CHILDREN];
	size_t n;
	bool refuse; /* orders fail with -ENOBUFS */
	bool shutdown;
	unsigned missing; /* what the next processes start without */
	pid_t pid;	  /* of the next worker; 0: one that nobody has */
	bool silent;	  /* a spawn is not answered by itself */
	uint64_t last_id;
	unsigned fds;	   /* put */
	unsigned upgrades; /* asked for */
	bool really;	   /* the last one */
	char program[256];
	bool too_old;  /* a keeper that cannot */
	int kept_fd;   /* of the name "upgrade"; 0: none */
	int activated; /* the test's own; 0: none */
	int passed_fd; /* that control put as a listener; 0: none */
	char passed_name[200];
	bool another; /* of another incarnation than before */
};

extern struct fake_herd fake;

void fake_reset(void); /* as a keeper that just started */

/* Its newest process of that slot that was not forgotten; or NULL. */
struct fake_child *fake_running(const char *slot);
size_t fake_count(const char *slot); /* how many were ever ordered */

void fake_exit(struct fake_child *child, int code, const char *tail);
/* The keeper's answer: NULL, or why not. */
void fake_upgraded(const char *why);
void fake_kill(struct fake_child *child, int signo);

#endif /* TESTS_UNIT_FAKE_HERD_H */
