/* SPDX-License-Identifier: ISC */

#define LOG_SUBSYSTEM "registry"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/rand.h"
#include "cluster/registry_impl.h"
#include "cluster/scripts.h"

#define BATCH 64       /* entries that one script writes */
#define RETRY_MS 1000  /* after a refusal */
#define AUDIT_POLLS 15 /* reads without data before one with */

static void join(struct registry *reg);
static void read_all(struct registry *reg);
static void flush(struct registry *reg);

/* Something did not go as it should; it is tried again in a second. */
static void
refuse(struct registry *reg, const char *what, const struct redis_reply *reply,
    int error)
{
	char text[REGISTRY_REASON_MAX];

	snprintf(text, sizeof(text), "%s: %s", what,
	    error < 0 ? strerror(-error)
		: redis_reply_is(reply, REDIS_ERROR)
		? reply->str.p
		: "an answer of another shape");
	reg->stats.refused++;
	registry_set_state(
	    reg, reg->phase == LIVE ? reg->state : REGISTRY_DOWN, text);
	loop_timer_arm(&reg->retry, RETRY_MS);
}

/* --- the lease ------------------------------------------------------------
 */

static bool
is_birth(const struct redis_reply *reply)
{
	const struct redis_reply *birth = redis_reply_at(reply, 0);

	return redis_reply_is(birth, REDIS_STRING) && birth->str.n > 0;
}

static void
on_joined(void *arg, const struct redis_reply *reply, int error)
{
	struct registry *reg = arg;

	if (reg->phase != JOINING || !reg->link)
		return;
	if (error < 0 || !is_birth(reply)) {
		refuse(reg, "cannot join", reply, error);
		return;
	}
	reg->phase = FIRST;
	reg->stats.mutations++;
	loop_timer_arm(&reg->renew, REGISTRY_RENEW_MS);
	directory_done(&reg->directory);
	read_all(reg);
}

static void
join(struct registry *reg)
{
	char lease[12], birth[33];
	struct span args[] = { span_of(reg->epoch_key), span_of(reg->node),
		span_of(reg->incarnation), span_of(reg->address), { 0 },
		{ 0 } };
	int r;

	reg->phase = JOINING;
	loop_timer_disarm(&reg->poll);
	loop_timer_disarm(&reg->renew);
	snprintf(lease, sizeof(lease), "%d", REGISTRY_LEASE_MS);
	rand_hex(birth, 16);
	args[4] = span_of(lease);
	args[5] = span_of(birth);
	r = redis_script_eval(
	    reg->redis, &script_join, args, ARRAY_LEN(args), 1, on_joined, reg);
	if (r < 0)
		refuse(reg, "cannot join", NULL, r);
}

/* Everything that was known is in doubt: register all of it again. */
static void
rejoin(struct registry *reg, const char *why)
{
	registry_set_state(reg, REGISTRY_DOWN, why);
	join(reg);
}

static void
on_renewed(void *arg, const struct redis_reply *reply, int error)
{
	struct registry *reg = arg;

	if (error < 0 || (reg->phase != LIVE && reg->phase != FIRST))
		return;
	if (redis_reply_is(reply, REDIS_INTEGER) && reply->integer == 0)
		rejoin(reg, "the lease was lost");
}

static void
on_renew(void *arg)
{
	struct registry *reg = arg;
	char lease[12];
	struct span argv[] = { SPAN("PEXPIRE"), span_of(reg->lease_key),
		{ 0 } };
	int r;

	snprintf(lease, sizeof(lease), "%d", REGISTRY_LEASE_MS);
	argv[2] = span_of(lease);
	r = redis_command(reg->redis, argv, ARRAY_LEN(argv), on_renewed, reg);
	loop_timer_arm(&reg->renew, r < 0 ? RETRY_MS : REGISTRY_RENEW_MS);
}

/* --- writing --------------------------------------------------------------
 */

static void
settle(struct registry *reg)
{
	if (reg->phase != LIVE || reg->mutating ||
	    wishes_pending(&reg->wishes) > 0)
		return;
	registry_set_state(reg, REGISTRY_UP, reg->held);
}

/* A live node has entries of the same names: nobody's fault but a person's. */
static void
note_held(struct registry *reg, const struct redis_reply *reply)
{
	const struct redis_reply *id = redis_reply_at(reply, 3);
	const struct redis_reply *node = redis_reply_at(reply, 4);

	if (redis_reply_is(id, REDIS_STRING) &&
	    redis_reply_is(node, REDIS_STRING))
		snprintf(reg->held, sizeof(reg->held),
		    "%.95s is not registered: node %.63s holds that name",
		    id->str.p, node->str.p);
}

