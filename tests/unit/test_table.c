/* SPDX-License-Identifier: ISC */

/* A snapshot comes into force with work in proportion to what is in it. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/array.h"
#include "proxy/endpoint.h"
#include "proxy/service.h"
#include "proxy/table.h"
#include "proxy_world.h"

#define MOST SNAPSHOT_ENDPOINTS_MAX

/* --- endpoints ------------------------------------------------------------ */

static unsigned compared, retired, renewed;

bool __real_endpoint_is(
    const struct endpoint *ep, const struct snapshot_endpoint *conf);
bool __wrap_endpoint_is(
    const struct endpoint *ep, const struct snapshot_endpoint *conf);
void __real_endpoint_retire(struct endpoint *ep);
void __wrap_endpoint_retire(struct endpoint *ep);
void __real_endpoint_renew(
    struct endpoint *ep, const struct snapshot_endpoint *conf);
void __wrap_endpoint_renew(
    struct endpoint *ep, const struct snapshot_endpoint *conf);

bool
__wrap_endpoint_is(
    const struct endpoint *ep, const struct snapshot_endpoint *conf)
{
	compared++;
	return __real_endpoint_is(ep, conf);
}

void
__wrap_endpoint_retire(struct endpoint *ep)
{
	retired++;
	__real_endpoint_retire(ep);
}

void
__wrap_endpoint_renew(struct endpoint *ep, const struct snapshot_endpoint *conf)
{
	renewed++;
	__real_endpoint_renew(ep, conf);
}

static char names[MOST][16], addresses[MOST][32];
static struct snapshot_endpoint endpoints[MOST];

/* In this order: whoever stands at i is number[i]. */
static void
publish(struct world *t, const uint32_t *number, uint32_t n)
{
	struct snapshot_service service = { .name = "web",
		.queue_timeout_ms = 1000,
		.endpoints = endpoints,
		.nendpoints = n };
	const struct snapshot s = { .services = &service, .nservices = 1 };

	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = number[i];

		snprintf(names[k], sizeof(names[k]), "web.%u", k);
		snprintf(addresses[k], sizeof(addresses[k]), "unix:/r/%u", k);
		endpoints[i] = (struct snapshot_endpoint){ .name = names[k],
			.address = addresses[k],
			.cell = k,
			.weight = 100 };
	}
	compared = retired = renewed = 0;
	assert_int_equal(world_publish(t, &s), 0);
	assert_int_equal(renewed, n);
	assert_true(compared <= n);
}

static uint32_t
serials(const struct world *t, uint64_t *serial)
{
	const struct service *s = t->w->table->services[0];

	for (uint32_t i = 0; i < s->nendpoints; i++) {
		assert_false(s->endpoints[i]->gone);
		serial[s->endpoints[i]->cell] = s->endpoints[i]->serial;
	}
	return s->nendpoints;
}

/* Each that was there before is the same, whose pool goes on. */
static void
assert_kept(const struct world *t, const uint64_t *before)
{
	static uint64_t now[MOST];
	uint32_t n = serials(t, now);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t cell = t->w->table->services[0]->endpoints[i]->cell;

		if (before[cell] != 0)
			assert_int_equal(now[cell], before[cell]);
	}
}

static void
as_many_endpoints_as_there_may_be_are_each_looked_at_once(void **state)
{
	static uint32_t number[MOST];
	static uint64_t before[MOST];
	struct world *t = *state;

	for (uint32_t i = 0; i < MOST; i++)
		number[i] = i;
	publish(t, number, MOST);
	serials(t, before);
	/* The same again. */
	publish(t, number, MOST);
	assert_int_equal(compared, MOST);
	assert_int_equal(retired, 0);
	assert_kept(t, before);
	/* In the opposite order. */
	for (uint32_t i = 0; i < MOST; i++)
		number[i] = MOST - 1 - i;
	publish(t, number, MOST);
	assert_int_equal(retired, 0);
	assert_kept(t, before);
	/* Without the first: nobody is where it was. */
	publish(t, number + 1, MOST - 1);
	assert_int_equal(retired, 1);
	assert_kept(t, before);
	/* Half of them go. */
	publish(t, number + 1, MOST / 2);
	assert_int_equal(retired, MOST - 1 - MOST / 2);
	assert_kept(t, before);
}

static void
a_cell_with_another_address_is_another_endpoint(void **state)
{
	static uint64_t before[MOST], now[MOST];
	const uint32_t number[] = { 0, 1, 2 };
	struct world *t = *state;
	struct snapshot_service service = {
		.name = "web", .endpoints = endpoints, .nendpoints = 3
	};
	const struct snapshot s = { .services = &service, .nservices = 1 };

	publish(t, number, 3);
	serials(t, before);
	endpoints[1].address = "unix:/elsewhere";
	retired = 0;
	assert_int_equal(world_publish(t, &s), 0);
	serials(t, now);
	assert_int_equal(retired, 1);
	assert_int_equal(now[0], before[0]);
	assert_int_not_equal(now[1], before[1]);
	assert_int_equal(now[2], before[2]);
}

