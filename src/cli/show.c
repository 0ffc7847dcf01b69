/* SPDX-License-Identifier: ISC */

#include <config.h>

#include "cli/show.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/table.h"

#define SHORT 32 /* a number with its unit */
#define EXIT_TEXT 96

const char *
json_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s != NULL ? s : "";
}

json_int_t
json_number(const json_t *object, const char *key)
{
	return (json_int_t)json_number_value(json_object_get(object, key));
}

static bool
is_given(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return value != NULL && !json_is_null(value);
}

/* --- what it means -------------------------------------------------------- */

bool
service_healthy(const json_t *service)
{
	const char *state = json_text(service, "state");

	return strcmp(state, "ready") == 0 || strcmp(state, "stopped") == 0 ||
	    strcmp(state, "idle") == 0;
}

bool
status_healthy(const json_t *status)
{
	const json_t *registry = json_object_get(status, "registry");
	size_t i;
	json_t *service;

	json_array_foreach(json_object_get(status, "services"), i,
	    service) if (!service_healthy(service)) return false;
	return strcmp(json_text(registry, "state"), "down") != 0;
}

/* --- pieces --------------------------------------------------------------- */

static enum table_colour
state_colour(const char *state)
{
	static const struct {
		const char *state;
		enum table_colour colour;
	} colours[] = {
		{ "ready", GREEN },
		{ "up", GREEN },
		{ "starting", YELLOW },
		{ "degraded", YELLOW },
		{ "unready", YELLOW },
		{ "draining", YELLOW },
		{ "stopping", YELLOW },
		{ "suspect", YELLOW },
		{ "backoff", RED },
		{ "down", RED },
		{ "stopped", DIM },
		{ "idle", DIM },
		{ "off", DIM },
	};

	for (size_t i = 0; i < ARRAY_LEN(colours); i++)
		if (strcmp(colours[i].state, state) == 0)
			return colours[i].colour;
	return PLAIN;
}

static const char *
or_dash(const char *text)
{
	return text[0] != '\0' ? text : "-";
}

static void
add_state(struct table *t, const char *state)
{
	table_add(t, state_colour(state), "%s", or_dash(state));
}

static void
signal_name(char *buf, size_t size, const json_t *last_exit)
{
	const json_t *value = json_object_get(last_exit, "signal");
	int n = (int)json_integer_value(value);
	const char *name = n > 0 ? sigabbrev_np(n) : NULL;

	if (json_is_string(value))
		snprintf(buf, size, "%s", json_string_value(value));
	else if (name != NULL)
		snprintf(buf, size, "SIG%s", name);
	else
		snprintf(buf, size, "signal %d", n);
}

const char *
show_exit(char *buf, size_t size, const json_t *last_exit)
{
	const char *kind = json_text(last_exit, "kind");
	int code = (int)json_number(last_exit, "code");
	int signo = (int)json_number(last_exit, "signal");
	char name[SHORT];

	signal_name(name, sizeof(name), last_exit);
	if (kind[0] == '\0')
		buf[0] = '\0';
	else if (strcmp(kind, "exited") == 0)
		snprintf(buf, size, "exit %d", code);
	else if (strcmp(kind, "signalled") == 0 && signo > 0)
		snprintf(buf, size, "exit %d (%s)", 128 + signo, name);
	else if (strcmp(kind, "signalled") == 0)
		snprintf(buf, size, "killed (%s)", name);
	else if (strcmp(kind, "oom") == 0)
		snprintf(buf, size, "exit 137 (SIGKILL, out of memory)");
	else
		snprintf(buf, size, "exit unknown");
	return buf;
}

/* Whole units: 3.2 s is "3s". */
static const char *
seconds(char *buf, size_t size, double s)
{
	if (s < 1)
		return str_show_ms(buf, size, s > 0 ? (uint64_t)(s * 1000) : 0);
	if (s >= 60)
		return str_show_ms(buf, size, (uint64_t)s * 1000);
	snprintf(buf, size, "%ds", (int)s);
	return buf;
}

/* How many restarts, and when the next one comes: "6 (12s)". */
static void
add_restarts(struct table *t, json_int_t restarts, const json_t *next_try_s)
{
	char when[SHORT];

	if (json_is_number(next_try_s))
		table_add(t, PLAIN, "%lld (%s)", (long long)restarts,
		    seconds(when, sizeof(when), json_number_value(next_try_s)));
	else
		table_add(t, PLAIN, "%lld", (long long)restarts);
}

/* "-" where nothing was measured. */
static const char *
milliseconds(char *buf, size_t size, const json_t *value)
{
	double ms = json_number_value(value);

	if (ms >= 1)
		return str_show_ms(buf, size, (uint64_t)ms);
	snprintf(buf, size, "%s", ms > 0 ? "<1ms" : "-");
	return buf;
}

static void
add_bytes(struct table *t, json_int_t bytes)
{
	char text[SHORT];

	if (bytes <= 0)
		table_add(t, PLAIN, "-");
	else
		table_add(t, PLAIN, "%s",
		    str_show_bytes(text, sizeof(text), (uint64_t)bytes));
}

