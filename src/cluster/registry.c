/* SPDX-License-Identifier: ISC */

#define LOG_SUBSYSTEM "registry"

#include "cluster/registry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cluster/registry_impl.h"
#include "cluster/view.h"

#define LEAVE_MS 1000

/* --- what the owner is told ------------------------------------------------
 */

const char *
registry_state_name(enum registry_state state)
{
	static const char *const names[] = { "off", "down", "up" };

	return (size_t)state < ARRAY_LEN(names) ? names[state] : "?";
}

static void
on_tell(void *arg)
{
	struct registry *reg = arg;

	if (reg->link != reg->told_link) {
		reg->told_link = reg->link;
		reg->ops->link(reg->owner, reg->link);
		if (reg->freed)
			return;
	}
	if (reg->state == reg->told_state &&
	    strcmp(reg->reason, reg->told_reason) == 0)
		return;
	reg->told_state = reg->state;
	snprintf(reg->told_reason, sizeof(reg->told_reason), "%s", reg->reason);
	reg->ops->state(reg->owner, reg->state, reg->told_reason);
}

/* One line for each change, not for each try that fails otherwise. */
static void
log_change(
    const struct registry *reg, enum registry_state state, const char *text)
{
	uint64_t now = loop_now(reg->loop);

	bool held = reg->reason[0] != '\0';

	if (state == reg->state &&
	    (state != REGISTRY_UP || held == (text[0] != '\0')))
		return;
	log_line(
	    state == REGISTRY_UP && text[0] == '\0' ? LOG_INFO_ : LOG_WARN_,
	    LOG_SUBSYSTEM, reg->cluster, "%s -> %s%s%s ms=%" PRIu64,
	    registry_state_name(reg->state), registry_state_name(state),
	    text[0] != '\0' ? ": " : "", text, now - reg->since);
}

void
registry_set_state(
    struct registry *reg, enum registry_state state, const char *reason)
{
	char text[REGISTRY_REASON_MAX];

	snprintf(text, sizeof(text), "%.*s", (int)sizeof(text) - 1, reason);
	if (state == reg->state && strcmp(text, reg->reason) == 0)
		return;
	log_change(reg, state, text);
	if (state != reg->state)
		reg->since = loop_now(reg->loop);
	reg->state = state;
	snprintf(reg->reason, sizeof(reg->reason), "%s", text);
	loop_defer(reg->loop, &reg->tell, on_tell, reg);
}

void
registry_set_link(struct registry *reg, bool up)
{
	reg->link = up;
	loop_defer(reg->loop, &reg->tell, on_tell, reg);
}

/* --- from outside ---------------------------------------------------------
 */

