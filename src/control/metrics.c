/* SPDX-License-Identifier: ISC */

/* metrics - counters and gauges in Prometheus' text format 0.0.4 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "control/access.h"
#include "control/certificates.h"
#include "control/control.h"
#include "control/enroll.h"
#include "control/replica.h"
#include "control/sample.h"
#include "control/scaling.h"
#include "control/service.h"

/* --- services ------------------------------------------------------------- */

struct service_metric {
	const char *name, *type, *help;
	double (*value)(
	    const struct service *s, const struct scoreboard_service_view *v);
};

static double
desired(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)v;
	return service_desired(s);
}

static double
ready(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)v;
	return service_ready(s);
}

static double
queued(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)s;
	return (double)v->queued;
}

static double
inflight(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)s;
	return (double)v->inflight;
}

static double
requests(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)s;
	return (double)v->requests;
}

static double
retries(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)s;
	return (double)v->retries;
}

static double
resends(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)s;
	return (double)v->resends;
}

static double
bytes_in(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)s;
	return (double)v->bytes_in;
}

static double
bytes_out(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)s;
	return (double)v->bytes_out;
}

static double
upgrades(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)s;
	return (double)v->upgrades;
}

static double
ejections(const struct service *s, const struct scoreboard_service_view *v)
{
	(void)s;
	return (double)v->ejections;
}

/* clang-format off */
static const struct service_metric service_metrics[] = {
	{ "service_replicas_desired", "gauge", "Replicas wanted.", desired },
	{ "service_replicas_ready", "gauge", "Replicas in rotation.", ready },
	{ "service_queued", "gauge", "Requests waiting for an endpoint.", queued },
	{ "service_inflight", "gauge", "Requests with an endpoint.", inflight },
	{ "service_requests_total", "counter", "Requests routed.", requests },
	{ "service_retries_total", "counter", "Retries within the budget.", retries },
	{ "service_resends_total", "counter", "Requests sent again outside the budget.", resends },
	{ "service_request_bytes_total", "counter", "Bytes of request bodies.", bytes_in },
	{ "service_response_bytes_total", "counter", "Bytes of response bodies.", bytes_out },
	{ "service_upgrades_total", "counter", "Requests that became WebSockets.", upgrades },
	{ "service_ejections_total", "counter", "Copies left alone after errors, by workers.", ejections },
};
/* clang-format on */

static int
head(struct buf *out, const char *name, const char *type, const char *help)
{
	return buf_printf(out, "# HELP drover_%s %s\n# TYPE drover_%s %s\n",
	    name, help, name, type);
}

static int
put_service_metric(
    struct control *c, struct buf *out, const struct service_metric *m)
{
	int r = head(out, m->name, m->type, m->help);

	LIST_EACH (s, &c->services, struct service, link) {
		struct scoreboard_service_view v;

		if (s->redis || r < 0)
			continue;
		scoreboard_service_view(c->workers.board, s->cell, &v);
		r = buf_printf(out, "drover_%s{service=\"%s\"} %.0f\n", m->name,
		    s->spec->name, m->value(s, &v));
	}
	return r;
}

static int
put_responses(struct control *c, struct buf *out)
{
	int r = head(out, "service_responses_total", "counter",
	    "Responses by class; 0 is cut off.");

	LIST_EACH (s, &c->services, struct service, link) {
		struct scoreboard_service_view v;

		scoreboard_service_view(c->workers.board, s->cell, &v);
		for (unsigned i = 0; i < 6 && r == 0 && !s->redis; i++)
			r = buf_printf(out,
			    "drover_service_responses_total{service=\"%s\","
			    "class=\"%u\"} %" PRIu64 "\n",
			    s->spec->name, i, v.responses[i]);
	}
	return r;
}

static int
put_faults(struct control *c, struct buf *out)
{
	int r = head(out, "service_faults_total", "counter",
	    "Errors that drover answered, by Drover-Error.");

	LIST_EACH (s, &c->services, struct service, link) {
		struct scoreboard_service_view v;

		scoreboard_service_view(c->workers.board, s->cell, &v);
		for (unsigned i = 1; i < FAULT_COUNT && r == 0; i++)
			if (v.faults[i] > 0)
				r = buf_printf(out,
				    "drover_service_faults_total{service=\"%s"
				    "\",fault=\"%s\"} %" PRIu64 "\n",
				    s->spec->name, scoreboard_fault_name(i),
				    v.faults[i]);
	}
	return r;
}