static void
add_uptime(struct table *t, json_int_t s)
{
	char text[SHORT];

	if (s < 0)
		table_add(t, PLAIN, "-");
	else
		table_add(t, PLAIN, "%s",
		    s == 0 ? "0s" : seconds(text, sizeof(text), (double)s));
}

static void
add_number(struct table *t, const json_t *value)
{
	if (json_is_number(value))
		table_add(t, PLAIN, "%.0f", json_number_value(value));
	else
		table_add(t, PLAIN, "-");
}

static json_int_t
uptime_of(const json_t *instance)
{
	if (!is_given(instance, "uptime_s") || !is_given(instance, "pid"))
		return -1;
	return json_number(instance, "uptime_s");
}

/* --- a service in one row ------------------------------------------------- */

struct summary {
	json_int_t memory;
	json_int_t uptime;	  /* of the oldest; -1: none runs */
	const json_t *next_try_s; /* the soonest */
	const json_t *last_exit;  /* the latest */
};

static struct summary
summary_of(const json_t *instances)
{
	struct summary s = { .uptime = -1 };
	size_t i;
	json_t *in;

	json_array_foreach(instances, i, in)
	{
		const json_t *next = json_object_get(in, "next_try_s");
		const json_t *end = json_object_get(in, "last_exit");

		s.memory += json_number(in, "mem_bytes");
		if (uptime_of(in) > s.uptime)
			s.uptime = uptime_of(in);
		if (json_is_number(next) &&
		    (s.next_try_s == NULL ||
			json_number_value(next) <
			    json_number_value(s.next_try_s)))
			s.next_try_s = next;
		if (json_is_object(end) &&
		    (s.last_exit == NULL ||
			strcmp(json_text(end, "at"),
			    json_text(s.last_exit, "at")) > 0))
			s.last_exit = end;
	}
	return s;
}

static void
add_note(struct table *t, const json_t *service, const struct summary *s)
{
	char text[EXIT_TEXT];

	if (service_healthy(service))
		table_add(t, PLAIN, "%s", json_text(service, "reason"));
	else if (s->last_exit != NULL)
		table_add(t, PLAIN, "%s",
		    show_exit(text, sizeof(text), s->last_exit));
	else
		table_add(t, PLAIN, "%s", json_text(service, "reason"));
}

static void
add_service(struct table *t, const json_t *service)
{
	char p99[SHORT];
	struct summary s = summary_of(json_object_get(service, "instances"));

	table_add(t, PLAIN, "%s", or_dash(json_text(service, "name")));
	table_add(t, PLAIN, "%lld/%lld",
	    (long long)json_number(service, "ready"),
	    (long long)json_number(service, "desired"));
	add_state(t, json_text(service, "state"));
	add_restarts(t, json_number(service, "restarts"), s.next_try_s);
	add_number(t, json_object_get(service, "rps"));
	table_add(t, PLAIN, "%s",
	    milliseconds(p99, sizeof(p99), json_object_get(service, "p99_ms")));
	add_number(t, json_object_get(service, "queue"));
	add_bytes(t, s.memory);
	add_uptime(t, s.uptime);
	add_note(t, service, &s);
}

static int
show_registry(const json_t *registry, struct buf *out)
{
	const char *reason = json_text(registry, "reason");

	const char *state = json_text(registry, "state");

	if (strcmp(state, "down") != 0 && reason[0] == '\0')
		return 0;
	return buf_printf(out, "\nregistry is %s%s%s\n", state,
	    reason[0] != '\0' ? ": " : "", reason);
}

static int
show_upgrade(const json_t *upgrade, struct buf *out)
{
	const char *failed = json_text(upgrade, "failed");
	const char *phase = json_text(upgrade, "phase");

	if (phase[0] != '\0' && strcmp(phase, "none") != 0)
		return buf_printf(out, "\nan upgrade is at the %s\n", phase);
	if (failed[0] == '\0')
		return 0;
	return buf_printf(out, "\nthe upgrade was given up: %s\n", failed);
}

int
show_status(const json_t *status, bool colour, struct buf *out)
{
	/* clang-format off */
	static const struct table_column columns[] = {
		{ "SERVICE", 8, 2 }, { "READY", 5, 2 }, { "STATE", 8, 2 },
		{ "RESTARTS", 8, 2 }, { "RPS", 3, 3 }, { "P99", 5, 2 },
		{ "QUEUE", 5, 2 }, { "MEM", 5, 2 }, { "UPTIME", 4, 2 },
		{ "", 0, 0 }, { NULL, 0, 0 },
	};
	/* clang-format on */
	const json_t *services = json_object_get(status, "services");
	struct table t;
	size_t i;
	json_t *service;
	int r;

	table_init(&t, columns, colour);
	json_array_foreach(services, i, service) add_service(&t, service);
	if (json_array_size(services) > 0)
		r = table_print(&t, out);
	else
		r = buf_puts(out, "no services are configured\n");
	table_done(&t);
	if (r == 0)
		r = show_registry(json_object_get(status, "registry"), out);
	if (r == 0)
		r = show_upgrade(json_object_get(status, "upgrade"), out);
	return r;
}

