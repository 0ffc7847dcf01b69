/* SPDX-License-Identifier: ISC */

#include "control/bounds.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "control/service.h"

static const struct {
	unsigned bit; /* enum spawn_missing */
	const char *key;
} keys[] = {
	{ SPAWN_NO_USER, "sandbox.user" },
	{ SPAWN_NO_PRIVATE_TMP, "sandbox.private_tmp" },
	{ SPAWN_NO_READ_ONLY, "sandbox.read_only" },
	{ SPAWN_NO_NETWORK, "sandbox.network" },
	{ SPAWN_NO_CAPABILITIES, "sandbox.capabilities" },
	{ SPAWN_NO_SECCOMP, "sandbox.seccomp" },
};

static int
set_identity(
    const struct conf_service *spec, uid_t *uid, gid_t *gid, struct err *err)
{
	struct passwd *pw;

	*uid = geteuid();
	*gid = getegid();
	if (spec->sandbox.user == NULL)
		return 0;
	pw = getpwnam(spec->sandbox.user);
	if (pw == NULL && spec->sandbox.optional)
		return 0;
	if (pw == NULL)
		return err_set(
		    err, -ENOENT, "no user %s here", spec->sandbox.user);
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

static bool
is_bounded(const struct conf_sandbox *box)
{
	return box->user != NULL || box->private_tmp || box->read_only ||
	    !box->network || !box->capabilities || box->seccomp;
}

static void
set_sandbox(struct spawn_spec *spec, const struct conf_sandbox *box)
{
	/* Whoever could gain rights by an exec would be out of all of it. */
	spec->no_new_privs = box->no_new_privs || is_bounded(box);
	spec->drop_capabilities = box->user != NULL || !box->capabilities;
	spec->private_tmp = box->private_tmp;
	spec->read_only = box->read_only;
	spec->no_network = !box->network;
	spec->optional = box->optional;
	if (box->user != NULL && getpwnam(box->user) == NULL)
		spec->missing |= SPAWN_NO_USER;
}

static void
set_resources(struct spawn_spec *spec, const struct conf_resources *res)
{
	spec->memory = res->memory;
	spec->cpu_percent = res->cpu_percent;
	spec->processes = res->processes;
	spec->files = res->files;
}

static const struct herd_host *
host_of(const struct replica *r)
{
	return herd_host(r->service->control->herd);
}

static int
set_filter(const struct replica *r, struct bounds *b, struct spawn_spec *spec,
    struct err *err)
{
	const struct conf_sandbox *box = &r->process_conf->sandbox;
	int n;

	if (!box->seccomp)
		return 0;
	n = host_of(r)->filters ? seccomp_build(box->seccomp_allow, b->filter)
				: -EPROTONOSUPPORT;
	if (n > 0) {
		spec->filter = b->filter;
		spec->filter_len = (size_t)n * sizeof(b->filter[0]);
		return 0;
	}
	spec->missing |= SPAWN_NO_SECCOMP;
	if (box->optional)
		return 0;
	return err_set(err, -ENOTSUP, "sandbox.seccomp: %s",
	    n == -ENOTSUP
		? "no list of system calls for this architecture"
		: "the keeper is of an older version; see drover upgrade");
}

int
bounds_set(const struct replica *r, struct bounds *b, struct spawn_spec *spec,
    struct err *err)
{
	const struct conf_service *conf = r->process_conf;
	int x = set_identity(conf, &spec->uid, &spec->gid, err);

	if (x < 0)
		return x;
	set_sandbox(spec, &conf->sandbox);
	set_resources(spec, &conf->resources);
	return set_filter(r, b, spec, err);
}

unsigned
bounds_not_given(const struct replica *r, unsigned told)
{
	/* A keeper that cannot filter cannot say so either. */
	if (r->process_conf->sandbox.seccomp && !host_of(r)->filters)
		told |= SPAWN_NO_SECCOMP;
	return told;
}

void
bounds_each(unsigned missing, void (*fn)(void *arg, const char *key), void *arg)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (missing & keys[i].bit)
			fn(arg, keys[i].key);
}

struct text {
	char *p;
	size_t n, size;
};

static void
add_key(void *arg, const char *key)
{
	struct text *t = arg;
	int n = snprintf(
	    t->p + t->n, t->size - t->n, "%s%s", t->n > 0 ? ", " : "", key);

	if (n > 0 && (size_t)n < t->size - t->n)
		t->n += (size_t)n;
}

const char *
bounds_text(unsigned missing, char *out, size_t size)
{
	struct text t = { .p = out, .size = size };

	out[0] = '\0';
	bounds_each(missing, add_key, &t);
	return out;
}
