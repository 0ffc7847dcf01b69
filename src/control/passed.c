/* SPDX-License-Identifier: ISC */

#include "control/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/fd.h"
#include "link/keeper_msg.h"
#define LOG_SUBSYSTEM "control"
#include "base/log.h"

struct passed {
	struct link link;
	struct address address;
	int fd;
};

void
passed_init(struct control *c)
{
	list_init(&c->workers.passed);
}

void
passed_done(struct control *c)
{
	LIST_EACH_SAFE (p, &c->workers.passed, struct passed, link) {
		list_remove(&p->link);
		fd_close(&p->fd);
		free(p);
	}
}

bool
passed_adopt(struct control *c, const char *name, int fd)
{
	struct passed *p;
	int r;

	if (!span_starts(span_of(name), SPAN(KEEPER_ACTIVATED)))
		return false;
	p = calloc(1, sizeof(*p));
	r = p == NULL ? -ENOMEM : address_of_socket(&p->address, fd);
	if (r < 0) {
		log_error("listeners", "systemd's socket %s is not usable: %s",
		    name, strerror(-r));
		free(p);
		fd_close(&fd);
		return true;
	}
	p->fd = fd;
	list_push(&c->workers.passed, &p->link);
	return true;
}

int
passed_dup(struct control *c, const struct address *a)
{
	LIST_EACH (p, &c->workers.passed, struct passed, link) {
		int fd;

		if (!address_equal(&p->address, a))
			continue;
		fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 3);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

static bool
is_named(const struct passed *p, const struct conf *conf)
{
	struct address a;

	for (size_t i = 0; i < conf->nlisten; i++)
		if (address_parse(&a, conf->listen[i].address) == 0 &&
		    address_equal(&a, &p->address))
			return true;
	return false;
}

void
passed_tell_unused(struct control *c, const struct conf *conf)
{
	char text[ADDRESS_TEXT];

	LIST_EACH (p, &c->workers.passed, struct passed, link)
		if (!is_named(p, conf))
			log_warn("listeners",
			    "systemd's socket waits: `listen` does not name %s",
			    address_text(&p->address, text));
}
