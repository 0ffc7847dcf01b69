/* SPDX-License-Identifier: ISC */

/* What is shown of scaling: status, reasons and metrics. */

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "control/fields.h"
#include "control/scaling.h"
#include "control/service.h"

/* --- status --------------------------------------------------------------- */

static json_t *
last_json(const struct scaling *g)
{
	char at[CLOCK_TEXT];

	if (g->last.at_wall == 0)
		return json_null();
	return json_pack("{ss si si ss}", "at", clock_text(at, g->last.at_wall),
	    "from", (int)g->last.from, "to", (int)g->last.to, "why",
	    g->last.why);
}

static void
put_settings(json_t *o, const struct service *s)
{
	struct autoscale_policy p;

	scaling_policy(s->spec, &p);
	put(o, "min", json_integer(p.min));
	put(o, "max", json_integer(p.max));
	put(o, "target", json_real(seconds(p.target_milli)));
	put(o, "window_s", json_real(seconds(p.window_ms)));
	put(o, "panic_window_s", json_real(seconds(p.panic_ms)));
	put(o, "grace_s", json_real(seconds(p.grace_ms)));
	put(o, "queue_wait_s", json_real(seconds(p.wait_ms)));
	put(o, "surge", json_integer(p.surge));
	put(o, "wake_timeout_s",
	    json_real(seconds(s->spec->autoscale.wake_timeout_ms)));
}

json_t *
scaling_json(const struct service *s)
{
	const struct scaling *g = s->scaling;
	char held[AUTOSCALE_TEXT];
	json_t *o;

	if (s->spec->replicas_min == s->spec->replicas_max)
		return json_null();
	o = json_object();
	put_settings(o, s);
	put(o, "pinned", json_boolean(s->scaled));
	if (g == NULL)
		return o;
	put(o, "load", json_real(seconds(g->model.stable_milli)));
	put(o, "panic_load", json_real(seconds(g->model.panic_milli)));
	put(o, "panic", json_boolean(g->model.panic));
	put(o, "wanted", json_integer(g->model.wish));
	put(o, "held",
	    json_string(autoscale_held(&g->model, &g->policy, held)));
	put(o, "wakes", json_integer((json_int_t)g->wakes));
	put(o, "last", last_json(g));
	return o;
}

void
scaling_reason(const struct service *s, char *why, size_t size)
{
	const struct scaling *g = s->scaling;
	char held[AUTOSCALE_TEXT];

	why[0] = '\0';
	if (scaling_sleeps(s))
		snprintf(why, size, "at zero: the next request starts it");
	else if (s->scaled && s->spec->replicas_min < s->spec->replicas_max)
		snprintf(why, size, "scaled to %u by an operator", s->desired);
	else if (g != NULL && g->model.bound == AUTOSCALE_AT_MEMORY)
		snprintf(why, size, "%s",
		    autoscale_held(&g->model, &g->policy, held));
}

/* --- metrics -------------------------------------------------------------- */

struct metric {
	const char *name, *type, *help;
	double (*value)(const struct scaling *g);
};

static double
min(const struct scaling *g)
{
	return g->policy.min;
}

static double
max(const struct scaling *g)
{
	return g->policy.max;
}

static double
load(const struct scaling *g)
{
	return seconds(g->model.stable_milli);
}

static double
target(const struct scaling *g)
{
	return seconds(g->policy.target_milli);
}

static double
panic(const struct scaling *g)
{
	return g->model.panic;
}

static double
wakes(const struct scaling *g)
{
	return (double)g->wakes;
}

static double
ups(const struct scaling *g)
{
	return (double)g->ups;
}

static double
downs(const struct scaling *g)
{
	return (double)g->downs;
}

static double
held(const struct scaling *g)
{
	return (double)g->held;
}

/* clang-format off */
static const struct metric metrics[] = {
	{ "min", "gauge", "Replicas at least.", min },
	{ "max", "gauge", "Replicas at most.", max },
	{ "load", "gauge", "Requests in flight and waiting, mean over the window.", load },
	{ "target", "gauge", "Of these, what one replica is meant for.", target },
	{ "panic", "gauge", "1 while the panic window counts.", panic },
	{ "wakes_total", "counter", "Starts from zero.", wakes },
	{ "ups_total", "counter", "Decisions for more replicas.", ups },
	{ "downs_total", "counter", "Decisions for fewer.", downs },
	{ "held_total", "counter", "Looks at which surge or memory held it back.", held },
};
/* clang-format on */

static int
put_metric(struct control *c, struct buf *out, const struct metric *m)
{
	int r = buf_printf(out,
	    "# HELP drover_autoscale_%s %s\n# TYPE drover_autoscale_%s %s\n",
	    m->name, m->help, m->name, m->type);

	LIST_EACH (s, &c->services, struct service, link)
		if (s->scaling != NULL && r == 0)
			r = buf_printf(out,
			    "drover_autoscale_%s{service=\"%s\"} %g\n", m->name,
			    s->spec->name, m->value(s->scaling));
	return r;
}

int
scaling_metrics(struct control *c, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(metrics) && r == 0; i++)
		r = put_metric(c, out, &metrics[i]);
	return r;
}
