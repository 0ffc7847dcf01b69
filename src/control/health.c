/* SPDX-License-Identifier: ISC */

#include "control/health.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "control/launch.h"
#include "control/publish.h"
#include "control/replica.h"
#include "http/client.h"
#include "link/address.h"
#include "proc/notify.h"
#define LOG_SUBSYSTEM "control"
#define EARLY_MS 5000 /* then it was about another process */
#include "base/log.h"

#define BODY_MAX 65536 /* of an answer to a check; more fails it */

static void schedule(struct probe *p);

static struct loop *
loop_of(const struct probe *p)
{
	return p->replica->service->control->loop;
}

static bool
is_liveness(const struct probe *p)
{
	return p == &p->replica->liveness;
}

/* --- the verdict ---------------------------------------------------------- */

static void
post_turn(struct probe *p, enum check_turn turn)
{
	struct replica *r = p->replica;
	char why[160];

	if (turn == CHECK_PASSED && !is_liveness(p))
		replica_post(r, INSTANCE_EV_PASSED, "check passed");
	if (turn != CHECK_FAILED)
		return;
	snprintf(why, sizeof(why), "%s failed: %s",
	    is_liveness(p) ? "liveness" : "readiness", p->last);
	replica_post(
	    r, is_liveness(p) ? INSTANCE_EV_SICK : INSTANCE_EV_FAILED, why);
}

enum reply { NO_REPLY, REPLIED };

/* One check is done; why is NULL when it passed. */
static void
finish(struct probe *p, const char *why, enum reply reply)
{
	enum check_turn turn;

	p->busy = false;
	p->silent = reply == REPLIED ? 0 : p->silent + 1;
	if (p->silent == p->conf->fall)
		publish_soon(p->replica->service->control);
	if (why != NULL)
		snprintf(p->last, sizeof(p->last), "%s", why);
	turn = check_post(&p->check, why == NULL, p->conf->rise, p->conf->fall);
	if (why != NULL && replica_state(p->replica) == INSTANCE_STARTING)
		snprintf(p->replica->why, sizeof(p->replica->why),
		    "not ready: %s", why);
	schedule(p);
	post_turn(p, turn); /* may end the probe, and the replica */
}

/* --- HTTP ----------------------------------------------------------------- */

static void
on_head(void *arg, const struct head *head)
{
	struct probe *p = arg;

	p->status = head->status;
}

static void
on_http_done(void *arg, int r, const struct err *err)
{
	struct probe *p = arg;
	char why[sizeof(p->last)];

	p->client = NULL;
	if (r == 0 && p->status >= 200 && p->status < 400) {
		finish(p, NULL, REPLIED);
		return;
	}
	if (r == 0)
		snprintf(why, sizeof(why), "status %u", p->status);
	else
		snprintf(
		    why, sizeof(why), "%.*s", (int)sizeof(why) - 1, err->text);
	finish(p, why, r == 0 ? REPLIED : NO_REPLY);
}

static int
begin_http(struct probe *p, struct err *err)
{
	static const struct client_ops ops = {
		.on_head = on_head,
		.on_done = on_http_done,
	};
	static const struct client_header headers[] = {
		{ "User-Agent", "drover-check" },
	};
	const struct client_request request = {
		.address = p->replica->address,
		.target = p->conf->path,
		.headers = headers,
		.nheaders = ARRAY_LEN(headers),
		.connect_ms = (uint32_t)p->conf->timeout_ms,
		.total_ms = (uint32_t)p->conf->timeout_ms,
		.max_body = BODY_MAX,
	};

	p->status = 0;
	p->client = client_start(loop_of(p), &request, &ops, p, err);
	return p->client == NULL ? -EIO : 0;
}

/* --- connect -------------------------------------------------------------- */

static void
end_connect(struct probe *p)
{
	int fd = p->connect.fd;

	if (fd < 0)
		return;
	loop_io_done(&p->connect);
	fd_close(&fd);
}

