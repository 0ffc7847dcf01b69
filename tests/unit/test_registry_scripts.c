/* SPDX-License-Identifier: ISC */

/*
 * The scripts themselves, under random orders of two nodes, against a model:
 * what stands there, and that the epoch moves exactly when it should.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rand.h"
#include "cluster/directory.h"
#include "cluster/scripts.h"
#include "redis_server.h"

#define IDS 6
#define OPS_MAX 4

struct node {
	const char *name, *incarnation;
	bool lease;
};

struct model {
	struct loop *loop;
	struct redis_server server;
	struct redis *redis;
	struct rng rng;
	struct node node[2];
	int holder[IDS]; /* -1: nothing there */
	char state[IDS]; /* 'a'..'c' */
	uint64_t epoch;
	/* The last answer. */
	bool answered;
	char error[64];
	uint64_t numbers[3]; /* epoch, changed, refused */
	struct directory directory;
	int read; /* what directory_read() said */
};

static void
on_up(void *owner)
{
	(void)owner;
}

static void
on_down(void *owner, const char *reason)
{
	(void)owner;
	(void)reason;
}

static const struct redis_ops ops = { on_up, on_down };

static bool
redis_up(void *arg)
{
	return redis_is_up(((struct model *)arg)->redis);
}

static int
setup(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct redis_url url;

	m->loop = loop_new(NULL);
	server_open(&m->server);
	server_start(&m->server, NULL);
	assert_int_equal(
	    redis_url_parse(&url, span_of(m->server.url), NULL), 0);
	m->redis = redis_new(m->loop, &url, NULL, &ops, m);
	redis_start(m->redis);
	assert_true(loop_until(m->loop, redis_up, m, 5000));
	m->node[0] = (struct node){ "a", "ia", false };
	m->node[1] = (struct node){ "b", "ib", false };
	for (int i = 0; i < IDS; i++)
		m->holder[i] = -1;
	directory_init(&m->directory);
	*state = m;
	return 0;
}

static int
teardown(void **state)
{
	struct model *m = *state;

	redis_free(m->redis);
	directory_done(&m->directory);
	loop_free(m->loop);
	server_done(&m->server);
	free(m);
	return 0;
}

static void
on_answer(void *arg, const struct redis_reply *reply, int error)
{
	struct model *m = arg;

	m->answered = true;
	m->error[0] = '\0';
	memset(m->numbers, 0, sizeof(m->numbers));
	assert_int_equal(error, 0);
	if (redis_reply_is(reply, REDIS_ERROR)) {
		snprintf(m->error, sizeof(m->error), "%.60s", reply->str.p);
		return;
	}
	if (redis_reply_is(redis_reply_at(reply, 1), REDIS_INTEGER))
		m->numbers[0] = (uint64_t)reply->item[1]->integer;
	if (redis_reply_is(redis_reply_at(reply, 2), REDIS_INTEGER)) {
		m->numbers[1] = (uint64_t)reply->item[2]->integer;
		m->numbers[2] = (reply->n - 3) / 2;
	}
}

static void
on_directory(void *arg, const struct redis_reply *reply, int error)
{
	struct model *m = arg;

	m->answered = true;
	assert_int_equal(error, 0);
	m->read = directory_read(&m->directory, reply, 0);
	assert_true(m->read >= 0);
}

static bool
has_answer(void *arg)
{
	return ((struct model *)arg)->answered;
}

static void
eval(struct model *m, const struct redis_script *script,
    const struct span *args, size_t n, redis_fn *fn)
{
	m->answered = false;
	assert_int_equal(
	    redis_script_eval(m->redis, script, args, n, 1, fn, m), 0);
	assert_true(loop_until(m->loop, has_answer, m, 2000));
}

#define KEY SPAN("{drover:t}:epoch")

static void
join(struct model *m, struct node *node)
{
	const struct span args[] = { KEY, span_of(node->name),
		span_of(node->incarnation), SPAN("addr"), SPAN("15000"),
		SPAN("b1") };

	eval(m, &script_join, args, ARRAY_LEN(args), on_answer);
	assert_string_equal(m->error, "");
	assert_int_equal(m->numbers[0], ++m->epoch);
	node->lease = true;
}

static void
lose_lease(struct model *m, struct node *node)
{
	char command[64];

	snprintf(
	    command, sizeof(command), "DEL {drover:t}:node:%s", node->name);
	server_ask(&m->server, command);
	node->lease = false;
}

struct order {
	bool set;
	unsigned id;
	char state;
	char id_text[8], service[8];
	char *value;
};

/* Is it to be done, and does it change anything? */
static bool
expect(struct model *m, int self, const struct order *o, bool *refused)
{
	int holder = m->holder[o->id];

	*refused = false;
	if (!o->set)
		return holder == self;
	if (holder == self && m->state[o->id] == o->state)
		return false;
	*refused = holder >= 0 && holder != self && m->node[holder].lease;
	return !*refused;
}

static void
draw(struct model *m, int self, struct order *o, bool set, unsigned id)
{
	o->set = set;
	o->id = id;
	o->state = (char)('a' + rng_below(&m->rng, 3));
	snprintf(o->id_text, sizeof(o->id_text), "i%u", id);
	snprintf(o->service, sizeof(o->service), "s%u", id % 2);
	o->value = directory_value(m->node[self].name,
	    m->node[self].incarnation, NULL, (char[]){ o->state, '\0' }, 1);
	assert_non_null(o->value);
}

