/* SPDX-License-Identifier: ISC */

/* What must stay flat and timely: memory, other children, orders. */

#define _GNU_SOURCE

#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "keeper_world.h"

/* With DROVER_LONG set, eight times as much: 1 GiB, and 10,000 exits. */
#define FLOOD (128u << 20) /* bytes */
#define FLOODS 4u	   /* at once, so that there always is one */
#define EXITS 1250u
#define AT_ONCE 16u

/* KiB that it may grow by; sanitizers hold back what was freed. */
#ifdef WITH_SANITIZERS
#define SLACK 65536u
#else
#define SLACK 512u
#endif

static unsigned
scaled(unsigned n)
{
	return getenv("DROVER_LONG") != NULL ? 8 * n : n;
}

static size_t
status_kib(pid_t pid, const char *name)
{
	char path[64], line[128];
	unsigned long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0 &&
		    sscanf(line + strlen(name), ": %lu", &kib) == 1)
			break;
	fclose(f);
	assert_true(kib > 0);
	return kib;
}

static size_t
rss_kib(pid_t pid)
{
	return status_kib(pid, "VmRSS");
}

/* What a leak would be; not the code that was read in on the way. */
static size_t
anonymous_kib(pid_t pid)
{
	return status_kib(pid, "RssAnon");
}

