/* SPDX-License-Identifier: ISC */

#include "admin/api.h"

#include "admin/call.h"
#include "admin/upgrade.h"

/* clang-format off */
static const struct api_value scale_body[] = {
	{ "replicas", API_INTEGER, false, 0, CONF_REPLICAS_MAX,
	    "how many instances are wanted, whatever the load" },
	{ "auto", API_BOOLEAN, false, 0, 0,
	    "true, instead of a number: what the configuration says again" },
	{ 0 },
};

static const struct api_value reload_body[] = {
	{ "canary", API_INTEGER, false, 1, CONF_REPLICAS_MAX,
	    "new copies at which the rollout of each service is held, until "
	    "it is promoted or undone" },
	{ "retry", API_BOOLEAN, false, 0, 0,
	    "also try versions again that were rolled back or undone" },
	{ 0 },
};

static const struct api_value upgrade_body[] = {
	{ "path", API_STRING, false, 0, 0,
	    "the program to become; when left out, the one that stands where "
	    "the daemon's came from" },
	{ 0 },
};

static const struct api_value logs_params[] = {
	{ "follow", API_BOOLEAN, false, 0, 0,
	    "go on with each new line until the client hangs up" },
	{ "since", API_SINCE, false, 0, 0,
	    "only lines after that: a duration back from now (10m) or "
	    "milliseconds since 1970" },
	{ "lines", API_INTEGER, false, 0, 10000,
	    "at most so many of the lines that are kept; 100 when left out" },
	{ "instance", API_STRING, false, 0, 0,
	    "of this instance alone" },
	{ 0 },
};

static const struct api_value events_params[] = {
	{ "follow", API_BOOLEAN, false, 0, 0,
	    "false ends the stream after the events that are kept" },
	{ 0 },
};

#define JSON "application/json"

