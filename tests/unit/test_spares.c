/* SPDX-License-Identifier: ISC */

/* Exchanges that are kept for reuse: so many, so large, and all counted. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc.h"
#include "base/array.h"
#include "config.h"
#include "proxy/exchange.h"
#include "proxy_world.h"

#define MANY (EXCHANGE_SPARES + 500)

#ifdef WITH_SANITIZERS /* then none is kept: exchange_memory.c */
static const size_t kept = 0;
#else
static const size_t kept = EXCHANGE_SPARES;
#endif

static struct exchange *all[MANY];

static void
make(struct worker *w, size_t head)
{
	char *text = calloc(1, head + 100);

	assert_non_null(text);
	for (size_t i = 0; i < MANY; i++) {
		all[i] = exchange_new(w);
		assert_non_null(all[i]);
		assert_int_equal(all[i]->req.len + all[i]->texts.len, 0);
		assert_int_equal(buf_append(&all[i]->req, text, head), 0);
		assert_int_equal(buf_append(&all[i]->texts, text, 100), 0);
	}
	free(text);
}

static void
give_back(void)
{
	for (size_t i = 0; i < MANY; i++)
		exchange_free(all[i]);
}

/* What one spare exchange may hold, whatever it had. */
#define ONE (sizeof(struct exchange) + EXCHANGE_KEEP + RECORD_TEXT_MAX)

static void
there_are_so_many_and_no_more(void **state)
{
	struct worker *w = ((struct world *)*state)->w;
	size_t before = w->memory.held, peak;

	w->memory.max = SIZE_MAX;
	make(w, 1000);
	peak = w->memory.held;
	assert_true(peak - before >= MANY * (sizeof(struct exchange) + 1100));
	give_back();
	assert_int_equal(w->nspare, kept);
	assert_true(w->memory.held - before <= kept * ONE);
	assert_true(w->memory.held - before >= kept * sizeof(struct exchange));
	/* The next ones are those, and cost nothing. */
	make(w, 1000);
	assert_int_equal(w->nspare, 0);
	assert_int_equal(w->memory.held, peak);
	give_back();
	exchange_free_spares(w);
	assert_int_equal(w->nspare, 0);
	assert_int_equal(w->memory.held, before);
}

static void
what_a_large_head_took_is_not_kept(void **state)
{
	struct worker *w = ((struct world *)*state)->w;
	size_t before = w->memory.held;

	w->memory.max = SIZE_MAX;
	make(w, 3 * EXCHANGE_KEEP);
	assert_true(w->memory.held - before > MANY * 3 * EXCHANGE_KEEP);
	give_back();
	assert_int_equal(w->nspare, kept);
	assert_true(w->memory.held - before <= kept * (ONE - EXCHANGE_KEEP));
}

static void
none_is_kept_when_memory_runs_short(void **state)
{
	struct worker *w = ((struct world *)*state)->w;
	size_t before = w->memory.held;

	make(w, 10);
	w->relief.step = PRESSURE_IDLE;
	give_back();
	assert_int_equal(w->nspare, 0);
	assert_int_equal(w->memory.held, before);
	w->relief.step = PRESSURE_NONE;
	make(w, 10);
	give_back();
	assert_int_equal(w->nspare, kept);
	relief_limit(&w->relief, w->memory.held);
	assert_int_equal(w->nspare, 0);
	assert_int_equal(w->memory.held, before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    there_are_so_many_and_no_more, world_setup, world_teardown),
		cmocka_unit_test_setup_teardown(
		    what_a_large_head_took_is_not_kept, world_setup,
		    world_teardown),
		cmocka_unit_test_setup_teardown(
		    none_is_kept_when_memory_runs_short, world_setup,
		    world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
