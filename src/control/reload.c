/* SPDX-License-Identifier: ISC */

#include "control/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/secrets.h"
#include "control/access.h"
#include "control/applied.h"
#include "control/certificates.h"
#include "control/event.h"
#include "control/held.h"
#include "control/listeners.h"
#include "control/publish.h"
#include "control/rollout.h"
#include "control/service.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

static const char *const kinds[] = {
	[CONF_ADDED] = "added",
	[CONF_REMOVED] = "removed",
	[CONF_CHANGED] = "changed",
	[CONF_RESTARTED] = "restarted",
	[CONF_NEEDS_RESTART_OF_DROVER] = "needs-restart-of-drover",
};

static json_t *
change_json(const struct conf_change *ch)
{
	return json_pack("{ss ss ss ss ss}", "kind", kinds[ch->kind], "service",
	    ch->service, "key", ch->key, "from", ch->from, "to", ch->to);
}

/* --- putting it in force -------------------------------------------------- */

static int
refuse_unchangeable(
    const struct conf_change *changes, size_t n, struct buf *errors)
{
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		const struct conf_change *ch = &changes[i];

		if (ch->kind != CONF_NEEDS_RESTART_OF_DROVER)
			continue;
		(void)!buf_printf(errors,
		    "%s: a reload cannot change this (%s -> %s); restart "
		    "drover\n",
		    ch->key, ch->from, ch->to);
		r = -EINVAL;
	}
	return r;
}

/* canary < 0: its processes run it already, or are not to be replaced. */
static void
apply_one(struct control *c, const struct conf *conf,
    const struct conf_service *spec, int canary)
{
	struct service *s = service_by_name(c, spec->name);
	json_t *before;

	if (s == NULL) {
		s = service_add(c, conf, spec, -1);
		if (s == NULL) {
			log_error(spec->name, "not added: out of memory");
			return;
		}
		service_settle(s);
		return;
	}
	s->removed = false;
	before = canary < 0 ? NULL : conf_service_json(s->spec);
	service_set_spec(s, conf, spec);
	if (canary >= 0)
		rollout_deploy(s, before, (unsigned)canary);
	service_settle(s);
}

static bool
must_restart(const struct conf_change *changes, size_t n, const char *service)
{
	for (size_t i = 0; i < n; i++)
		if (changes[i].kind == CONF_RESTARTED &&
		    strcmp(changes[i].service, service) == 0)
			return true;
	return false;
}

static void
apply_services(struct control *c, const struct conf *conf,
    const struct conf_change *changes, size_t n, unsigned canary)
{
	LIST_EACH_SAFE (s, &c->services, struct service, link)
		if (!s->redis && conf_service(conf, s->spec->name) == NULL)
			service_remove(s);
	for (size_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *spec = &conf->services[i];

		apply_one(c, conf, spec,
		    must_restart(changes, n, spec->name) ? (int)canary : -1);
	}
	service_consider_all(c);
}

static void
set_conf(struct control *c, const struct conf *conf, struct secrets *secrets)
{
	c->conf = conf_ref(conf);
	if (secrets == NULL)
		return;
	secrets_free(c->credentials);
	c->credentials = secrets;
}

static void
settle_conf(struct control *c, const struct conf *old)
{
	conf_unref(old);
	c->wishes++;
	applied_save(c);
	publish_soon(c);
}

/* What is asked of a reload, and what it comes to. */
struct reload {
	const struct control_reload *how;
	const struct conf *disk;
	const struct conf *conf; /* with what is held in its place */
	struct conf_change *changes;
	size_t n;
};

static void
put_in_force(struct control *c, const struct reload *l, struct secrets *secrets,
    struct pems *pems)
{
	const struct conf *old = c->conf;
	const struct event_note note = {
		.type = "reload",
		.from = "reload",
		.to = "done",
	};

	set_conf(c, l->conf, secrets);
	if (l->how->retry)
		held_clear(c);
	held_forget(c, l->disk);
	apply_services(c, l->conf, l->changes, l->n, l->how->canary);
	certificates_set(c, pems);
	access_apply(c);
	settle_conf(c, old);
	event_post(c, &note);
}