static void
on_mutated(void *arg, const struct redis_reply *reply, int error)
{
	struct registry *reg = arg;
	bool ok = error == 0 && is_birth(reply);

	reg->mutating = false;
	if (!ok)
		wishes_batch_failed(&reg->wishes);
	else {
		wishes_batch_done(&reg->wishes);
		reg->stats.mutations++;
		note_held(reg, reply);
	}
	if (error < 0 || reg->phase != LIVE)
		return;
	if (redis_reply_fails(reply, "LEASE"))
		rejoin(reg, "the lease was lost");
	else if (!ok)
		refuse(reg, "changes wait", reply, 0);
	else
		flush(reg);
}

static size_t
add_wish(struct span *args, const struct wish *wish)
{
	args[0] = wish->removed ? SPAN("del") : SPAN("set");
	args[1] = span_of(wish->service);
	args[2] = span_of(wish->field);
	args[3] = wish->removed ? SPAN("") : span_of(wish->value);
	return 4;
}

static void
flush(struct registry *reg)
{
	struct span args[3 + 4 * BATCH];
	size_t n = 3;
	int r;

	if (reg->phase != LIVE || reg->mutating ||
	    loop_timer_armed(&reg->retry))
		return;
	if (wishes_take_batch(&reg->wishes, BATCH) == 0) {
		settle(reg);
		return;
	}
	args[0] = span_of(reg->epoch_key);
	args[1] = span_of(reg->node);
	args[2] = span_of(reg->incarnation);
	LIST_EACH (wish, &reg->wishes.list[WISH_SENT], struct wish, link)
		n += add_wish(&args[n], wish);
	r = redis_script_eval(
	    reg->redis, &script_mutate, args, n, 1, on_mutated, reg);
	reg->mutating = r == 0;
	if (r < 0) {
		wishes_batch_failed(&reg->wishes);
		refuse(reg, "changes wait", NULL, r);
	}
}

static void
on_flush(void *arg)
{
	flush(arg);
}

/* --- reading --------------------------------------------------------------
 */

static void
audit(struct registry *reg)
{
	const struct directory *d = &reg->directory;
	int r = 0;

	wishes_audit_begin(&reg->wishes);
	for (size_t i = 0; i < d->nentries && r == 0; i++) {
		const struct directory_entry *e = &d->entries[i];

		if (strcmp(e->node, reg->node) == 0)
			r = wishes_audit_found(&reg->wishes,
			    span_of(e->service), span_of(e->id), e->value);
	}
	wishes_audit_end(&reg->wishes);
	reg->polls = 0;
	reg->held[0] = '\0';
	if (reg->phase == FIRST)
		reg->stats.resyncs++;
}

/*
 * Is the lease in the directory ours? Otherwise what to do about it has been
 * begun.
 */
static bool
holds_lease(struct registry *reg)
{
	const struct directory_node *node = directory_node(
	    &reg->directory, reg->node);
	bool live = node != NULL && node->incarnation != NULL &&
	    node->lease_ms > 0;

	if (live && reg->phase != FOREIGN &&
	    strcmp(node->incarnation, reg->incarnation) == 0)
		return true;
	if (!live || strcmp(node->incarnation, reg->incarnation) == 0) {
		rejoin(reg, "the lease was lost");
		return false;
	}
	reg->phase = FOREIGN;
	registry_set_state(reg, REGISTRY_DOWN,
	    "another drover is registered under this node's name");
	loop_timer_disarm(&reg->renew);
	loop_timer_arm(&reg->poll, REGISTRY_POLL_MS);
	return false;
}

static void
on_directory(struct registry *reg, int r, uint64_t epoch_before)
{
	if (r == -ENOENT) {
		rejoin(reg, "Redis was emptied");
		return;
	}
	if (r < 0) {
		refuse(reg, "cannot read", NULL, r);
		return;
	}
	if (!holds_lease(reg))
		return;
	if (reg->phase == LIVE && reg->directory.epoch < epoch_before) {
		rejoin(reg, "Redis went back to older data");
		return;
	}
	if (r > 0)
		audit(reg);
	reg->phase = LIVE;
	loop_timer_arm(&reg->poll, REGISTRY_POLL_MS);
	flush(reg);
}

