/* SPDX-License-Identifier: ISC */

#define _GNU_SOURCE

#include "keeper_world.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "keeper/keeper.h"
#include "proc/process.h"

struct seen *
see(struct world *w, uint64_t id)
{
	for (size_t i = 0; i < w->nseen; i++)
		if (w->seen[i].id == id)
			return &w->seen[i];
	assert_true(w->nseen < SEEN_MAX);
	w->seen[w->nseen] = (struct seen){ .id = id };
	return &w->seen[w->nseen++];
}

static void
copy(char *dst, size_t size, const void *src, size_t n)
{
	assert_true(n < size);
	memcpy(dst, src, n);
	dst[n] = '\0';
}

static void
on_child(void *owner, const struct herd_child *c)
{
	struct seen *s = see(owner, c->id);

	s->manifest++;
	s->pid = c->pid;
	s->missing = c->missing;
	s->exited += c->exited;
	s->exit = c->exit;
	copy(s->slot, sizeof(s->slot), c->slot, strlen(c->slot));
	copy(s->note, sizeof(s->note), c->note, c->note_len);
	copy(s->tail, sizeof(s->tail), c->tail.p, c->tail.n);
}

static void
on_fd(void *owner, const char *name, int fd)
{
	struct world *w = owner;

	copy(w->fd_name, sizeof(w->fd_name), name, strlen(name));
	fd_close(&w->fd);
	w->fd = fd;
}

static void
on_ready(void *owner)
{
	struct world *w = owner;

	w->ready++;
}

static void
on_spawned(void *owner, uint64_t id, pid_t pid, unsigned missing)
{
	struct seen *s = see(owner, id);

	s->spawned++;
	s->pid = pid;
	s->missing = missing;
}

static void
on_failed(void *owner, uint64_t id, int error, const char *stage)
{
	struct seen *s = see(owner, id);

	s->failed++;
	s->error = error;
	copy(s->stage, sizeof(s->stage), stage, strlen(stage));
}

static void
on_exited(
    void *owner, uint64_t id, const struct spawn_exit *e, struct span tail)
{
	struct seen *s = see(owner, id);

	s->exited++;
	s->exit = *e;
	copy(s->tail, sizeof(s->tail), tail.p, tail.n);
}

static void
on_line(void *owner, const struct herd_line *line)
{
	struct world *w = owner;

	w->lines++;
	copy(w->last_line, sizeof(w->last_line), line->text.p, line->text.n);
}

static void
on_upgraded(void *owner, const char *why)
{
	struct world *w = owner;

	w->upgraded++;
	why = why == NULL ? "" : why;
	copy(w->not_upgraded, sizeof(w->not_upgraded), why, strlen(why));
}

static void
on_lost(void *owner, const struct err *why)
{
	struct world *w = owner;

	w->lost++;
	copy(w->why, sizeof(w->why), why->text, strlen(why->text));
}

const struct herd_ops world_ops = {
	.child = on_child,
	.fd = on_fd,
	.ready = on_ready,
	.spawned = on_spawned,
	.spawn_failed = on_failed,
	.exited = on_exited,
	.line = on_line,
	.upgraded = on_upgraded,
	.lost = on_lost,
};

/* --- the world ------------------------------------------------------------ */

static void
on_tick(void *arg)
{
	struct world *w = arg;

	loop_stop(w->loop);
}

void
turn(struct world *w, uint64_t ms)
{
	loop_timer_arm(&w->tick, ms);
	loop_run(w->loop);
}