static bool
name_is_clean(const char *s, size_t max)
{
	size_t n = s == NULL ? 0 : strlen(s);

	return n > 0 && n <= max &&
	    s[strspn(s,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789._:-")] == '\0';
}

static int
take_names(
    struct registry *reg, const struct registry_args *args, struct err *err)
{
	const char *address = args->address != NULL ? args->address : "";

	if (!name_is_clean(args->cluster, REGISTRY_NAME_MAX) ||
	    !name_is_clean(args->node, REGISTRY_NAME_MAX) ||
	    !name_is_clean(args->incarnation, REGISTRY_ID_MAX))
		return err_set(err, -EINVAL,
		    "a cluster's or node's name is letters, digits and ._:- "
		    "and at most %d bytes",
		    REGISTRY_NAME_MAX);
	if (strlen(address) > REGISTRY_ADDRESS_MAX)
		return err_set(err, -EINVAL, "node.advertise is too long");
	snprintf(reg->cluster, sizeof(reg->cluster), "%s", args->cluster);
	snprintf(reg->node, sizeof(reg->node), "%s", args->node);
	snprintf(reg->incarnation, sizeof(reg->incarnation), "%s",
	    args->incarnation);
	snprintf(reg->address, sizeof(reg->address), "%s", address);
	snprintf(reg->epoch_key, sizeof(reg->epoch_key), "{drover:%s}:epoch",
	    reg->cluster);
	snprintf(reg->lease_key, sizeof(reg->lease_key), "{drover:%s}:node:%s",
	    reg->cluster, reg->node);
	return 0;
}

static int
make_redis(struct registry *reg, const char *text, struct err *err)
{
	const bool follow = text != NULL &&
	    redis_sentinels_are_in(span_of(text));
	struct redis_sentinels list;
	struct redis_url url;
	int r;

	if (text == NULL)
		return 0;
	r = follow ? redis_sentinels_parse(&list, &url, span_of(text), err)
		   : redis_url_parse(&url, span_of(text), err);
	if (r < 0)
		return err_wrap(err, r, "registry");
	reg->redis = redis_new(reg->loop, &url, NULL, &sync_redis_ops, reg);
	if (reg->redis == NULL ||
	    (follow && redis_follow(reg->redis, &list) < 0))
		return err_set(err, -ENOMEM, "registry: no memory");
	reg->state = reg->told_state = REGISTRY_DOWN;
	snprintf(reg->reason, sizeof(reg->reason), "not connected yet");
	snprintf(reg->told_reason, sizeof(reg->told_reason), "%s", reg->reason);
	return 0;
}

/* Alone, an instance's own id; in a cluster each node has an image.0. */
static void
make_field(const struct registry *reg, const char *id, char *field)
{
	if (reg->address[0] == '\0')
		snprintf(field, REGISTRY_FIELD_MAX, "%s", id);
	else
		snprintf(field, REGISTRY_FIELD_MAX, "%s@%s", id, reg->node);
}

static void
tell_left(struct registry *reg)
{
	void (*done)(void *arg) = reg->left;

	reg->left = NULL;
	loop_timer_disarm(&reg->leave);
	if (done != NULL)
		done(reg->left_arg);
}

static void
on_left_timer(void *arg)
{
	tell_left(arg);
}

struct registry *
registry_new(struct loop *loop, const struct registry_args *args,
    const struct registry_ops *ops, void *owner, struct err *err)
{
	struct registry *reg = calloc(1, sizeof(*reg));

	if (reg == NULL) {
		err_set(err, -ENOMEM, "registry: no memory");
		return NULL;
	}
	reg->loop = loop;
	reg->ops = ops;
	reg->owner = owner;
	reg->since = loop_now(loop);
	if (take_names(reg, args, err) < 0 ||
	    make_redis(reg, args->url, err) < 0) {
		free(reg);
		return NULL;
	}
	wishes_init(&reg->wishes, REGISTRY_WISHES_MAX);
	directory_init(&reg->directory);
	sync_init(reg);
	loop_timer_init(&reg->leave, loop, on_left_timer, reg);
	return reg;
}

void
registry_start(struct registry *reg)
{
	if (reg->redis != NULL)
		redis_start(reg->redis);
}

static void
on_free(void *arg)
{
	free(arg);
}

void
registry_free(struct registry *reg)
{
	if (reg == NULL)
		return;
	reg->freed = true;
	reg->phase = IDLE;
	redis_free(reg->redis);
	sync_done(reg);
	loop_timer_done(&reg->leave);
	wishes_done(&reg->wishes);
	directory_done(&reg->directory);
	loop_defer(reg->loop, &reg->tell, on_free, reg);
}

void
registry_leave(struct registry *reg, void (*done)(void *arg), void *arg)
{
	reg->left = done;
	reg->left_arg = arg;
	loop_timer_arm(
	    &reg->leave, sync_leave(reg, tell_left) == 0 ? LEAVE_MS : 0);
}

void
registry_kick(struct registry *reg)
{
	if (reg->redis != NULL)
		redis_kick(reg->redis);
}

int
registry_set(struct registry *reg, const struct registry_instance *in)
{
	const char *address = in->address != NULL ? in->address : "";
	char field[REGISTRY_FIELD_MAX];
	char *value;
	int r;

	if (!name_is_clean(in->service, REGISTRY_NAME_MAX) ||
	    !name_is_clean(in->id, REGISTRY_ID_MAX) ||
	    !name_is_clean(in->state, REGISTRY_STATE_MAX) ||
	    strlen(address) > REGISTRY_ADDRESS_MAX || in->weight > UINT16_MAX)
		return -EINVAL;
	value = directory_value(reg->node, reg->incarnation,
	    address[0] != '\0' ? address : NULL, in->state, in->weight);
	if (value == NULL)
		return -ENOMEM;
	make_field(reg, in->id, field);
	r = wishes_set(
	    &reg->wishes, span_of(in->service), span_of(field), span_of(value));
	free(value);
	if (r > 0)
		sync_soon(reg);
	return r < 0 ? r : 0;
}

void
registry_remove(struct registry *reg, const char *id)
{
	char field[REGISTRY_FIELD_MAX];

	if (!name_is_clean(id, REGISTRY_ID_MAX))
		return;
	make_field(reg, id, field);
	if (wishes_remove(&reg->wishes, span_of(field)))
		sync_soon(reg);
}

enum registry_state
registry_state(const struct registry *reg)
{
	return reg->state;
}

const char *
registry_reason(const struct registry *reg)
{
	return reg->reason;
}

json_t *
registry_nodes(const struct registry *reg)
{
	const struct view_self self = {
		.cluster = reg->cluster,
		.node = reg->node,
		.incarnation = reg->incarnation,
		.address = reg->address,
	};

	return view_json(
	    &reg->directory, &reg->wishes, &self, loop_now(reg->loop));
}

void
registry_stats(const struct registry *reg, struct registry_stats *out)
{
	*out = reg->stats;
	out->epoch = reg->directory.epoch;
	out->wishes = wishes_count(&reg->wishes);
	out->pending = wishes_pending(&reg->wishes);
}