/* name{label="value",...: exact counts, and an exact sum. */
static int
put_bars(struct buf *out, const char *name, const char *labels,
    const struct scoreboard_bars_view *v)
{
	uint64_t below = 0;
	int r = 0;

	for (unsigned i = 0; i < HISTOGRAM_BARS - 1 && r == 0; i++) {
		below += v->count[i];
		r = buf_printf(out,
		    "drover_%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name,
		    labels, histogram_bounds[i] / 1e6, below);
	}
	below += v->count[HISTOGRAM_BARS - 1];
	if (r == 0)
		r = buf_printf(out,
		    "drover_%s_bucket{%s,le=\"+Inf\"} %" PRIu64
		    "\ndrover_%s_sum{%s} %" PRIu64 ".%06" PRIu64
		    "\ndrover_%s_count{%s} %" PRIu64 "\n",
		    name, labels, below, name, labels, v->sum_us / 1000000,
		    v->sum_us % 1000000, name, labels, below);
	return r;
}

static int
put_service_bars(struct control *c, struct buf *out, const char *name,
    const char *help, bool waited)
{
	int r = head(out, name, "histogram", help);

	LIST_EACH (s, &c->services, struct service, link) {
		struct scoreboard_service_view v;
		char labels[CONF_NAME_MAX + 16];

		if (s->redis || r < 0)
			continue;
		scoreboard_service_view(c->workers.board, s->cell, &v);
		snprintf(
		    labels, sizeof(labels), "service=\"%s\"", s->spec->name);
		r = put_bars(out, name, labels,
		    waited ? &v.waited_bars : &v.latency_bars);
	}
	return r;
}

static int
put_endpoint_bars(struct control *c, struct buf *out)
{
	int r = head(out, "endpoint_latency_seconds", "histogram",
	    "From the choice of the instance to the end of its answer.");

	LIST_EACH (s, &c->services, struct service, link)
		LIST_EACH (i, &s->replicas, struct replica, link) {
			struct scoreboard_bars_view v;
			char labels[CONF_NAME_MAX + REPLICA_ID_MAX + 32];

			if (r < 0 || i->cell < 0 || s->redis)
				continue;
			scoreboard_endpoint_bars(
			    c->workers.board, (unsigned)i->cell, &v);
			snprintf(labels, sizeof(labels),
			    "service=\"%s\",instance=\"%s\"", s->spec->name,
			    i->id);
			r = put_bars(
			    out, "endpoint_latency_seconds", labels, &v);
		}
	return r;
}

static int
put_latencies(struct control *c, struct buf *out)
{
	int r = put_service_bars(c, out, "service_latency_seconds",
	    "Whole exchanges, as the client sees them.", false);

	if (r == 0)
		r = put_service_bars(c, out, "service_queue_wait_seconds",
		    "Waits in the queue, of those requests that waited.", true);
	return r == 0 ? put_endpoint_bars(c, out) : r;
}

/* --- instances, workers, ourselves ---------------------------------------- */

static int
put_instances(struct control *c, struct buf *out)
{
	int r = head(
	    out, "instance_up", "gauge", "1 when the instance is in rotation.");

	LIST_EACH (s, &c->services, struct service, link)
		LIST_EACH (i, &s->replicas, struct replica, link)
			if (r == 0)
				r = buf_printf(out,
				    "drover_instance_up{instance=\"%s\"} %d\n",
				    i->id, replica_ready(i));
	if (r == 0)
		r = head(out, "instance_restarts_total", "counter",
		    "Restarts after a crash.");
	LIST_EACH (s, &c->services, struct service, link)
		LIST_EACH (i, &s->replicas, struct replica, link)
			if (r == 0)
				r = buf_printf(out,
				    "drover_instance_restarts_total{instance="
				    "\"%s\"} %u\n",
				    i->id, i->restarts);
	return r;
}

/* Of instances that have, or had, a place in the scoreboard. */
static int
put_cells(struct control *c, struct buf *out, const char *name,
    double (*value)(const struct scoreboard_endpoint_view *v))
{
	int r = 0;

	LIST_EACH (s, &c->services, struct service, link)
		LIST_EACH (i, &s->replicas, struct replica, link) {
			struct scoreboard_endpoint_view v;

			if (i->cell < 0 || r < 0)
				continue;
			scoreboard_endpoint_view(
			    c->workers.board, (unsigned)i->cell, &v);
			r = buf_printf(out, "drover_%s{instance=\"%s\"} %.0f\n",
			    name, i->id, value(&v));
		}
	return r;
}

