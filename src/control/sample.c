/* SPDX-License-Identifier: ISC */

#include "control/sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "control/cells.h"
#include "control/launch.h"
#include "control/applied.h"
#include "control/publish.h"
#include "control/replica.h"
#include "control/scaling.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

#define SAMPLE_MS 1000
#define FRESH_MS 500
#define WINDOW_MS 10000 /* of latencies */

/* --- requests ------------------------------------------------------------- */

/* The latencies since the window began; a new window every WINDOW_MS. */
static void
sample_latency(struct rate *rate, uint64_t now, const struct histogram *all)
{
	struct histogram since = *all;

	if (rate->then == NULL) {
		rate->then = calloc(1, sizeof(*rate->then));
		if (rate->then == NULL)
			return;
	}
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		since.count[i] = all->count[i] > rate->then->count[i]
		    ? all->count[i] - rate->then->count[i]
		    : 0;
	rate->p99_us = histogram_quantile(&since, 990);
	if (now - rate->then_at < WINDOW_MS)
		return;
	*rate->then = *all;
	rate->then_at = now;
}

static void
sample_service(struct service *s, uint64_t now)
{
	struct scoreboard_service_view v;
	struct rate *rate = &s->rate;
	double rps;

	scoreboard_service_view(s->control->workers.board, s->cell, &v);
	if (rate->at != 0 && now > rate->at) {
		uint64_t more = v.requests > rate->requests
		    ? v.requests - rate->requests
		    : 0;

		rps = (double)more * 1000.0 / (double)(now - rate->at);
		rate->rps += 0.3 * (rps - rate->rps);
		if (rate->rps < 0.005)
			rate->rps = 0;
	}
	if (v.requests > 0)
		sample_latency(rate, now, &v.latency);
	rate->requests = v.requests;
	rate->at = now;
	scaling_seen(s, v.queued);
}

/* --- processes ------------------------------------------------------------ */

struct usage {
	pid_t session;
	uint64_t ticks;
	uint64_t pages;
};

/* proc(5): after the name in parentheses come state ppid pgrp session ... */
static bool
parse_stat(const char *text, struct usage *u)
{
	const char *p = strrchr(text, ')');
	unsigned long utime, stime;
	long rss;
	int session;

	if (p == NULL ||
	    sscanf(p + 1,
		" %*c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d "
		"%*d %*d %*d %*d %*u %*u %ld",
		&session, &utime, &stime, &rss) != 4)
		return false;
	u->session = session;
	u->ticks = utime + stime;
	u->pages = rss > 0 ? (uint64_t)rss : 0;
	return true;
}

static bool
read_stat(int proc, const char *pid, struct usage *u)
{
	char path[64], text[1024];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%.20s/stat", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	fd_close(&fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return parse_stat(text, u);
}

static void
add_usage(struct control *c, const struct usage *u)
{
	struct replica *r = replica_by_pid(c, u->session);

	if (r == NULL)
		return;
	r->usage.ticks += u->ticks;
	r->usage.pages += u->pages;
}

static void
settle(struct replica *r, uint64_t now, uint64_t before)
{
	long hz = sysconf(_SC_CLK_TCK);
	uint64_t was = r->usage.ticks_before;

	r->usage.mem_bytes = r->usage.pages * (uint64_t)sysconf(_SC_PAGESIZE);
	r->usage.cpu_pct = 0;
	if (r->usage.pid == r->pid && before != 0 && now > before &&
	    r->usage.ticks >= was)
		r->usage.cpu_pct = (double)(r->usage.ticks - was) * 100000.0 /
		    (double)hz / (double)(now - before);
	r->usage.pid = r->pid;
	r->usage.ticks_before = r->usage.ticks;
}

static void
scan(struct control *c, DIR *dir)
{
	struct dirent *e;

	while ((e = readdir(dir)) != NULL) {
		struct usage u;

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		if (read_stat(dirfd(dir), e->d_name, &u))
			add_usage(c, &u);
	}
}

void
sample_processes(struct control *c)
{
	uint64_t now = loop_now(c->loop), before = c->sampled_at;
	DIR *dir;

	if (before != 0 && now - before < FRESH_MS)
		return;
	dir = opendir("/proc");
	if (dir == NULL)
		return;
	EACH_REPLICA(c, r)
	r->usage.ticks = r->usage.pages = 0;
	scan(c, dir);
	closedir(dir);
	c->sampled_at = now;
	EACH_REPLICA(c, r)
	settle(r, now, before);
}

/* --- limits that nobody else enforces ------------------------------------- */

static bool
is_limited(const struct replica *r)
{
	return r->process_conf->resources.memory > 0 && r->pid > 0;
}

static bool
any_limited(struct control *c)
{
	if (herd_host(c->herd)->cgroup_memory)
		return false;
	EACH_REPLICA(c, r)
	if (is_limited(r))
		return true;
	return false;
}

static void
enforce(struct replica *r)
{
	uint64_t limit = r->process_conf->resources.memory;

	if (!is_limited(r) || r->usage.mem_bytes <= limit || r->oversize)
		return;
	r->oversize = true;
	log_warn(r->id, "over its memory limit: killed mem=%llu limit=%llu",
	    (unsigned long long)r->usage.mem_bytes, (unsigned long long)limit);
	launch_signal(r, SIGKILL, true);
}

static void
on_sample(void *arg)
{
	struct control *c = arg;
	uint64_t now = loop_now(c->loop);

	LIST_EACH (s, &c->services, struct service, link)
		if (!s->redis)
			sample_service(s, now);
	if (any_limited(c)) {
		sample_processes(c);
		EACH_REPLICA(c, r)
		enforce(r);
	}
	if (c->unsaved)
		applied_save(c);
	if (c->publish.again)
		publish_soon(c);
	cells_sweep(c);
	loop_timer_arm(&c->sample, SAMPLE_MS);
}

void
sample_begin(struct control *c)
{
	loop_timer_init(&c->sample, c->loop, on_sample, c);
	loop_timer_arm(&c->sample, SAMPLE_MS);
}

void
sample_end(struct control *c)
{
	loop_timer_done(&c->sample);
}
