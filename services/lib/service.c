/* SPDX-License-Identifier: ISC */

#include "config.h"

#include "lib/service.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "lib/describe.h"
#include "lib/frame.h"
#include "lib/listen.h"
#include "lib/log.h"
#include "proc/notify.h"

#define OPENAPI_MAX ((size_t)1 << 18)
#define HELP_MAX ((size_t)1 << 14)
#define EXIT_USAGE 2

static const struct {
	const char *path;
	void (*handler)(struct request *req, void *arg);
} pages[] = {
	{ "/", svc_on_page },
	{ "/healthz", svc_on_health },
	{ "/metrics", svc_on_metrics },
	{ "/openapi.json", svc_on_openapi },
	{ "/readyz", svc_on_ready },
};

struct boot {
	struct svc_frame frame;
	struct server_route *routes;
	size_t nroutes;
	struct loop_signal term, interrupt;
	struct svc_socket socket;
};

bool
svc_spools(const struct svc_service *service)
{
	for (size_t i = 0; i < service->nroutes; i++)
		if (service->routes[i].spool)
			return true;
	return false;
}

static uint64_t
cpus(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n > 0 ? (uint64_t)n : 1;
}

/* --- the command line ----------------------------------------------------- */

static int
print_help(const struct svc_service *service, const struct svc_option *lib)
{
	struct buf out;
	int r;

	buf_init(&out, HELP_MAX);
	r = buf_printf(&out,
	    "usage: drover-%s [--option value]...\n\n%s\n\n"
	    "It listens on the path in DROVER_SOCKET, on 127.0.0.1:$PORT, or "
	    "on descriptor 3\n(LISTEN_FDS=1), and ends what it has begun at "
	    "SIGTERM.\n\n",
	    service->name, service->text);
	if (r == 0)
		r = svc_options_help(&out, lib);
	if (r == 0 && service->options != NULL)
		r = svc_options_help(&out, service->options);
	(void)fputs(buf_str(&out), stdout);
	buf_done(&out);
	return r == 0 ? 0 : 1;
}

/* -1: run; otherwise what to exit with. */
static int
read_command_line(const struct svc_service *service, struct svc_settings *set,
    int argc, char *argv[])
{
	/* clang-format off */
	const struct svc_option lib[] = {
		{ "workers", SVC_COUNT, 1, 256, &set->workers,
		  "worker threads" },
		{ "queue", SVC_COUNT, 0, 65536, &set->queue,
		  "requests that may wait for a worker" },
		{ "deadline", SVC_DURATION, 100, 3600000, &set->deadline_ms,
		  "time for one request, its wait included" },
		{ "body", SVC_SIZE, 1, (uint64_t)4 << 30, &set->body,
		  "bytes of one request body" },
		{ "memory", SVC_SIZE, 1, (uint64_t)1 << 40, &set->memory,
		  "bytes of all request bodies held" },
		{ "connections", SVC_COUNT, 1, 65536, &set->connections,
		  "connections open at once" },
		{ "upload", SVC_DURATION, 100, 3600000, &set->upload_ms,
		  "time for reading one request body" },
		{ svc_spools(service) ? "spool" : NULL, SVC_SIZE, 1,
		  (uint64_t)1 << 46, &set->spool,
		  "bytes of all request bodies on disk" },
		{ NULL, SVC_COUNT, 0, 0, NULL, NULL },
	};
	/* clang-format on */
	enum svc_option_act act;
	struct err err;

	if (svc_options_parse(lib, service->options, argc, argv, &act, &err) <
	    0) {
		(void)fprintf(
		    stderr, "drover-%s: %s\n", service->name, err.text);
		return EXIT_USAGE;
	}
	if (act == SVC_OPTION_HELP)
		return print_help(service, lib);
	if (act == SVC_OPTION_VERSION) {
		(void)printf("drover-%s %s\n", service->name, PACKAGE_VERSION);
		return 0;
	}
	return -1;
}

/* --- building ------------------------------------------------------------- */

static void
name_rows(struct svc_metrics *m, const struct svc_service *service)
{
	for (size_t i = 0; i < service->nroutes; i++)
		m->route[i].path = service->routes[i].path;
	m->route[svc_pages_row(service)].path = "(pages)";
	m->route[svc_nowhere_row(service)].path = "(nowhere)";
}

/* The service's routes in their order, then the pages. */
static int
make_routes(struct boot *b)
{
	const struct svc_service *service = b->frame.service;
	size_t n = service->nroutes;

	assert(n + 2 <= SVC_METRICS_ROUTES);
	b->routes = calloc(n + ARRAY_LEN(pages), sizeof(*b->routes));
	if (b->routes == NULL)
		return -ENOMEM;
	b->nroutes = n + ARRAY_LEN(pages);
	for (size_t i = 0; i < n; i++)
		b->routes[i] = (struct server_route){
			.method = service->routes[i].method,
			.path = service->routes[i].path,
			.handler = svc_on_call,
			.word = (unsigned)i,
			.extra = &service->routes[i],
		};
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		b->routes[n + i] = (struct server_route){
			.method = "GET",
			.path = pages[i].path,
			.handler = pages[i].handler,
			.word = (unsigned)svc_pages_row(service),
			.max_body = 1, /* none is asked for */
		};
	name_rows(&b->frame.metrics, service);
	return 0;
}