static void
on_read(void *arg, const struct redis_reply *reply, int error)
{
	struct registry *reg = arg;
	char birth[DIRECTORY_BIRTH_MAX + 1];
	uint64_t epoch = reg->directory.epoch;
	int r;

	reg->reading = false;
	if (error < 0 || reg->phase == JOINING || reg->phase == LEAVING)
		return;
	if (redis_reply_is(reply, REDIS_ERROR)) {
		refuse(reg, "cannot read", reply, 0);
		return;
	}
	snprintf(birth, sizeof(birth), "%s", reg->directory.birth);
	r = directory_read(&reg->directory, reply, loop_now(reg->loop));
	if (r >= 0 && birth[0] != '\0' &&
	    strcmp(birth, reg->directory.birth) != 0)
		rejoin(reg, "Redis holds another set of data");
	else
		on_directory(reg, r, epoch);
}

static void
read_all(struct registry *reg)
{
	char epoch[24] = "";
	struct span args[] = { span_of(reg->epoch_key),
		span_of(reg->directory.birth), { 0 } };
	int r;

	if (reg->reading)
		return;
	/* Now and then with data that did not change: hands slip. */
	if (reg->polls++ < AUDIT_POLLS)
		snprintf(
		    epoch, sizeof(epoch), "%" PRIu64, reg->directory.epoch);
	args[2] = span_of(epoch);
	r = redis_script_eval(
	    reg->redis, &script_read, args, ARRAY_LEN(args), 1, on_read, reg);
	reg->reading = r == 0;
	if (r < 0)
		refuse(reg, "cannot read", NULL, r);
}

static void
on_poll(void *arg)
{
	read_all(arg);
}

static void
on_retry(void *arg)
{
	struct registry *reg = arg;

	if (reg->phase == JOINING)
		join(reg);
	else if (reg->phase == FIRST || reg->phase == FOREIGN)
		read_all(reg);
	else if (reg->phase == LIVE) {
		read_all(reg);
		flush(reg);
	}
}

/* --- the connection -------------------------------------------------------
 */

static void
on_up(void *owner)
{
	struct registry *reg = owner;

	if (reg->phase == LEAVING)
		return;
	reg->stats.connects++;
	registry_set_link(reg, true);
	redis_script_load(reg->redis, &script_join);
	redis_script_load(reg->redis, &script_mutate);
	redis_script_load(reg->redis, &script_read);
	redis_script_load(reg->redis, &script_leave);
	join(reg);
}

static void
disarm_all(struct registry *reg)
{
	loop_timer_disarm(&reg->poll);
	loop_timer_disarm(&reg->renew);
	loop_timer_disarm(&reg->retry);
}

static void
on_down(void *owner, const char *reason)
{
	struct registry *reg = owner;

	registry_set_link(reg, false);
	disarm_all(reg);
	if (reg->phase == LEAVING)
		return;
	reg->phase = IDLE;
	registry_set_state(reg, REGISTRY_DOWN, reason);
}

const struct redis_ops sync_redis_ops = { .up = on_up, .down = on_down };

/* --- from registry.c ------------------------------------------------------
 */

void
sync_init(struct registry *reg)
{
	loop_timer_init(&reg->poll, reg->loop, on_poll, reg);
	loop_timer_init(&reg->renew, reg->loop, on_renew, reg);
	loop_timer_init(&reg->retry, reg->loop, on_retry, reg);
}

void
sync_done(struct registry *reg)
{
	loop_timer_done(&reg->poll);
	loop_timer_done(&reg->renew);
	loop_timer_done(&reg->retry);
	loop_defer_cancel(&reg->flush);
}

void
sync_soon(struct registry *reg)
{
	loop_defer(reg->loop, &reg->flush, on_flush, reg);
}

static void
on_left(void *arg, const struct redis_reply *reply, int error)
{
	struct registry *reg = arg;

	(void)reply;
	if (error != -ECANCELED)
		reg->answered(reg);
}

int
sync_leave(struct registry *reg, void (*answered)(struct registry *reg))
{
	struct span args[] = { span_of(reg->epoch_key), span_of(reg->node),
		span_of(reg->incarnation) };
	bool joined = reg->phase == LIVE || reg->phase == FIRST;

	reg->phase = LEAVING;
	reg->answered = answered;
	disarm_all(reg);
	if (!joined)
		return -ENOTCONN;
	return redis_script_eval(
	    reg->redis, &script_leave, args, ARRAY_LEN(args), 1, on_left, reg);
}