static double
tunnels(const struct scoreboard_endpoint_view *v)
{
	return (double)v->tunnels;
}

static double
ejected(const struct scoreboard_endpoint_view *v)
{
	return v->out_until_s > clock_ms() / 1000;
}

static int
put_endpoints(struct control *c, struct buf *out)
{
	int r = head(
	    out, "instance_websockets", "gauge", "WebSockets that are open.");

	if (r == 0)
		r = put_cells(c, out, "instance_websockets", tunnels);
	if (r == 0)
		r = head(out, "instance_ejected", "gauge",
		    "1 while a worker leaves it alone after errors.");
	return r == 0 ? put_cells(c, out, "instance_ejected", ejected) : r;
}

static int
put_memory(struct control *c, struct buf *out)
{
	int r = head(out, "instance_memory_bytes", "gauge",
	    "Resident memory of the instance's processes.");

	LIST_EACH (s, &c->services, struct service, link)
		LIST_EACH (i, &s->replicas, struct replica, link)
			if (r == 0)
				r = buf_printf(out,
				    "drover_instance_memory_bytes{instance="
				    "\"%s\"} %" PRIu64 "\n",
				    i->id, i->usage.mem_bytes);
	return r;
}

static int
put_workers(struct control *c, struct buf *out)
{
	uint64_t connections = 0, accepted = 0, rejected = 0, bad = 0;
	uint64_t no_route = 0;

	for (unsigned i = 0; i < c->workers.n; i++) {
		struct scoreboard_worker_view v;

		if (!scoreboard_worker_view(c->workers.board, i, &v))
			continue;
		connections += v.connections;
		accepted += v.accepted;
		rejected += v.rejected;
		bad += v.bad_requests;
		no_route += v.no_route;
	}
	return buf_printf(out,
	    "# TYPE drover_connections gauge\ndrover_connections %" PRIu64
	    "\n# TYPE drover_accepted_total counter\n"
	    "drover_accepted_total %" PRIu64
	    "\n# TYPE drover_rejected_total counter\n"
	    "drover_rejected_total %" PRIu64
	    "\n# TYPE drover_bad_requests_total counter\n"
	    "drover_bad_requests_total %" PRIu64
	    "\n# TYPE drover_no_route_total counter\n"
	    "drover_no_route_total %" PRIu64 "\n",
	    connections, accepted, rejected, bad, no_route);
}

static int
put_http2(struct control *c, struct buf *out)
{
	static const char *const causes[HTTP2_N_COUNT] = {
		[HTTP2_N_PROTOCOL] = "protocol",
		[HTTP2_N_RESETS] = "resets",
		[HTTP2_N_HEADS] = "heads",
		[HTTP2_N_CONTROLS] = "controls",
		[HTTP2_N_STALLS] = "stalled",
		[HTTP2_N_MALFORMED] = "malformed",
	};
	uint64_t streams = 0, n[HTTP2_N_COUNT] = { 0 };
	int r;

	for (unsigned i = 0; i < c->workers.n; i++) {
		struct scoreboard_worker_view v;

		if (!scoreboard_worker_view(c->workers.board, i, &v))
			continue;
		streams += v.http2_streams;
		for (unsigned k = 0; k < HTTP2_N_COUNT; k++)
			n[k] += v.http2[k];
	}
	r = buf_printf(out,
	    "# TYPE drover_http2_connections_total counter\n"
	    "drover_http2_connections_total %" PRIu64
	    "\n# TYPE drover_http2_streams_total counter\n"
	    "drover_http2_streams_total %" PRIu64 "\n",
	    n[HTTP2_N_CONNECTIONS], streams);
	if (r == 0)
		r = head(out, "http2_refused_total", "counter",
		    "Connections, or streams, ended for what a client did.");
	for (unsigned i = 0; i < HTTP2_N_COUNT && r == 0; i++)
		if (causes[i] != NULL)
			r = buf_printf(out,
			    "drover_http2_refused_total{cause=\"%s\"} %" PRIu64
			    "\n",
			    causes[i], n[i]);
	return r;
}

