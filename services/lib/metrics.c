/* SPDX-License-Identifier: ISC */

#include "lib/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static const unsigned bounds_ms[SVC_METRICS_BUCKETS] = { 5, 10, 25, 50, 100,
	250, 500, 1000, 2500, 5000, 10000 };

static size_t
code_index(struct svc_metrics *m, unsigned status)
{
	size_t i = 0;

	while (i < SVC_METRICS_CODES - 1 && m->code[i] != 0 &&
	    m->code[i] != status)
		i++;
	if (m->code[i] == 0)
		m->code[i] = status;
	return i;
}

static void
count_refusal(struct svc_metrics *m, const struct svc_problem *problem)
{
	size_t i = 0;

	while (i < SVC_METRICS_REFUSED - 1 && m->refused[i].problem != NULL &&
	    m->refused[i].problem != problem)
		i++;
	if (m->refused[i].problem == NULL)
		m->refused[i].problem = problem;
	m->refused[i].count++;
}

void
svc_metrics_count(struct svc_metrics *m, size_t route, unsigned status,
    const struct svc_problem *problem, uint64_t us)
{
	struct svc_metrics_route *r;
	size_t b = 0;

	if (route >= SVC_METRICS_ROUTES)
		route = SVC_METRICS_ROUTES - 1;
	r = &m->route[route];
	while (b < SVC_METRICS_BUCKETS && us > bounds_ms[b] * UINT64_C(1000))
		b++;
	r->count[code_index(m, status)]++;
	r->bucket[b]++;
	r->sum_us += us;
	if (problem != NULL)
		count_refusal(m, problem);
}

/* Appends until one fails; the first failure is what is left in r. */
struct out {
	struct buf *buf;
	const char *service;
	int r;
};

#define PUT(o, ...)                                                 \
	do {                                                        \
		if ((o)->r == 0)                                    \
			(o)->r = buf_printf((o)->buf, __VA_ARGS__); \
	} while (0)

static void
put_head(struct out *o, const char *name, const char *type, const char *help)
{
	PUT(o, "# HELP drover_tool_%s %s\n# TYPE drover_tool_%s %s\n", name,
	    help, name, type);
}

static void
put_one(struct out *o, const char *name, const char *type, const char *help,
    uint64_t v)
{
	put_head(o, name, type, help);
	PUT(o, "drover_tool_%s{service=\"%s\"} %" PRIu64 "\n", name, o->service,
	    v);
}

static void
put_counts(struct out *o, const struct svc_metrics *m)
{
	put_head(o, "requests_total", "counter", "Requests ended, by status.");
	for (size_t i = 0; i < SVC_METRICS_ROUTES; i++)
		for (size_t c = 0; c < SVC_METRICS_CODES; c++)
			if (m->route[i].count[c] > 0)
				PUT(o,
				    "drover_tool_requests_total{service=\"%s\","
				    "route=\"%s\",code=\"%u\"} %" PRIu64 "\n",
				    o->service, m->route[i].path, m->code[c],
				    m->route[i].count[c]);
	put_head(o, "refused_total", "counter", "Refusals, by their type.");
	for (size_t i = 0; i < SVC_METRICS_REFUSED; i++)
		if (m->refused[i].problem != NULL)
			PUT(o,
			    "drover_tool_refused_total{service=\"%s\","
			    "type=\"%s\"} %" PRIu64 "\n",
			    o->service, m->refused[i].problem->type,
			    m->refused[i].count);
}

static void
put_histogram(struct out *o, const struct svc_metrics_route *r)
{
	uint64_t sum = 0;

	for (size_t b = 0; b <= SVC_METRICS_BUCKETS; b++) {
		char le[16] = "+Inf";

		if (b < SVC_METRICS_BUCKETS)
			(void)snprintf(
			    le, sizeof(le), "%g", bounds_ms[b] / 1000.0);
		sum += r->bucket[b];
		PUT(o,
		    "drover_tool_request_seconds_bucket{service=\"%s\","
		    "route=\"%s\",le=\"%s\"} %" PRIu64 "\n",
		    o->service, r->path, le, sum);
	}
	PUT(o,
	    "drover_tool_request_seconds_sum{service=\"%s\",route=\"%s\"} "
	    "%.6f\n",
	    o->service, r->path, (double)r->sum_us / 1e6);
	PUT(o,
	    "drover_tool_request_seconds_count{service=\"%s\",route=\"%s\"} "
	    "%" PRIu64 "\n",
	    o->service, r->path, sum);
}

static uint64_t
resident_bytes(void)
{
	uint64_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%*u %" SCNu64, &pages) != 1)
		pages = 0;
	(void)fclose(f);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
put_process(struct out *o)
{
	struct rusage ru;

	PUT(o,
	    "# TYPE process_resident_memory_bytes gauge\n"
	    "process_resident_memory_bytes %" PRIu64 "\n",
	    resident_bytes());
	if (getrusage(RUSAGE_SELF, &ru) == 0)
		PUT(o,
		    "# TYPE process_cpu_seconds_total counter\n"
		    "process_cpu_seconds_total %.3f\n",
		    (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
			(double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) /
			    1e6);
}

static void
put_now(struct out *o, const struct svc_metrics *m,
    const struct svc_metrics_now *now)
{
	put_one(o, "cancelled_total", "counter",
	    "Requests whose caller hung up.", m->cancelled);
	put_one(o, "received_bytes_total", "counter",
	    "Bytes of request bodies.", m->bytes_in);
	put_one(o, "sent_bytes_total", "counter", "Bytes of answers' bodies.",
	    m->bytes_out);
	put_one(
	    o, "inflight", "gauge", "Requests being served.", now->inflight);
	put_one(o, "workers", "gauge", "Worker threads.", now->pool.threads);
	put_one(o, "workers_busy", "gauge", "Worker threads at work.",
	    now->pool.running);
	put_one(o, "workers_stuck", "gauge",
	    "Worker threads past their deadline.", now->pool.stuck);
	put_one(o, "queue", "gauge", "Requests that wait for a worker.",
	    now->pool.waiting);
	put_one(o, "queue_max", "gauge", "The ceiling of the queue.",
	    now->pool.queue);
	put_one(o, "body_bytes", "gauge", "Bytes of request bodies held.",
	    now->held);
	put_one(o, "body_bytes_max", "gauge", "The ceiling for that.",
	    now->held_max);
	if (now->spooled_max == 0)
		return;
	put_one(o, "spool_bytes", "gauge", "Bytes of request bodies on disk.",
	    now->spooled);
	put_one(o, "spool_bytes_max", "gauge", "The ceiling for that.",
	    now->spooled_max);
}

int
svc_metrics_write(struct buf *out, const struct svc_metrics *m,
    const struct svc_metrics_now *now, const char *service)
{
	struct out o = { out, service, 0 };

	put_counts(&o, m);
	put_head(&o, "request_seconds", "histogram",
	    "From the head of the request to the end of its answer.");
	for (size_t i = 0; i < SVC_METRICS_ROUTES; i++)
		if (m->route[i].path != NULL)
			put_histogram(&o, &m->route[i]);
	put_now(&o, m, now);
	put_process(&o);
	return o.r;
}
