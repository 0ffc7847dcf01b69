/* SPDX-License-Identifier: ISC */

/*
 * state - what the control process knows, for the rooms of this floor
 *
 * One struct control; it owns services, a service owns replicas, a replica
 * is the place of one instance and of the process that now runs in it. The
 * rooms (replica, service, rollout, process, health, publish, workers, ...)
 * each own the members that stand under their name, and others only read them.
 *
 * Nobody above this floor includes this header: they have control.h.
 */

#ifndef CONTROL_STATE_H
#define CONTROL_STATE_H

#include <jansson.h>
#include <limits.h>

#include "base/list.h"
#include "base/rotate.h"
#include "base/rand.h"
#include "cluster/registry.h"
#include "conf/conf.h"
#include "conf/pem.h"
#include "control/control.h"
#include "control/herd.h"
#include "link/record.h"
#include "link/scoreboard.h"
#include "loop/loop.h"
#include "model/autoscale.h"
#include "model/check.h"
#include "model/instance.h"

#define HEALTH_EARLY_MAX 64

#define REPLICA_ID_MAX (CONF_NAME_MAX + 6)
#define REPLICA_TAIL_MAX 1024
#define ADDRESS_MAX 128

struct control;
struct client;
struct managed;
struct replica;

/* --- health --------------------------------------------------------------- */

/* One kind of check on one replica: readiness or liveness. */
struct probe {
	struct replica *replica;
	const struct conf_check *conf;
	struct loop_timer next; /* the next check, or this one's end */
	struct client *client;	/* HTTP under way */
	unsigned status;	/* its answer's */
	struct loop_io connect; /* TCP under way, when fd is not -1 */
	uint64_t child;		/* EXEC under way: its id in the herd */
	struct check check;	/* rise and fall */
	bool on;		/* from begin to end */
	bool busy;		/* a check is under way */
	uint64_t begun;		/* loop time: it, or the last one */
	char last[96];		/* why the last one failed */
	unsigned silent;	/* so many in a row had no reply */
};

/* --- one place of a service ----------------------------------------------- */

struct replica {
	struct link link; /* service.replicas or .extra */
	struct service *service;
	const struct conf *conf; /* holds process_conf's memory */
	const struct conf_service *process_conf; /* what the process runs on */
	unsigned n;
	char id[REPLICA_ID_MAX]; /* image.0 */

	struct instance *in;
	struct instance_policy policy;
	struct loop_timer deadline;
	struct loop_later later; /* a spawn that failed, or its own end */
	uint64_t since;		 /* loop time of the last change of state */
	uint64_t next_try;	 /* loop time, in BACKOFF */

	/* The process. */
	uint64_t child;		   /* its id in the herd; 0: none */
	pid_t pid;		   /* 0 until spawned */
	unsigned missing;	   /* enum spawn_missing */
	char address[ADDRESS_MAX]; /* "unix:/..." or "127.0.0.1:2000" */
	unsigned port;		   /* taken from the range; 0: none */
	int cell;		   /* scoreboard endpoint cell; -1: none */
	bool current; /* the one of its place: on service.replicas */
	bool other;   /* adopted: of another version than process_conf */
	bool dropped; /* a candidate that was let go: nobody waits for it */
	uint64_t spawned, ready_at; /* loop time; 0: not yet */
	uint64_t ready_wall;

	/* What happened to it. */
	unsigned restarts;
	struct check_window crashes; /* crash loop: 5 in 5 min */
	bool has_exit;
	struct spawn_exit exit;
	char tail[REPLICA_TAIL_MAX + 1]; /* last lines before that exit */
	char why[160];			 /* why it is not ready; "" */

	struct probe readiness, liveness;

	/* Drain: waits for this generation, then for the cell to be empty. */
	struct loop_timer drain;
	uint64_t drain_generation;

	bool oversize; /* sampled over its memory limit, told to stop */
	struct {
		pid_t pid; /* whose the last sample was */
		uint64_t ticks, ticks_before;
		uint64_t pages, mem_bytes;
		double cpu_pct;
	} usage; /* of its session: sample.c */
};

enum rollout_kind { ROLLOUT_RESTART, ROLLOUT_DEPLOY, ROLLOUT_REVERT };

enum rollout_result {
	ROLLOUT_NONE,
	ROLLOUT_DONE,
	ROLLOUT_FAILED,	   /* and it stayed as it was then */
	ROLLOUT_REVERTED,  /* failed, and went back by itself */
	ROLLOUT_UNDONE,	   /* by an operator */
	ROLLOUT_CANCELLED, /* stopped, removed, overtaken by another */
};