/* What the workers have met of their ceilings, and what they hold. */
static int
put_limits(struct control *c, struct buf *out)
{
	uint64_t met[LIMIT_COUNT] = { 0 }, memory = 0, upstreams = 0;
	int r;

	for (unsigned i = 0; i < c->workers.n; i++) {
		struct scoreboard_worker_view v;

		if (!scoreboard_worker_view(c->workers.board, i, &v))
			continue;
		memory += v.memory;
		upstreams += v.upstreams;
		for (unsigned k = 0; k < LIMIT_COUNT; k++)
			met[k] += v.limits[k];
	}
	r = buf_printf(out,
	    "# HELP drover_memory_bytes What connections and their buffers "
	    "hold.\n# TYPE drover_memory_bytes gauge\n"
	    "drover_memory_bytes %" PRIu64
	    "\n# TYPE drover_upstream_connections gauge\n"
	    "drover_upstream_connections %" PRIu64 "\n",
	    memory, upstreams);
	if (r == 0)
		r = head(out, "limit_hits_total", "counter",
		    "How often each limit of drover.yaml was met.");
	for (unsigned k = 0; k < LIMIT_COUNT && r == 0; k++)
		r = buf_printf(out,
		    "drover_limit_hits_total{limit=\"%s\"} %" PRIu64 "\n",
		    scoreboard_limit_name(k), met[k]);
	return r;
}

/* Credentials on their way into routes that ask for some. */
static int
put_auth(struct control *c, struct buf *out)
{
	struct scoreboard_worker_view v;
	uint64_t cached = 0, checked = 0, refused = 0, shed = 0;
	uint64_t unanswered = 0, verdicts = 0;
	int r = head(out, "auth_total", "counter",
	    "Credentials, by what became of them: cached and checked were "
	    "looked at, refused got a 401 or 403, shed found no time, about "
	    "unanswered the service that was asked said nothing in time.");

	for (unsigned i = 0; i < c->workers.n; i++) {
		if (!scoreboard_worker_view(c->workers.board, i, &v))
			continue;
		cached += v.auth_cached;
		checked += v.auth_checked;
		refused += v.auth_refused;
		shed += v.auth_shed;
		unanswered += v.auth_unanswered;
		verdicts += v.auth_verdicts;
	}
	if (r == 0)
		r = buf_printf(out,
		    "drover_auth_total{what=\"cached\"} %" PRIu64
		    "\ndrover_auth_total{what=\"checked\"} %" PRIu64
		    "\ndrover_auth_total{what=\"refused\"} %" PRIu64
		    "\ndrover_auth_total{what=\"shed\"} %" PRIu64
		    "\ndrover_auth_total{what=\"unanswered\"} %" PRIu64
		    "\n# HELP drover_auth_verdicts Credentials that are "
		    "remembered.\n# TYPE drover_auth_verdicts gauge\n"
		    "drover_auth_verdicts %" PRIu64 "\n",
		    cached, checked, refused, shed, unanswered, verdicts);
	return r;
}

static int
put_rate_limits(struct control *c, struct buf *out)
{
	uint64_t lost = 0;
	int r = head(out, "rate_limit_buckets_lost_total", "counter",
	    "Clients whose rate limit began anew, for want of room.");

	for (unsigned i = 0; i < c->workers.n; i++) {
		struct scoreboard_worker_view v;

		if (scoreboard_worker_view(c->workers.board, i, &v))
			lost += v.buckets_lost;
	}
	return r == 0
	    ? buf_printf(out,
		  "drover_rate_limit_buckets_lost_total %" PRIu64 "\n", lost)
	    : r;
}

static int
put_self(struct control *c, struct buf *out)
{
	return buf_printf(out,
	    "# HELP drover_registry_up 1 when Redis holds what runs here.\n"
	    "# TYPE drover_registry_up gauge\ndrover_registry_up %d\n"
	    "# TYPE drover_generation gauge\ndrover_generation %" PRIu64
	    "\n# TYPE drover_events_total counter\n"
	    "drover_events_total %" PRIu64 "\n",
	    c->enroll.state == REGISTRY_UP, c->publish.generation,
	    c->events.next - c->events.first);
}

int
control_metrics(struct control *c, struct buf *out)
{
	static int (*const groups[])(struct control *, struct buf *) = {
		put_responses,
		put_faults,
		put_latencies,
		scaling_metrics,
		put_instances,
		put_memory,
		put_endpoints,
		put_workers,
		put_limits,
		put_http2,
		put_rate_limits,
		access_metrics,
		put_auth,
		certificates_metrics,
		put_self,
	};
	int r = 0;

	sample_processes(c);
	for (size_t i = 0; i < ARRAY_LEN(service_metrics) && r == 0; i++)
		r = put_service_metric(c, out, &service_metrics[i]);
	for (size_t i = 0; i < ARRAY_LEN(groups) && r == 0; i++)
		r = groups[i](c, out);
	return r;
}
