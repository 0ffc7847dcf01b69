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

static json_t *
changes_json(const struct conf_change *changes, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, change_json(&changes[i]));
	return json_pack("{so}", "changes", list);
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

static void
replace_processes(struct service *s)
{
	struct err err;
	unsigned n = service_desired(s);

	rollout_cancel(s, "reload");
	if (n > 0 && rollout_start(s, 0, n - 1, "reload", &err) < 0)
		log_error(s->spec->name, "%s", err.text);
}

static void
apply_one(struct control *c, const struct conf *conf,
    const struct conf_service *spec, bool restart)
{
	struct service *s = service_by_name(c, spec->name);

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
	service_set_spec(s, conf, spec);
	service_settle(s);
	if (restart)
		replace_processes(s);
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
    const struct conf_change *changes, size_t n)
{
	LIST_EACH_SAFE (s, &c->services, struct service, link)
		if (!s->redis && conf_service(conf, s->spec->name) == NULL)
			service_remove(s);
	for (size_t i = 0; i < conf->nservices; i++) {
		const struct conf_service *spec = &conf->services[i];

		apply_one(c, conf, spec, must_restart(changes, n, spec->name));
	}
	service_consider_all(c);
}

static void
put_in_force(struct control *c, const struct conf *conf,
    struct secrets *secrets, struct pems *pems,
    const struct conf_change *changes, size_t n)
{
	const struct conf *old = c->conf;
	const struct event_note note = {
		.type = "reload",
		.from = "reload",
		.to = "done",
	};

	c->conf = conf_ref(conf);
	secrets_free(c->credentials);
	c->credentials = secrets;
	apply_services(c, conf, changes, n);
	certificates_set(c, pems);
	conf_unref(old);
	c->wishes++;
	access_apply(c);
	applied_save(c);
	publish_soon(c);
	event_post(c, &note);
}

static int
apply_changes(struct control *c, const struct conf *conf,
    const struct conf_change *changes, size_t n, struct buf *errors)
{
	struct faults f = { .out = errors };
	struct secrets *secrets;
	struct pems pems;
	struct err err;
	int r = refuse_unchangeable(changes, n, errors);

	if (r < 0)
		return r;
	if (!pems_read(&pems, conf, errors))
		return -EINVAL;
	secrets = secrets_load(conf, &f);
	r = f.n > 0 ? -EINVAL : listeners_apply(c, conf, &err);
	if (r < 0 && f.n == 0)
		(void)!buf_printf(errors, "listen: %s\n", err.text);
	if (r < 0) {
		secrets_free(secrets);
		pems_done(&pems);
		return r;
	}
	put_in_force(c, conf, secrets, &pems, changes, n);
	return 0;
}

int
reload_apply(struct control *c, const struct conf *conf, struct buf *errors)
{
	struct conf_change *changes;
	size_t n;
	int r = conf_diff(c->conf, conf, &changes, &n);

	if (r < 0) {
		(void)!buf_puts(errors, "out of memory\n");
		return r;
	}
	r = apply_changes(c, conf, changes, n, errors);
	free(changes);
	return r;
}

/* --- for the API ---------------------------------------------------------- */

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
	const struct conf *conf = load(c, errors);
	struct conf_change *changes;
	struct err err = { "out of memory" }; /* what a failed diff means */
	json_t *out;
	size_t n;

	if (conf == NULL)
		return NULL;
	if (listeners_check(c, conf, &err) < 0 ||
	    conf_diff(c->conf, conf, &changes, &n) < 0) {
		(void)!buf_printf(errors, "listen: %s\n", err.text);
		conf_unref(conf);
		return NULL;
	}
	out = changes_json(changes, n);
	free(changes);
	conf_unref(conf);
	return out;
}

json_t *
control_reload(struct control *c, struct buf *errors)
{
	const struct conf *conf = load(c, errors);
	struct conf_change *changes;
	json_t *out = NULL;
	size_t n;

	if (conf == NULL)
		return NULL;
	if (conf_diff(c->conf, conf, &changes, &n) < 0) {
		(void)!buf_puts(errors, "out of memory\n");
		conf_unref(conf);
		return NULL;
	}
	if (apply_changes(c, conf, changes, n, errors) == 0) {
		out = changes_json(changes, n);
		json_object_set_new(
		    out, "generation", json_integer((json_int_t)c->wishes));
	}
	free(changes);
	conf_unref(conf);
	return out;
}