static int
apply_changes(struct control *c, const struct reload *l, struct buf *errors)
{
	struct faults f = { .out = errors };
	struct secrets *secrets;
	struct pems pems;
	struct err err;
	int r = refuse_unchangeable(l->changes, l->n, errors);

	if (r < 0)
		return r;
	if (!pems_read(&pems, l->conf, errors))
		return -EINVAL;
	secrets = secrets_load(l->conf, &f);
	r = f.n > 0 ? -EINVAL : listeners_apply(c, l->conf, &err);
	if (r < 0 && f.n == 0)
		(void)!buf_printf(errors, "listen: %s\n", err.text);
	if (r < 0) {
		secrets_free(secrets);
		pems_done(&pems);
		return r;
	}
	put_in_force(c, l, secrets, &pems);
	return 0;
}

static void
reload_done(struct reload *l)
{
	free(l->changes);
	conf_unref(l->conf);
}

/* What disk comes to: on error there is nothing to undo. */
static int
prepare(struct control *c, const struct conf *disk,
    const struct control_reload *how, struct reload *l, struct buf *errors)
{
	int r;

	*l = (struct reload){ .how = how, .disk = disk };
	l->conf = how->retry ? conf_ref(disk) : held_apply(c, disk, errors);
	if (l->conf == NULL)
		return -EINVAL;
	r = conf_diff(c->conf, l->conf, &l->changes, &l->n);
	if (r == 0)
		return 0;
	(void)!buf_puts(errors, "out of memory\n");
	reload_done(l);
	return r;
}

int
reload_apply(struct control *c, const struct conf *disk, struct buf *errors)
{
	const struct control_reload how = { 0 };
	struct reload l;
	int r = prepare(c, disk, &how, &l, errors);

	if (r < 0)
		return r;
	r = apply_changes(c, &l, errors);
	reload_done(&l);
	return r;
}

int
reload_back(
    struct control *c, const struct conf *conf, bool whole, struct buf *errors)
{
	struct faults f = { .out = errors };
	struct secrets *secrets = whole ? secrets_load(conf, &f) : NULL;
	const struct conf *old = c->conf;

	if (f.n > 0) {
		secrets_free(secrets);
		return -EINVAL;
	}
	set_conf(c, conf, secrets);
	for (size_t i = 0; i < conf->nservices; i++)
		apply_one(c, conf, &conf->services[i], -1);
	settle_conf(c, old);
	return 0;
}

/* --- for the API ---------------------------------------------------------- */

static json_t *
changes_json(const struct control *c, const struct reload *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(list, change_json(&l->changes[i]));
	return json_pack(
	    "{so so}", "changes", list, "held", held_json(c, l->disk));
}

static const struct conf *
load(struct control *c, struct buf *errors)
{
	const struct conf *conf = conf_load(c->args.config, errors);

	if (conf == NULL)
		return NULL;
	if (conf_check_host(conf, errors))
		return conf;
	conf_unref(conf);
	return NULL;
}

json_t *
control_plan(struct control *c, struct buf *errors)
{
	const struct control_reload how = { 0 };
	const struct conf *disk = load(c, errors);
	struct reload l;
	struct err err;
	json_t *out = NULL;

	if (disk == NULL)
		return NULL;
	if (prepare(c, disk, &how, &l, errors) == 0) {
		if (listeners_check(c, l.conf, &err) < 0)
			(void)!buf_printf(errors, "listen: %s\n", err.text);
		else
			out = changes_json(c, &l);
		reload_done(&l);
	}
	conf_unref(disk);
	return out;
}

json_t *
control_reload(
    struct control *c, const struct control_reload *how, struct buf *errors)
{
	const struct conf *disk = load(c, errors);
	struct reload l;
	json_t *out = NULL;

	if (disk == NULL)
		return NULL;
	if (prepare(c, disk, how, &l, errors) == 0) {
		if (apply_changes(c, &l, errors) == 0) {
			out = changes_json(c, &l);
			json_object_set_new(out, "generation",
			    json_integer((json_int_t)c->wishes));
		}
		reload_done(&l);
	}
	conf_unref(disk);
	return out;
}