/* A service's processes being replaced: rollout.h. */
struct rollout {
	bool on;
	enum rollout_kind kind;
	enum rollout_result result; /* of the last one; a REVERT's own */
	unsigned first, last;	    /* places; last UINT_MAX: all */
	unsigned next;		    /* places below it have been looked at */
	uint64_t after;	 /* RESTART: children up to this id are old */
	uint64_t began;	 /* loop time */
	unsigned canary; /* held at so many new copies; 0: not */
	bool proven;	 /* the first new copy was watched to the end */
	bool paused;
	bool asleep;		   /* until all that runs is adopted */
	bool failing;		   /* back at the end of the turn */
	bool told;		   /* that it is held */
	struct replica *candidate; /* the new copy beside the old one */
	struct replica *recycled;  /* in place, just now */
	struct loop_timer tick;	   /* of the watch */
	struct loop_later later;
	struct {
		uint64_t at, answers, errors;
	} window; /* what is judged began there */
	char cause[32];
	char failed[256]; /* why; "" */
};

/* Counters of one service over the last seconds. */
struct rate {
	uint64_t at;		/* loop time of the newer sample */
	uint64_t requests;	/* total then */
	double rps;		/* smoothed over about 5 s */
	struct histogram *then; /* latencies at the window's start; or NULL */
	uint64_t then_at;
	uint64_t p99_us;
};

struct service {
	struct link link;
	struct control *control;
	const struct conf *conf; /* holds spec's memory */
	const struct conf_service *spec;
	struct list replicas; /* by n, current ones */
	struct list extra;    /* beside them: a candidate, and those on their
				 way out */
	unsigned desired;     /* replicas, when not stopped */
	bool scaled;	      /* desired is an operator's alone */
	bool stopped;	      /* by an operator */
	bool removed;	      /* from the configuration; freed when empty */
	bool redis;	      /* the managed one: not in services, no cell */
	unsigned cell;	      /* scoreboard service cell */
	char token[33];	      /* names it as a caller on internal listeners */
	struct rollout rollout;
	json_t *previous; /* the version before, for a way back; or NULL */
	struct rate rate;
	struct scaling *scaling; /* scaling.h; NULL: a fixed number */
	char why[160];		 /* what it waits for, before any replica; "" */
};

/* The current ones of all services, and those beside them. */
#define EACH_REPLICA(c, r)                                         \
	LIST_EACH (s_, &(c)->services, struct service, link)       \
		for (struct list *l_ = &s_->replicas; l_ != NULL;  \
		     l_ = l_ == &s_->replicas ? &s_->extra : NULL) \
			LIST_EACH_SAFE (r, l_, struct replica, link)

/* --- workers -------------------------------------------------------------- */

struct worker {
	struct control *control;
	unsigned n;	/* its place, and its cells in the scoreboard */
	unsigned lane;	/* which of the sockets of each listener it has */
	uint32_t epoch; /* the upgrade that started it */
	bool leaving;	/* told to end by an upgrade */
	char slot[20];	/* proxy.0 */
	struct instance_policy policy;
	struct instance *in;
	struct loop_timer deadline;
	struct loop_later later;
	uint64_t child;
	pid_t pid;
	struct loop_io io; /* its connection; fd -1: none */
	/*
	 * The generation it acknowledged; UINT64_MAX while it has none at all,
	 * being dead or new, and so cannot use anything that is gone.
	 */
	uint64_t applied;
	unsigned restarts;
	uint64_t since;	   /* loop time of the last change of state */
	char refused[320]; /* the snapshot that it did not take, and why */
};

/* Connected to control.sock, and not yet known by its HELLO. */
struct stranger {
	struct link link;
	struct control *control;
	struct loop_io io;
	struct loop_later later;
};

struct listener {
	struct link link;
	char address[ADDRESS_MAX];
	unsigned id;
	bool internal;
	bool passed;		     /* systemd opened it: shared by all */
	bool kept;		     /* named by the configuration at hand */
	bool old;		     /* was there before it */
	int fds[SCOREBOARD_WORKERS]; /* one per worker; -1 where none */
};

/* An address or cell that some worker may still use. */
struct ghost {
	struct link link;
	int cell;
	unsigned port;
	char path[ADDRESS_MAX]; /* socket to unlink; "" */
	uint64_t generation;	/* free when all applied this one */
};

/* --- upgrade.h --------------------------------------------------------------
 */

#define UPGRADE_FAILED_MAX 256

enum upgrade_phase {
	UPGRADE_NONE,
	UPGRADE_TRIAL,
	UPGRADE_WORKERS,
	UPGRADE_KEEPER
};