/* Two services that exchange their endpoints' cells are not mixed up. */
static void
a_cell_of_another_service_is_not_taken_for_ones_own(void **state)
{
	const struct snapshot_endpoint pair[] = {
		{ .name = "a.0", .address = "unix:/a", .cell = 7, .weight = 1 },
		{ .name = "b.0", .address = "unix:/b", .cell = 9, .weight = 1 },
	};
	struct snapshot_service services[] = {
		{ .name = "a", .endpoints = &pair[0], .nendpoints = 1 },
		{ .name = "b",
		    .cell = 1,
		    .endpoints = &pair[1],
		    .nendpoints = 1 },
	};
	const struct snapshot s = { .services = services, .nservices = 2 };
	struct world *t = *state;
	struct service **now;

	assert_int_equal(world_publish(t, &s), 0);
	services[0].endpoints = &pair[1];
	services[1].endpoints = &pair[0];
	retired = 0;
	assert_int_equal(world_publish(t, &s), 0);
	now = t->w->table->services;
	assert_int_equal(retired, 2);
	assert_string_equal(now[0]->endpoints[0]->name, "b.0");
	assert_string_equal(now[1]->endpoints[0]->name, "a.0");
}

static void
without_memory_everything_is_as_before(void **state)
{
	static uint64_t before[MOST];
	const uint32_t number[] = { 0, 1, 2 };
	struct world *t = *state;
	struct snapshot_service service = {
		.name = "web", .endpoints = endpoints, .nendpoints = 2
	};
	const struct snapshot s = { .services = &service, .nservices = 1 };

	publish(t, number, 3);
	serials(t, before);
	ALLOC_FAIL_EACH({
		int r = world_publish(t, &s);

		assert_int_equal(r, alloc_failed() ? -ENOMEM : 0);
		assert_int_equal(
		    t->w->table->services[0]->nendpoints, r < 0 ? 3 : 2);
		assert_kept(t, before);
	});
}

/* --- durations ------------------------------------------------------------ */

static unsigned
held_kinds(const struct deadlines *ds)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DEADLINE_LISTS; i++)
		n += ds->kinds[i].refs > 0;
	return n;
}

static void
a_thousand_reloads_with_new_durations_each_have_their_own(void **state)
{
	struct world *t = *state;
	struct worker *w = t->w;

	for (uint32_t i = 1; i <= 1000; i++) {
		const struct snapshot_auth auth = {
			.flags = SNAPSHOT_AUTH_FORWARD,
			.path = "/",
			.timeout_ms = 90000 + i,
		};
		const struct snapshot_service service = {
			.name = "web",
			.queue_timeout_ms = 10000 + i,
			.start_wait_ms = 20000 + i,
			.request_timeout_ms = 30000 + i,
			.idle_timeout_ms = 40000 + i,
			.websocket_idle_ms = 50000 + i,
		};
		const struct snapshot_route route = { .path = "/",
			.auth = &auth };
		const struct snapshot s = {
			.limits = { .idle_timeout = 60000 + i,
			    .pool_timeout = 70000 + i,
			    .auth_timeout = 80000 + i },
			.services = &service,
			.nservices = 1,
			.routes = &route,
			.nroutes = 1,
		};
		const struct service *now;

		assert_int_equal(world_publish(t, &s), 0);
		now = w->table->services[0];
		assert_int_equal(now->queue_kind->ms, 10000 + i);
		assert_int_equal(now->start_kind->ms, 20000 + i);
		assert_int_equal(now->request_kind->ms, 30000 + i);
		assert_int_equal(now->idle_kind->ms, 40000 + i);
		assert_int_equal(now->pump_kind->ms, 50000 + i);
		assert_int_equal(w->idle_kind->ms, 60000 + i);
		assert_int_equal(w->pool_kind->ms, 70000 + i);
		assert_int_equal(w->auth_kind->ms, 80000 + i);
		/* The eight, auth's, and five of limits that stay. */
		assert_int_equal(held_kinds(&w->deadlines), 14);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    as_many_endpoints_as_there_may_be_are_each_looked_at_once,
		    world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    a_cell_with_another_address_is_another_endpoint,
		    world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    a_cell_of_another_service_is_not_taken_for_ones_own,
		    world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    without_memory_everything_is_as_before, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    a_thousand_reloads_with_new_durations_each_have_their_own,
		    world_setup, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