static int
make_server(struct boot *b, struct err *err)
{
	struct svc_frame *f = &b->frame;
	struct server_options options = {
		.arg = f,
		.before = svc_before,
		.after = svc_after,
		.max_body = f->set.body,
		.max_connections = f->set.connections,
		.body_ms = (uint32_t)f->set.upload_ms,
	};
	int fd;

	if (make_routes(b) < 0)
		return err_set(err, -ENOMEM, "no memory for the routes");
	options.routes = b->routes;
	options.nroutes = b->nroutes;
	f->server = server_new(f->loop, &options, err);
	if (f->server == NULL)
		return -EINVAL;
	fd = svc_listen(&b->socket, err);
	if (fd < 0)
		return fd;
	return server_listen(f->server, fd, err);
}

static void
on_drained(void *arg)
{
	struct boot *b = arg;

	loop_stop(b->frame.loop);
}

static void
on_stop_signal(void *arg)
{
	struct boot *b = arg;

	if (b->frame.draining)
		return;
	b->frame.draining = true;
	svc_socket_remove(&b->socket);
	svc_log_event(b->frame.service->name, LOG_INFO_,
	    "draining inflight=%zu", server_inflight(b->frame.server));
	server_drain(b->frame.server, on_drained, b);
}

static int
watch_signals(struct boot *b, struct err *err)
{
	struct loop *loop = b->frame.loop;
	int r = loop_signal_init(&b->term, loop, SIGTERM, on_stop_signal, b);

	if (r == 0)
		r = loop_signal_init(
		    &b->interrupt, loop, SIGINT, on_stop_signal, b);
	return r == 0 ? 0 : err_errno(err, r, "cannot watch signals");
}

static int
boot(struct boot *b, const char *argv0, struct err *err)
{
	struct svc_frame *f = &b->frame;
	int r = 0;

	if (svc_spools(f->service) ? f->set.spool < f->set.body
				   : f->set.memory < f->set.body)
		return err_set(err, -EINVAL, "--%s holds less than one --body",
		    svc_spools(f->service) ? "spool" : "memory");
	if (f->service->init != NULL)
		r = f->service->init(argv0, err);
	if (r < 0)
		return r;
	if (svc_describe_openapi(&f->openapi, f->service) < 0)
		return err_set(err, -ENOMEM, "no memory for openapi.json");
	f->loop = loop_new(err);
	if (f->loop == NULL)
		return -ENOMEM;
	f->pool = svc_pool_new(f->loop, f->set.workers, f->set.queue, err);
	if (f->pool == NULL)
		return -ENOMEM;
	r = watch_signals(b, err);
	return r < 0 ? r : make_server(b, err);
}

static void
unboot(struct boot *b)
{
	struct svc_frame *f = &b->frame;

	svc_socket_remove(&b->socket);
	server_free(f->server);
	svc_pool_free(f->pool);
	loop_signal_done(&b->term);
	loop_signal_done(&b->interrupt);
	loop_free(f->loop);
	buf_done(&f->openapi);
	free(b->routes);
}

/* --- running -------------------------------------------------------------- */

/* Few arenas and an early return of what was large: threads come and go. */
static void
tame_malloc(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
#endif
}

static int
serve(struct boot *b)
{
	struct svc_frame *f = &b->frame;
	const char *name = f->service->name;
	int r;

	svc_log_event(name, LOG_INFO_, "ready version=%s workers=%zu queue=%zu",
	    PACKAGE_VERSION, (size_t)f->set.workers, (size_t)f->set.queue);
	(void)notify_send("READY=1");
	r = loop_run(f->loop);
	svc_log_event(name, LOG_INFO_, "stopped");
	/* Work that nobody waits for is not worth waiting for. */
	if (svc_pool_stat(f->pool, 0).running > 0)
		_exit(r == 0 ? 0 : 1);
	return r == 0 ? 0 : 1;
}

static struct svc_settings
default_settings(const struct svc_defaults *d)
{
	return (struct svc_settings){
		.workers = cpus(),
		.queue = 64,
		.deadline_ms = d->deadline_ms > 0 ? d->deadline_ms : 10000,
		.body = d->body > 0 ? d->body : (uint64_t)64 << 20,
		.memory = (uint64_t)256 << 20,
		.spool = (uint64_t)16 << 30,
		.connections = 256,
		.upload_ms = d->upload_ms > 0 ? d->upload_ms : 30000,
	};
}

int
svc_main(const struct svc_service *service, int argc, char *argv[])
{
	struct boot b = { .frame = { .service = service,
			      .set = default_settings(&service->defaults) } };
	struct err err = { "" };
	int code = read_command_line(service, &b.frame.set, argc, argv);

	if (code >= 0)
		return code;
	buf_init(&b.frame.openapi, OPENAPI_MAX);
	tame_malloc();
	(void)signal(SIGPIPE, SIG_IGN);
	if (boot(&b, argv[0], &err) == 0) {
		code = serve(&b);
	} else {
		svc_log_event(service->name, LOG_ERROR_, "%s", err.text);
		code = 1;
	}
	unboot(&b);
	return code;
}