static void
send_orders(struct model *m, int self, const struct order *o, size_t n)
{
	struct span args[3 + 4 * OPS_MAX] = { KEY, span_of(m->node[self].name),
		span_of(m->node[self].incarnation) };

	for (size_t i = 0; i < n; i++) {
		args[3 + 4 * i] = o[i].set ? SPAN("set") : SPAN("del");
		args[4 + 4 * i] = span_of(o[i].service);
		args[5 + 4 * i] = span_of(o[i].id_text);
		args[6 + 4 * i] = span_of(o[i].value);
	}
	eval(m, &script_mutate, args, 3 + 4 * n, on_answer);
}

/* One batch of a kind, of different ids; then the very same once more. */
static void
mutate(struct model *m, int self)
{
	struct order o[OPS_MAX];
	size_t n = 1 + rng_below(&m->rng, OPS_MAX);
	unsigned first = rng_below(&m->rng, IDS);
	bool set = rng_below(&m->rng, 3) > 0, no;
	uint64_t changed = 0, refused = 0;

	for (size_t i = 0; i < n; i++) {
		draw(m, self, &o[i], set, (first + (unsigned)i) % IDS);
		changed += expect(m, self, &o[i], &no);
		refused += no;
	}
	send_orders(m, self, o, n);
	if (!m->node[self].lease) {
		assert_int_equal(strncmp(m->error, "LEASE", 5), 0);
		goto out;
	}
	assert_string_equal(m->error, "");
	m->epoch += changed > 0;
	assert_int_equal(m->numbers[0], m->epoch);
	assert_int_equal(m->numbers[1], changed);
	assert_int_equal(m->numbers[2], refused);
	for (size_t i = 0; i < n; i++)
		if (expect(m, self, &o[i], &no)) {
			m->holder[o[i].id] = set ? self : -1;
			m->state[o[i].id] = o[i].state;
		}
	send_orders(m, self, o, n);
	assert_int_equal(m->numbers[0], m->epoch);
	assert_int_equal(m->numbers[1], 0);
	assert_int_equal(m->numbers[2], refused);
out:
	for (size_t i = 0; i < n; i++)
		free(o[i].value);
}

static void
leave(struct model *m, int self)
{
	const struct span args[] = { KEY, span_of(m->node[self].name),
		span_of(m->node[self].incarnation) };
	char command[64];
	bool known;

	snprintf(command, sizeof(command), "SISMEMBER {drover:t}:nodes %s",
	    m->node[self].name);
	known = strcmp(server_ask(&m->server, command), "1") == 0;
	for (int i = 0; i < IDS; i++)
		if (m->holder[i] == self) {
			m->holder[i] = -1;
			known = true;
		}
	eval(m, &script_leave, args, ARRAY_LEN(args), on_answer);
	m->epoch += known;
	m->node[self].lease = false;
}

static void
compare(struct model *m)
{
	const struct span args[] = { KEY, SPAN(""), SPAN("") };
	const struct directory *d = &m->directory;
	size_t held = 0;

	eval(m, &script_read, args, ARRAY_LEN(args), on_directory);
	assert_int_equal(d->epoch, m->epoch);
	for (int i = 0; i < IDS; i++)
		held += m->holder[i] >= 0;
	assert_int_equal(d->nentries, held);
	for (size_t i = 0; i < d->nentries; i++) {
		const struct directory_entry *e = &d->entries[i];
		int id = e->id[1] - '0';

		assert_string_equal(e->node, m->node[m->holder[id]].name);
		assert_int_equal(e->state[0], m->state[id]);
		assert_int_equal(e->service[1] - '0', id % 2);
		assert_true(
		    directory_live(d, e, 0) == m->node[m->holder[id]].lease);
	}
}

static void
epoch_and_entries_are_as_the_model_says(void **state)
{
	struct model *m = *state;

	rng_seed(&m->rng, 11);
	join(m, &m->node[0]);
	join(m, &m->node[1]);
	for (int i = 0; i < 400; i++) {
		int self = (int)rng_below(&m->rng, 2);

		switch (rng_below(&m->rng, 12)) {
		case 0:
			join(m, &m->node[self]);
			break;
		case 1:
			lose_lease(m, &m->node[self]);
			break;
		case 2:
			leave(m, self);
			break;
		default:
			mutate(m, self);
		}
		compare(m);
	}
	assert_true(m->epoch > 100);
	/* Empty services are not left in the list. */
	leave(m, 0);
	leave(m, 1);
	assert_string_equal(
	    server_ask(&m->server, "SMEMBERS {drover:t}:services"), "");
}

static void
a_reader_that_knows_gets_no_data(void **state)
{
	struct model *m = *state;
	const struct span known[] = { KEY, SPAN("b1"), SPAN("1") };
	const struct span other[] = { KEY, SPAN("b2"), SPAN("1") };
	const struct span older[] = { KEY, SPAN("b1"), SPAN("0") };

	join(m, &m->node[0]);
	eval(m, &script_read, known, 3, on_directory);
	assert_int_equal(m->read, 0); /* leases alone */
	assert_int_equal(m->directory.nnodes, 1);
	assert_string_equal(m->directory.birth, "b1");
	eval(m, &script_read, other, 3, on_directory);
	assert_int_equal(m->read, 1);
	eval(m, &script_read, older, 3, on_directory);
	assert_int_equal(m->read, 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(epoch_and_entries_are_as_the_model_says),
		T(a_reader_that_knows_gets_no_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
