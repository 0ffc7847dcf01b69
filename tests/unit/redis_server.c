/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE /* nftw */

#include "redis_server.h"

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "redis/reply.h"
#include "redis/url.h"

#define ARGV_MAX 64

void
server_open(struct redis_server *s)
{
	memset(s, 0, sizeof(*s));
	snprintf(s->dir, sizeof(s->dir), "/tmp/drover-redis-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		abort();
	snprintf(s->sock, sizeof(s->sock), "%s/r.sock", s->dir);
	snprintf(s->url, sizeof(s->url), "unix://%s", s->sock);
}

static int
on_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void
server_done(struct redis_server *s)
{
	server_kill(s);
	nftw(s->dir, on_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool
answers(const struct redis_server *s, const char *url)
{
	struct redis_server at = *s;
	const char *answer;

	snprintf(at.url, sizeof(at.url), "%s", url);
	answer = server_ask(&at, "PING");
	/* With users, NOAUTH is an answer too. */
	return answer != NULL &&
	    (strcmp(answer, "PONG") == 0 || strncmp(answer, "-NO", 3) == 0);
}

void
server_run(struct redis_server *s, const char *const *argv, const char *url)
{
	pid_t parent = getpid();
	uint64_t until = clock_ms() + 20000;

	s->pid = fork();
	if (s->pid < 0)
		abort();
	if (s->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || chdir(s->dir) < 0 ||
		    freopen("/dev/null", "w", stdout) == NULL)
			_exit(126);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	while (!answers(s, url)) {
		if (clock_ms() > until ||
		    waitpid(s->pid, NULL, WNOHANG) == s->pid) {
			fprintf(stderr, "redis-server does not start\n");
			abort();
		}
		usleep(5000);
	}
}

void
server_start(struct redis_server *s, const char *const *extra)
{
	const char *argv[ARGV_MAX] = { "redis-server", "--port", "0",
		"--unixsocket", s->sock, "--save", "", "--appendonly", "yes",
		"--dir", s->dir };
	size_t n = 11;

	for (; extra != NULL && *extra != NULL && n < ARGV_MAX - 1; extra++)
		argv[n++] = *extra;
	server_run(s, argv, s->url);
}

void
server_signal(struct redis_server *s, int signo)
{
	kill(s->pid, signo);
}

void
server_kill(struct redis_server *s)
{
	if (s->pid <= 0)
		return;
	kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0)
		;
	s->pid = 0;
}

/* --- asking ---------------------------------------------------------------
 */

static int
connect_to(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = 5 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
			fd_close(&fd);
	}
	return fd;
}

static void
add(struct buf *b, const char *s)
{
	if (buf_puts(b, s) < 0)
		abort();
}

static void
show(struct buf *b, const struct redis_reply *reply)
{
	char number[32];

	switch (reply->type) {
	case REDIS_NIL:
		add(b, "(nil)");
		break;
	case REDIS_INTEGER:
		snprintf(
		    number, sizeof(number), "%lld", (long long)reply->integer);
		add(b, number);
		break;
	case REDIS_ARRAY:
		for (size_t i = 0; i < reply->n; i++) {
			add(b, i > 0 ? " " : "");
			show(b, reply->item[i]);
		}
		break;
	case REDIS_ERROR:
		add(b, "-");
		add(b, reply->str.p);
		break;
	case REDIS_STRING:
	case REDIS_STATUS:
		add(b, reply->str.p);
		break;
	}
}

static const char *
one_reply(int fd, struct redis_reader *reader, struct buf *answer)
{
	const struct redis_reply *reply;
	char chunk[4096];

	for (;;) {
		ssize_t n;
		int r = redis_reader_next(reader, &reply);

		if (r < 0)
			return NULL;
		if (r > 0) {
			buf_clear(answer);
			show(answer, reply);
			return buf_str(answer);
		}
		n = read(fd, chunk, sizeof(chunk));
		if (n <= 0 || redis_reader_feed(reader, chunk, (size_t)n) < 0)
			return NULL;
	}
}

static void
put_words(struct buf *b, const struct span *words, size_t n)
{
	if (buf_printf(b, "*%zu\r\n", n) < 0)
		abort();
	for (size_t i = 0; i < n; i++)
		if (buf_printf(b, "$%zu\r\n%.*s\r\n", words[i].n,
			(int)words[i].n, words[i].p) < 0)
			abort();
}

static void
put_auth(struct buf *b, const struct redis_url *url)
{
	const struct span words[] = { SPAN("AUTH"),
		span_of(url->user[0] != '\0' ? url->user : "default"),
		span_of(url->password) };

	put_words(b, words, 3);
}

static const char *
ask(const struct redis_server *s, const struct span *words, size_t n)
{
	static struct buf answer = { .max = 16 << 20 };
	struct redis_reader *reader = redis_reader_new(16 << 20);
	struct redis_url url;
	struct buf b;
	const char *text = NULL;
	int fd, replies = 1;

	buf_init(&b, 1 << 20);
	if (redis_url_parse(&url, span_of(s->url), NULL) < 0 || reader == NULL)
		abort();
	if (url.password[0] != '\0') {
		put_auth(&b, &url);
		replies++;
	}
	put_words(&b, words, n);
	fd = connect_to(url.path);
	if (fd >= 0 && fd_write_all(fd, b.data, b.len) == 0)
		while (replies-- > 0)
			text = one_reply(fd, reader, &answer);
	fd_close(&fd);
	buf_done(&b);
	redis_reader_free(reader);
	return text;
}

const char *
server_ask(const struct redis_server *s, const char *command)
{
	struct span words[64], word, line = span_of(command);
	size_t n = 0;

	while (n < 64 && span_next(&line, ' ', &word))
		words[n++] = word;
	return ask(s, words, n);
}

const char *
server_eval(const struct redis_server *s, struct span script, const char *key)
{
	const struct span words[] = { SPAN("EVAL"), script, SPAN("1"),
		span_of(key) };

	return ask(s, words, 4);
}

/* --- loops ----------------------------------------------------------------
 */

struct until {
	struct loop *loop;
	struct loop_timer tick;
	uint64_t end;
	bool (*fn)(void *arg);
	void *arg;
	bool so;
};

static void
on_tick(void *arg)
{
	struct until *u = arg;

	u->so = u->fn != NULL && u->fn(u->arg);
	if (u->so || clock_ms() >= u->end)
		loop_stop(u->loop);
	else
		loop_timer_arm(&u->tick, 2);
}

bool
loop_until(struct loop *loop, bool (*fn)(void *arg), void *arg, uint64_t ms)
{
	struct until u = {
		.loop = loop, .end = clock_ms() + ms, .fn = fn, .arg = arg
	};

	loop_timer_init(&u.tick, loop, on_tick, &u);
	loop_timer_arm(&u.tick, 0);
	loop_run(loop);
	loop_timer_done(&u.tick);
	return u.so;
}

void
loop_for(struct loop *loop, uint64_t ms)
{
	loop_until(loop, NULL, NULL, ms);
}