static unsigned
open_fds(pid_t pid)
{
	char path[64];
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	d = opendir(path);
	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static double
cpu_seconds(pid_t pid)
{
	char path[64], text[1024];
	unsigned long user = 0, system = 0;
	const char *p;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	p = strrchr(text, ')');
	assert_non_null(p);
	assert_int_equal(sscanf(p,
			     ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u "
			     "%*u %lu %lu",
			     &user, &system),
	    2);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* --- a flood -------------------------------------------------------------- */

static uint64_t worst_ms; /* from a line's writing to its being heard */

static void
on_stamp(void *owner, const struct herd_line *line)
{
	struct world *w = owner;
	char text[32];
	uint64_t then, now = clock_wall_ms();

	w->lines++;
	assert_true(line->text.n < sizeof(text));
	memcpy(text, line->text.p, line->text.n);
	text[line->text.n] = '\0';
	then = strtoull(text, NULL, 10);
	if (now > then && now - then > worst_ms)
		worst_ms = now - then;
}

static void
start_flood(struct world *w, const struct seen *floods[FLOODS])
{
	char script[160];
	const char *const argv[] = { "sh", "-c", script, NULL };

	snprintf(script, sizeof(script),
	    "exec yes 'GET /image/process?width=300 200 83ms and so on, "
	    "as services like to say' | head -c %u",
	    scaled(FLOOD) / FLOODS);
	for (size_t i = 0; i < FLOODS; i++) {
		struct spawn_spec spec = spec_of(w, argv);

		spec.slot = "flood.0";
		spec.log = "flood";
		floods[i] = spawn_now(w, &spec);
	}
}

static bool
is_over(const struct seen *floods[FLOODS])
{
	for (size_t i = 0; i < FLOODS; i++)
		if (!floods[i]->exited)
			return false;
	return true;
}

static void
a_flood_delays_nobody_and_costs_no_memory(void **state)
{
	struct world *w = *state;
	static struct herd_ops stamped;
	char folder[128];
	const struct seen *floods[FLOODS];
	size_t before, after = 0;
	uint64_t worst_order = 0, began = clock_ms();
	unsigned orders = 0;
	struct err err;

	/* One herd more, whose lines are stamps; it replaces the first. */
	herd_free(w->herd);
	stamped = world_ops;
	stamped.line = on_stamp;
	worst_ms = 0;
	assert_int_equal(
	    herd_connect(&w->herd, w->loop, w->path, &stamped, w, &err), 0);
	UNTIL(w, w->ready == 2);
	snprintf(folder, sizeof(folder), "%s/log", w->dir);
	assert_int_equal(herd_set_logs(w->herd, folder, 1 << 20, 2, false), 0);
	start_script(w, "while :; do date +%s%3N; sleep 0.01; done");
	assert_int_equal(herd_follow(w->herd, "t.0", true), 0);
	UNTIL(w, w->lines > 10);
	before = rss_kib(w->keeper);

	start_flood(w, floods);
	w->lines = 0;
	worst_ms = 0;
	while (!is_over(floods)) {
		uint64_t at = clock_ms();

		assert_int_equal(
		    herd_forget(w->herd, run_script(w, "exit 5")->id), 0);
		at = clock_ms() - at;
		if (at > worst_order)
			worst_order = at;
		orders++;
		if (rss_kib(w->keeper) > after)
			after = rss_kib(w->keeper);
		assert_true(clock_ms() - began < 300000);
	}
	print_message("flood: %llu ms, rss %zu -> %zu KiB, worst line %llu ms, "
		      "worst of %u spawns %llu ms, cpu %.1f s\n",
	    (unsigned long long)(clock_ms() - began), before, after,
	    (unsigned long long)worst_ms, orders,
	    (unsigned long long)worst_order, cpu_seconds(w->keeper));
	assert_true(orders > 3 && w->lines > 3);
	assert_true(after < before + SLACK);
	assert_true(worst_ms < 500);
	assert_true(worst_order < 1000);
}

/* --- thousands of exits --------------------------------------------------- */

static unsigned gone, wrong;

static void
on_gone(void *owner, uint64_t id, const struct spawn_exit *e, struct span tail)
{
	struct world *w = owner;

	if (e->kind != EXIT_EXITED || e->code != 0 || tail.n < 200 ||
	    herd_forget(w->herd, id) < 0)
		wrong++;
	gone++;
}

static void
on_started(void *owner, uint64_t id, pid_t pid, unsigned missing)
{
	(void)owner;
	(void)id;
	(void)pid;
	(void)missing;
}

static void
thousands_of_exits_leave_nothing(void **state)
{
	char words[201];
	const char *const argv[] = { "/bin/echo", words, NULL };
	struct world *w = *state;
	static struct herd_ops counting;
	size_t warm = 0, after;
	char slot[16];
	unsigned started = 0, fds = open_fds(w->keeper);
	uint64_t began;
	const unsigned exits = scaled(EXITS);
	struct err err;

	herd_free(w->herd);
	counting = world_ops;
	counting.exited = on_gone;
	counting.spawned = on_started;
	gone = wrong = 0;
	memset(words, 'w', 200);
	words[200] = '\0';
	assert_int_equal(
	    herd_connect(&w->herd, w->loop, w->path, &counting, w, &err), 0);
	UNTIL(w, w->ready == 2);
	began = clock_ms();
	while (gone < exits) {
		for (; started < exits && started - gone < AT_ONCE; started++) {
			struct spawn_spec spec = spec_of(w, argv);

			snprintf(slot, sizeof(slot), "t.%u", started % 2);
			spec.slot = slot;
			assert_int_equal(herd_spawn(w->herd, &spec, NULL), 0);
		}
		event_base_loop(loop_base(w->loop), EVLOOP_ONCE);
		if (warm == 0 && gone >= 250)
			warm = anonymous_kib(w->keeper);
		assert_true(clock_ms() - began < 600000);
	}
	after = anonymous_kib(w->keeper);
	print_message(
	    "%u exits in %llu ms, anonymous %zu -> %zu KiB, cpu %.1f s\n",
	    exits, (unsigned long long)(clock_ms() - began), warm, after,
	    cpu_seconds(w->keeper));
	assert_int_equal(wrong, 0);
	UNTIL(w, open_fds(w->keeper) <= fds);
	assert_true(after <= warm + SLACK / 8);
	hang_up(w);
	connect_herd(w);
	assert_int_equal(w->nseen, 0);
	assert_int_equal(herd_last_id(w->herd), exits);
}

/* --- many ----------------------------------------------------------------- */

static void
two_hundred_children_are_small(void **state)
{
	static const char *const argv[] = { "sleep", "1000", NULL };
	struct world *w = *state;
	static char slots[200][16];
	uint64_t began;
	size_t empty = rss_kib(w->keeper), full;

	for (size_t i = 0; i < 200; i++) {
		struct spawn_spec spec = spec_of(w, argv);

		snprintf(slots[i], sizeof(slots[i]), "s%zu.0", i);
		spec.slot = spec.log = slots[i];
		assert_int_equal(herd_spawn(w->herd, &spec, NULL), 0);
	}
	UNTIL(w, see(w, w->id)->spawned);
	full = rss_kib(w->keeper);
	print_message(
	    "keeper: %zu KiB alone, %zu KiB with 200 children\n", empty, full);
	assert_int_equal(herd_last_id(w->herd), 200);
	assert_true(full - empty < 4 * SLACK);
	began = clock_ms();
	assert_int_equal(herd_shutdown(w->herd), 0);
	assert_int_equal(await_keeper(w), 0);
	assert_true(clock_ms() - began < 10000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_flood_delays_nobody_and_costs_no_memory),
		T(thousands_of_exits_leave_nothing),
		T(two_hundred_children_are_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