static void
on_connected(void *arg, unsigned what)
{
	struct probe *p = arg;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)what;
	if (getsockopt(p->connect.fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	end_connect(p);
	finish(p, error == 0 ? NULL : strerror(error),
	    error == 0 ? REPLIED : NO_REPLY);
}

static int
begin_connect(struct probe *p, struct err *err)
{
	struct address a;
	int fd, r = address_parse(&a, p->replica->address);

	if (r < 0)
		return err_errno(err, r, "address");
	fd = socket(
	    a.u.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, -errno, "socket");
	if (connect(fd, &a.u.sa, a.len) < 0 && errno != EINPROGRESS) {
		r = -errno;
		fd_close(&fd);
		return err_errno(err, r, "connect");
	}
	loop_io_init(&p->connect, loop_of(p), fd, on_connected, p);
	r = loop_io_want(&p->connect, LOOP_WRITE);
	if (r < 0)
		end_connect(p);
	return r;
}

/* --- a command ------------------------------------------------------------ */

static void
kill_command(struct probe *p)
{
	struct control *c = p->replica->service->control;

	if (p->child != 0)
		(void)herd_signal(c->herd, p->child, SIGKILL, true);
	p->child = 0; /* its exit will be nobody's: it is forgotten then */
}

static struct probe *
probe_by_child(struct control *c, uint64_t child)
{
	LIST_EACH (s, &c->services, struct service, link) {
		LIST_EACH (r, &s->replicas, struct replica, link) {
			if (r->readiness.child == child)
				return &r->readiness;
			if (r->liveness.child == child)
				return &r->liveness;
		}
		LIST_EACH (r, &s->extra, struct replica, link) {
			if (r->readiness.child == child)
				return &r->readiness;
			if (r->liveness.child == child)
				return &r->liveness;
		}
	}
	return NULL;
}

bool
health_exited(struct control *c, uint64_t child, const struct spawn_exit *exit)
{
	struct probe *p = child == 0 ? NULL : probe_by_child(c, child);
	char why[64];

	if (p == NULL)
		return false;
	p->child = 0;
	if (exit->kind == EXIT_EXITED && exit->code == 0)
		finish(p, NULL, REPLIED);
	else
		finish(p, replica_exit_text(exit, why, sizeof(why)), REPLIED);
	return true;
}

/* --- one check after another ---------------------------------------------- */

static void
give_up(struct probe *p)
{
	client_cancel(p->client);
	p->client = NULL;
	end_connect(p);
	kill_command(p);
	p->busy = false;
}

static int
begin(struct probe *p, struct err *err)
{
	switch (p->conf->kind) {
	case CONF_CHECK_HTTP:
		return begin_http(p, err);
	case CONF_CHECK_TCP:
		return begin_connect(p, err);
	case CONF_CHECK_EXEC:
		return launch_check(
		    p->replica, p->conf->command, &p->child, err);
	case CONF_CHECK_NONE:
	case CONF_CHECK_NOTIFY:
		break;
	}
	return err_set(err, -EINVAL, "nothing to check");
}

static void
on_timer(void *arg)
{
	struct probe *p = arg;
	struct err err;

	if (p->busy) {
		give_up(p);
		finish(p, "timeout", NO_REPLY);
		return;
	}
	p->busy = true;
	p->begun = loop_now(loop_of(p));
	loop_timer_arm(&p->next, p->conf->timeout_ms);
	if (begin(p, &err) < 0)
		finish(p, err.text, NO_REPLY);
}

static void
schedule(struct probe *p)
{
	uint64_t now = loop_now(loop_of(p));
	uint64_t ms = check_delay(&p->check, now - p->replica->spawned,
	    p->conf->interval_ms, now - p->begun);

	loop_timer_arm(&p->next, ms);
}

static void
probe_init(struct probe *p, struct replica *r)
{
	*p = (struct probe){ .replica = r, .connect = { .fd = -1 } };
	loop_timer_init(&p->next, loop_of(p), on_timer, p);
}

static bool
is_active(const struct conf_check *conf)
{
	return conf->kind == CONF_CHECK_HTTP || conf->kind == CONF_CHECK_TCP ||
	    conf->kind == CONF_CHECK_EXEC;
}

static void
probe_begin(struct probe *p, const struct conf_check *conf, uint64_t ms)
{
	p->conf = conf;
	p->silent = 0;
	p->on = is_active(conf);
	if (p->on)
		loop_timer_arm(&p->next, ms);
}

static void
probe_end(struct probe *p)
{
	if (p->on)
		loop_timer_disarm(&p->next);
	if (p->on)
		give_up(p);
	p->on = false;
}

/* --- from replica.c ------------------------------------------------------- */

void
health_init(struct replica *r)
{
	probe_init(&r->readiness, r);
	probe_init(&r->liveness, r);
}

/* Whether it said so before we knew it. Each word counts once. */
static bool
was_early(struct control *c, pid_t pid)
{
	uint64_t now = loop_now(c->loop);

	for (unsigned i = 0; i < HEALTH_EARLY_MAX; i++) {
		struct early *e = &c->notify.early[i];

		if (pid <= 0 || (e->pid != pid && e->group != pid) ||
		    now - e->at > EARLY_MS)
			continue;
		*e = (struct early){ 0 };
		return true;
	}
	return false;
}

void
health_begin(struct replica *r)
{
	const struct conf_check *conf = &r->process_conf->readiness;

	check_init(&r->readiness.check);
	probe_begin(&r->readiness, conf, 0);
	/* Nothing to ask: it is ready when it runs. Redis answers PING. */
	if (conf->kind == CONF_CHECK_NONE && !r->service->redis)
		replica_post(r, INSTANCE_EV_PASSED, "runs");
	else if (conf->kind == CONF_CHECK_NOTIFY &&
	    was_early(r->service->control, r->pid))
		replica_post(r, INSTANCE_EV_PASSED, "READY=1");
}

void
health_ready(struct replica *r)
{
	const struct conf_check *conf = &r->process_conf->liveness;

	if (r->liveness.on)
		return;
	check_adopt(&r->liveness.check, true);
	probe_begin(&r->liveness, conf, conf->interval_ms);
}

void
health_end(struct replica *r)
{
	probe_end(&r->readiness);
	probe_end(&r->liveness);
}

bool
health_silent(const struct replica *r)
{
	const struct probe *p = &r->readiness;

	return r->in != NULL && replica_state(r) == INSTANCE_UNREADY && p->on &&
	    p->silent >= p->conf->fall;
}

static void
probe_take_spec(struct probe *p, const struct conf_check *conf, bool may_begin)
{
	if (p->on && !is_active(conf))
		probe_end(p);
	else if (p->on)
		p->conf = conf;
	else if (may_begin)
		probe_begin(p, conf, conf->interval_ms);
}

void
health_take_spec(struct replica *r)
{
	const struct conf_service *spec = r->process_conf;
	bool alive = r->in != NULL && r->pid > 0;
	enum instance_state state = alive ? replica_state(r) : INSTANCE_IDLE;
	bool ready = state == INSTANCE_READY || state == INSTANCE_UNREADY;

	if (ready && !r->liveness.on)
		check_adopt(&r->liveness.check, true);
	probe_take_spec(&r->readiness, &spec->readiness, ready);
	probe_take_spec(&r->liveness, &spec->liveness, ready);
}

void
health_adopt(struct replica *r, bool up)
{
	const struct conf_check *conf = &r->process_conf->readiness;

	if (up)
		check_adopt(&r->readiness.check, true);
	probe_begin(&r->readiness, conf, 0);
	if (up)
		health_ready(r);
}

/* --- READY=1 -------------------------------------------------------------- */

/* A quick service can be heard before the keeper has told that it runs. */
static void
keep_early(struct control *c, pid_t pid, pid_t group)
{
	unsigned i = c->notify.next++ % HEALTH_EARLY_MAX;

	c->notify.early[i] = (struct early){
		.pid = pid,
		.group = group,
		.at = loop_now(c->loop),
	};
}

static void
on_message(struct control *c, const struct notify_message *m)
{
	pid_t group = getpgid(m->pid);
	struct replica *r = replica_by_pid(c, m->pid);

	if (!m->ready)
		return;
	if (r == NULL) /* a process in the group of one of ours */
		r = replica_by_pid(c, group);
	if (r == NULL)
		keep_early(c, m->pid, group);
	else if (r->process_conf->readiness.kind == CONF_CHECK_NOTIFY)
		replica_post(r, INSTANCE_EV_PASSED, "READY=1");
}

static void
on_notify(void *arg, unsigned what)
{
	struct control *c = arg;
	struct notify_message m;

	(void)what;
	if (notify_receive(c->notify.fd, &m) > 0)
		on_message(c, &m);
}

static int
listen_notify(struct control *c, struct err *err)
{
	char path[ADDRESS_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/notify.sock", c->conf->dirs.runtime);
	fd = notify_listen(path, 0666, err);
	if (fd < 0)
		return fd;
	c->notify.fd = fd;
	return herd_put_fd(c->herd, HEALTH_NOTIFY, fd);
}

int
health_open_notify(struct control *c, int fd, struct err *err)
{
	int r = 0;

	c->notify.fd = fd;
	if (fd < 0)
		r = listen_notify(c, err);
	if (r < 0)
		return r;
	loop_io_init(&c->notify.io, c->loop, c->notify.fd, on_notify, c);
	return loop_io_want(&c->notify.io, LOOP_READ);
}

void
health_close_notify(struct control *c)
{
	loop_io_done(&c->notify.io);
	fd_close(&c->notify.fd);
}