/* --- a service at length -------------------------------------------------- */

static int
show_unenforced(const json_t *service, struct buf *out)
{
	const json_t *list = json_object_get(service, "unenforced");
	size_t i;
	json_t *one;
	int r = 0;

	json_array_foreach(list, i, one)
	{
		const char *name = json_string_value(one);

		r = buf_printf(out, "%s%s", i == 0 ? "  unenforced  " : ", ",
		    name != NULL ? name : "?");
		if (r < 0)
			return r;
	}
	return json_array_size(list) > 0 ? buf_puts(out, "\n") : 0;
}

/* "scale  2 of 0 to 8: 14.2 in flight over 60 s, 5.6 a copy" */
static int
show_autoscale(const json_t *service, struct buf *out)
{
	const json_t *scale = json_object_get(service, "autoscale");
	const json_t *last = json_object_get(scale, "last");
	const char *held = json_text(scale, "held");
	const char *why = json_text(last, "why");

	if (!json_is_object(scale))
		return 0;
	if (json_is_true(json_object_get(scale, "pinned")))
		why = "by an operator";
	return buf_printf(out, "  scale       %lld of %lld to %lld%s%s%s%s\n",
	    (long long)json_number(service, "desired"),
	    (long long)json_number(scale, "min"),
	    (long long)json_number(scale, "max"), why[0] != '\0' ? ": " : "",
	    why, held[0] != '\0' ? "; " : "", held);
}

static int
show_head(const json_t *service, struct buf *out)
{
	const char *reason = json_text(service, "reason");
	char p99[SHORT];
	int r;

	milliseconds(p99, sizeof(p99), json_object_get(service, "p99_ms"));
	r = buf_printf(out, "%s: %s, %lld of %lld ready\n",
	    json_text(service, "name"), json_text(service, "state"),
	    (long long)json_number(service, "ready"),
	    (long long)json_number(service, "desired"));
	if (r == 0 && reason[0] != '\0')
		r = buf_printf(out, "  reason      %s\n", reason);
	if (r == 0)
		r = buf_printf(out,
		    "  requests    %.0f/s, p99 %s, %lld in flight, %lld "
		    "waiting\n",
		    json_number_value(json_object_get(service, "rps")), p99,
		    (long long)json_number(service, "inflight"),
		    (long long)json_number(service, "queue"));
	if (r == 0)
		r = show_autoscale(service, out);
	return r == 0 ? show_unenforced(service, out) : r;
}

static void
add_instance(struct table *t, const json_t *in)
{
	char text[EXIT_TEXT];
	const json_t *end = json_object_get(in, "last_exit");
	const char *at = json_text(end, "at");

	table_add(t, PLAIN, "%s%s", or_dash(json_text(in, "id")),
	    json_is_true(json_object_get(in, "new")) ? " new" : "");
	add_number(t, json_object_get(in, "pid"));
	add_state(t, json_text(in, "state"));
	add_restarts(
	    t, json_number(in, "restarts"), json_object_get(in, "next_try_s"));
	add_bytes(t, json_number(in, "mem_bytes"));
	add_number(t, json_object_get(in, "cpu_pct"));
	add_uptime(t, uptime_of(in));
	table_add(t, PLAIN, "%s", or_dash(json_text(in, "address")));
	show_exit(text, sizeof(text), end);
	table_add(t, PLAIN, "%s%s%s", text, at[0] != '\0' ? " at " : "", at);
}

static int
show_instances(const json_t *instances, bool colour, struct buf *out)
{
	/* clang-format off */
	static const struct table_column columns[] = {
		{ "INSTANCE", 8, 2 }, { "PID", 5, 2 }, { "STATE", 8, 2 },
		{ "RESTARTS", 8, 2 }, { "MEM", 5, 2 }, { "CPU%", 4, 2 },
		{ "UPTIME", 6, 2 }, { "ADDRESS", 7, 2 }, { "LAST EXIT", 0, 0 },
		{ NULL, 0, 0 },
	};
	/* clang-format on */
	struct table t;
	size_t i;
	json_t *in;
	int r;

	table_init(&t, columns, colour);
	json_array_foreach(instances, i, in) add_instance(&t, in);
	r = json_array_size(instances) > 0 ? buf_puts(out, "\n") : 0;
	if (r == 0 && json_array_size(instances) > 0)
		r = table_print(&t, out);
	table_done(&t);
	return r;
}

int
show_service(
    const json_t *service, const json_t *lines, bool colour, struct buf *out)
{
	size_t i;
	json_t *line;
	int r = show_head(service, out);

	if (r == 0)
		r = show_instances(
		    json_object_get(service, "instances"), colour, out);
	if (r == 0 && json_array_size(lines) > 0)
		r = buf_puts(out, "\n");
	json_array_foreach(lines, i, line) if (r == 0)
	    r = show_line(line, true, out);
	return r;
}