const struct api_route api_routes[] = {
	ROUTE(GET, "/v1/status", READ, .handler = on_status,
	    .status = 200, .type = JSON,
	    .text = "The state of everything on this node.",
	    .answer = "node, keeper, registry, workers and services"),
	ROUTE(GET, "/v1/services", READ, .handler = on_services,
	    .status = 200, .type = JSON,
	    .text = "All services.",
	    .answer = "an array of services with their instances"),
	ROUTE(GET, "/v1/services/{s}", READ, .handler = on_service,
	    .status = 200, .type = JSON,
	    .text = "One service.",
	    .answer = "the service with its instances"),
	ROUTE(POST, "/v1/services/{s}/start", ADMIN, .change = true,
	    .handler = on_service_start, .status = 202, .type = JSON,
	    .text = "Want a stopped service up again.",
	    .answer = "the service as it is now"),
	ROUTE(POST, "/v1/services/{s}/stop", ADMIN, .change = true,
	    .handler = on_service_stop, .status = 202, .type = JSON,
	    .text = "Drain and stop a service until it is started again.",
	    .answer = "the service as it is now"),
	ROUTE(POST, "/v1/services/{s}/restart", ADMIN, .change = true,
	    .handler = on_service_restart, .status = 202, .type = JSON,
	    .text = "Replace the instances one at a time, without a gap.",
	    .answer = "the service as it is now"),
	ROUTE(POST, "/v1/services/{s}/scale", ADMIN, .change = true,
	    .body = scale_body,
	    .handler = on_service_scale, .status = 202, .type = JSON,
	    .text = "Change how many instances a service has, or leave that "
	    "to the configuration again.",
	    .answer = "the service as it is now"),
	ROUTE(POST, "/v1/services/{s}/rollout/promote", ADMIN, .change = true,
	    .handler = on_rollout_promote, .status = 202, .type = JSON,
	    .text = "Go on with a deploy that is watched or held, without "
	    "waiting any more.",
	    .answer = "the service as it is now"),
	ROUTE(POST, "/v1/services/{s}/rollout/undo", ADMIN, .change = true,
	    .handler = on_rollout_undo, .status = 202, .type = JSON,
	    .text = "Take a deploy back, also the last one that is done.",
	    .answer = "the service as it is now"),
	ROUTE(POST, "/v1/services/{s}/rollout/pause", ADMIN, .change = true,
	    .handler = on_rollout_pause, .status = 202, .type = JSON,
	    .text = "Replace no further instance until it is resumed.",
	    .answer = "the service as it is now"),
	ROUTE(POST, "/v1/services/{s}/rollout/resume", ADMIN, .change = true,
	    .handler = on_rollout_resume, .status = 202, .type = JSON,
	    .text = "Go on with a rollout that is paused.",
	    .answer = "the service as it is now"),
	ROUTE(GET, "/v1/services/{s}/logs", READ, .params = logs_params,
	    .handler = on_logs, .status = 200,
	    .type = "application/x-ndjson",
	    .text = "What the instances wrote, oldest first.",
	    .answer = "a line of JSON for each: at, instance, stream, line"),
	ROUTE(GET, "/v1/instances", READ, .handler = on_instances,
	    .status = 200, .type = JSON,
	    .text = "All instances of all services.",
	    .answer = "an array of instances"),
	ROUTE(GET, "/v1/instances/{i}", READ, .handler = on_instance,
	    .status = 200, .type = JSON,
	    .text = "One instance.",
	    .answer = "the instance"),
	ROUTE(POST, "/v1/instances/{i}/restart", ADMIN, .change = true,
	    .handler = on_instance_restart, .status = 202, .type = JSON,
	    .text = "Drain, stop and start one instance.",
	    .answer = "the instance as it is now"),
	ROUTE(POST, "/v1/instances/{i}/stop", ADMIN, .change = true,
	    .handler = on_instance_stop, .status = 202, .type = JSON,
	    .text = "Drain and stop one instance.",
	    .answer = "the instance as it is now"),
	ROUTE(POST, "/v1/instances/{i}/kill", ADMIN, .change = true,
	    .handler = on_instance_kill, .status = 202, .type = JSON,
	    .text = "Kill the process group of one instance at once.",
	    .answer = "the instance as it is now"),
	ROUTE(GET, "/v1/events", READ, .params = events_params,
	    .handler = on_events, .status = 200, .type = "text/event-stream",
	    .text = "What happens, as it happens; resumes at Last-Event-ID.",
	    .answer = "events: id, at, type, service, instance, from, to, "
	    "cause, ms"),
	ROUTE(GET, "/v1/requests/{id}", READ, .handler = on_explain,
	    .status = 200, .type = JSON,
	    .text = "What became of a request: by its id or its trace id, of "
	    "the last 16384 of each worker.",
	    .answer = "requests, the newest first: route, service, "
	    "candidates, tried, times"),
	ROUTE(GET, "/v1/config", READ, .handler = on_config,
	    .status = 200, .type = JSON,
	    .text = "The applied configuration, defaults included.",
	    .answer = "the configuration"),
	ROUTE(POST, "/v1/plan", READ, .handler = on_plan,
	    .status = 200, .type = JSON,
	    .text = "What a reload would change.",
	    .answer = "changes and held, arrays: what would change, and "
	    "versions that were taken back and are not tried again"),
	ROUTE(POST, "/v1/reload", ADMIN, .change = true, .handler = on_reload,
	    .body = reload_body, .status = 200, .type = JSON,
	    .text = "Apply the configuration files, all of them or nothing.",
	    .answer = "changes and held, arrays, and the new generation"),
	ROUTE(GET, "/v1/nodes", READ, .handler = on_nodes,
	    .status = 200, .type = JSON,
	    .text = "The nodes that the registry knows.",
	    .answer = "cluster, epoch, nodes and their services"),
	ROUTE(POST, "/v1/upgrade", ADMIN, .change = true,
	    .handler = on_upgrade, .body = upgrade_body,
	    .status = 202, .type = JSON,
	    .text = "Become another program, without losing a request: "
	    "control, the workers one by one, and the keeper.",
	    .answer = "that it has begun; upgrade in the status says how far "
	    "it is"),
	ROUTE(POST, "/v1/shutdown", ADMIN, .change = true,
	    .handler = on_shutdown, .status = 202, .type = JSON,
	    .text = "Drain and end the whole herd, drover included.",
	    .answer = "that it has begun"),
	ROUTE(GET, "/v1/version", READ, .handler = on_version,
	    .status = 200, .type = JSON,
	    .text = "The version of the daemon.",
	    .answer = "name, version and api"),
	ROUTE(GET, "/v1/openapi.json", READ, .handler = on_openapi,
	    .status = 200, .type = JSON,
	    .text = "This table as an OpenAPI 3.1 document.",
	    .answer = "the document"),
	ROUTE(GET, "/metrics", READ, .handler = on_metrics,
	    .status = 200, .type = "text/plain; version=0.0.4",
	    .text = "Counters and gauges for Prometheus.",
	    .answer = "the exposition format"),
	ROUTE(GET, "/healthz", READ, .handler = on_healthz,
	    .status = 200, .type = JSON,
	    .text = "Whether the control process answers.",
	    .answer = "status: ok"),
};
/* clang-format on */

const size_t api_nroutes = ARRAY_LEN(api_routes);