/* --- the house ------------------------------------------------------------ */

/* --- TLS ------------------------------------------------------------------ */

#define CERTIFICATES_TICKETS 3
#define CERTIFICATES_TICKET 80

/* Keys for session tickets, the newest first. */
struct certificates_keys {
	uint32_t n;
	uint64_t born_ms[CERTIFICATES_TICKETS]; /* wall clock */
	unsigned char key[CERTIFICATES_TICKETS][CERTIFICATES_TICKET];
};

struct control {
	struct loop *loop;
	struct control_args args;
	const struct conf *conf;     /* the applied one */
	struct secrets *credentials; /* what its files said then */
	const struct conf *disk; /* what stood on disk at the start; or NULL */
	char errors[4096];	 /* why it could not be used */
	struct rng rng;
	struct herd *herd;
	struct list adopt; /* children of the manifest, until ready() */
	bool begun;	   /* conf is in force */
	bool stopping;
	uint64_t last_child;
	uint64_t wishes;	    /* generation of what is wanted: the ETag */
	bool unsaved;		    /* applied.json is behind: applied.h */
	struct list services;	    /* in the order of names */
	json_t *held;		    /* versions that were taken back: held.h */
	const struct conf *earlier; /* versions that rollouts leave, while
				       children are adopted; or NULL */

	struct {
		uint64_t generation;
		struct loop_later later;
		int fd;	    /* of the current snapshot; -1: none yet */
		bool again; /* the last one could not be built */
	} publish;

	struct {
		struct list ghosts;
		unsigned next_port; /* to try */
		uint64_t taken[SCOREBOARD_ENDPOINTS / 64];
		uint64_t services[SCOREBOARD_SERVICES / 64];
	} cells;

	struct {
		struct scoreboard *board;
		int board_fd;
		struct records *records; /* NULL: could not be made */
		int records_fd;
		struct worker *all;
		unsigned n;	/* places: more than lanes, for upgrades */
		unsigned lanes; /* workers that serve: conf->workers */
		int listen_fd;
		struct loop_io accept;
		struct list strangers; /* connected, no hello yet */
		unsigned hung_up_on;   /* and not told of */
		uint64_t said;	       /* when the last was told of */
		struct list listeners;
		struct list passed; /* sockets that systemd opened */
		struct loop_timer beat;
		uint64_t beat_at; /* clock_ms() of the last one */
	} workers;

	struct {
		struct loop_timer timer; /* armed while there is a log */
		struct rotate file;
		struct buf batch;
		unsigned pending; /* lines in it */
		bool failing;	  /* which was said */
		uint64_t lines, failures;
	} access;

	struct {
		int fd;
		struct loop_io io;
		/* READY=1 of who is not known yet, the oldest overwritten. */
		struct early {
			pid_t pid, group;
			uint64_t at;
		} early[HEALTH_EARLY_MAX];
		unsigned next;
	} notify;

	struct {
		uint32_t epoch;
		enum upgrade_phase phase;
		int fd; /* what the next control is to know; -1: nothing */
		unsigned tries; /* to become the program, after the first */
		bool asked;	/* the keeper, by this process */
		bool leaving;	/* this process is about to become another */
		char failed[UPGRADE_FAILED_MAX]; /* the last one, why; "" */
		char program[PATH_MAX];
		struct loop_later later;
		void (*done)(void *arg, const char *why); /* of the trial */
		void *arg;
	} upgrade;

	struct {
		struct list watches;
		char *ring[CONTROL_EVENTS];
		uint64_t first; /* id of this process's first event */
		uint64_t next;	/* id of the next one */
	} events;

	struct {
		struct pems pems; /* conf is NULL: not read yet */
		struct certificates_keys keys;
		struct loop_timer look;
		uint64_t warned_at; /* loop time; 0: not yet */
	} certificates;

	struct {
		struct loop_later save;
		const char *root; /* before /proc and /sys; NULL: "" */
	} scaling;

	struct list logs; /* readers of logs: readers.c */
	struct {
		struct registry *registry;
		struct managed *managed; /* NULL unless `registry: managed` */
		struct conf_service
		    redis_spec; /* the managed one, as service */
		enum registry_state state;
		uint64_t since; /* on the loop's clock */
		bool link;	/* Redis answers */
	} enroll;

	struct loop_timer sample; /* each second */
	uint64_t sampled_at;	  /* loop time processes were read */
	struct loop_later ending;
	int end_code;
	struct err end_why;
};

#endif /* CONTROL_STATE_H */