void
keeper_start(struct world *w)
{
	const struct keeper_args args = {
		.runtime = w->dir, .ready_fd = -1, .control_uid = (uid_t)-1
	};
	struct keeper_args mine = args;
	int ready[2];
	char c = 0;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	fflush(NULL);
	w->keeper = fork();
	assert_true(w->keeper >= 0);
	if (w->keeper == 0) {
		close(ready[0]);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		mine.ready_fd = ready[1];
		mine.cgroup = w->cgroup;
		/* The lines that it logs are not this test's output. */
		if (getenv("KEEPER_LOG") == NULL &&
		    freopen("/dev/null", "w", stderr) == NULL)
			_exit(2);
		exit(keeper_main(&mine)); /* with its leak check */
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(c, '\n');
	close(ready[0]);
}

void
connect_herd(struct world *w)
{
	struct err err;
	unsigned ready = w->ready;

	assert_int_equal(
	    herd_connect(&w->herd, w->loop, w->path, &world_ops, w, &err), 0);
	UNTIL(w, w->ready > ready);
	w->id = herd_last_id(w->herd);
}

/* As kill -9 of control would. */
void
hang_up(struct world *w)
{
	herd_free(w->herd);
	w->herd = NULL;
	turn(w, 1);
	memset(w->seen, 0, sizeof(w->seen));
	w->nseen = 0;
}

int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err err;

	assert_non_null(w);
	w->fd = -1;
	snprintf(w->dir, sizeof(w->dir), "/tmp/test_herd.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/keeper.sock", w->dir);
	w->loop = loop_new(&err);
	assert_non_null(w->loop);
	loop_timer_init(&w->tick, w->loop, on_tick, w);
	keeper_start(w);
	connect_herd(w);
	*state = w;
	return 0;
}

int
await_keeper(struct world *w)
{
	int status;

	for (int i = 0; i < 2000; i++) {
		if (waitpid(w->keeper, &status, WNOHANG) == w->keeper) {
			w->keeper = 0;
			return status;
		}
		turn(w, 5);
	}
	return -1;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* Of a keeper that fails a test the next one ends the children. */
static void
end_by_force(struct world *w)
{
	kill(w->keeper, SIGKILL);
	waitpid(w->keeper, NULL, 0);
	keeper_start(w);
	kill(w->keeper, SIGTERM);
	await_keeper(w);
}

int
teardown(void **state)
{
	struct world *w = *state;
	int status = 0;

	if (w->keeper > 0) {
		kill(w->keeper, SIGTERM);
		status = await_keeper(w);
		if (status == -1)
			end_by_force(w);
	}
	herd_free(w->herd);
	loop_timer_done(&w->tick);
	loop_free(w->loop);
	fd_close(&w->fd);
	nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(w);
	return status; /* whatever a sanitizer has found in it, too */
}

/* --- spawning ------------------------------------------------------------- */

const char *const plain_env[] = { "PATH=/usr/bin:/bin", "A=1", NULL };

struct spawn_spec
spec_of(struct world *w, const char *const *argv)
{
	return (struct spawn_spec){
		.id = ++w->id,
		.slot = "t.0",
		.log = "t",
		.argv = argv,
		.env = plain_env,
		.directory = w->dir,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.umask = 022,
		.rank = SPAWN_INSTANCE,
		.stop_signal = SIGTERM,
		.stop_timeout_ms = 5000,
	};
}

struct seen *
spawn_now(struct world *w, const struct spawn_spec *spec)
{
	assert_int_equal(herd_spawn(w->herd, spec, NULL), 0);
	return see(w, spec->id);
}

/* sh -c script, to its end. */
struct seen *
run_script(struct world *w, const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	const struct spawn_spec spec = spec_of(w, argv);
	struct seen *s = spawn_now(w, &spec);

	UNTIL(w, s->exited || s->failed);
	return s;
}

struct seen *
start_script(struct world *w, const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	const struct spawn_spec spec = spec_of(w, argv);
	struct seen *s = spawn_now(w, &spec);

	UNTIL(w, s->spawned || s->failed);
	return s;
}

bool
exists(const struct world *w, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	return access(path, F_OK) == 0;
}

bool
is_alive(pid_t pid)
{
	return process_start_time(pid) != 0;
}

/* The number that a script wrote into a file. */
pid_t
pid_in(const struct world *w, const char *name)
{
	char path[128], text[32] = "";
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	n = fgets(text, sizeof(text), f) == NULL || strchr(text, '\n') == NULL
	    ? 0
	    : (int)strtol(text, NULL, 10);
	fclose(f);
	return (pid_t)n;
}

size_t
read_text(const struct world *w, const char *name, char *out, size_t size)
{
	char path[160];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	fclose(f);
	return n;
}
