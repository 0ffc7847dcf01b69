/* SPDX-License-Identifier: ISC */

#include "proxy/endpoint.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "proxy/exchange.h"
#include "proxy/orders.h"
#include "proxy/recording.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

#define LOG_SUBSYSTEM "proxy"
#include "base/log.h"

static void
set_down(struct endpoint *ep, bool down)
{
	ep->w->ndown += (unsigned)down - (unsigned)ep->down;
	ep->down = down;
}

struct endpoint *
endpoint_new(struct worker *w, const struct snapshot_endpoint *conf)
{
	struct endpoint *ep = calloc(1, sizeof(*ep));

	if (ep == NULL)
		return NULL;
	ep->w = w;
	ep->refs = 1;
	ep->serial = ++w->endpoint_count;
	ep->cell = conf->cell;
	ep->count = scoreboard_endpoint(w->sb, w->index, conf->cell);
	ep->bars = scoreboard_bars(w->sb, w->index, conf->cell);
	list_init(&ep->idle);
	list_init(&ep->busy);
	if (str_copy(ep->name, sizeof(ep->name), span_of(conf->name)) < 0 ||
	    str_copy(ep->text, sizeof(ep->text), span_of(conf->address)) < 0 ||
	    address_parse(&ep->address, conf->address) < 0) {
		free(ep); /* the decoder does not let such a one through */
		return NULL;
	}
	endpoint_renew(ep, conf);
	return ep;
}

struct endpoint *
endpoint_ref(struct endpoint *ep)
{
	ep->refs++;
	return ep;
}

static void
close_idle(struct endpoint *ep)
{
	struct upstream *up;

	while ((up = LIST_FIRST(&ep->idle, struct upstream, link)) != NULL)
		upstream_close(up);
}

void
endpoint_unref(struct endpoint *ep)
{
	if (ep == NULL || --ep->refs > 0)
		return;
	set_down(ep, false);
	list_remove(&ep->left);
	free(ep);
}

bool
endpoint_is(const struct endpoint *ep, const struct snapshot_endpoint *conf)
{
	return ep->cell == conf->cell && strcmp(ep->text, conf->address) == 0 &&
	    strcmp(ep->name, conf->name) == 0;
}

bool
endpoint_blamed(int error)
{
	return error != ENOMEM && error != EMFILE && error != ENFILE &&
	    error != ENOBUFS && error != EADDRNOTAVAIL;
}

void
endpoint_renew(struct endpoint *ep, const struct snapshot_endpoint *conf)
{
	ep->weight = conf->weight;
	ep->ready_since_ms = conf->ready_since_ms;
	ep->trial = (conf->flags & SNAPSHOT_ENDPOINT_TRIAL) != 0;
	set_down(ep, false);
	ep->record_name = recording_name(ep->w, ep->name);
	ep->full_until_ms = 0;
}

void
endpoint_retire(struct endpoint *ep)
{
	ep->gone = true;
	list_remove(&ep->left);
	list_push(&ep->w->left, &ep->left);
	close_idle(ep);
}

void
endpoint_forsake(struct endpoint *ep)
{
	struct upstream *up;
	struct list all;

	/* Telling one may end another, so the list is taken down from its head.
	 */
	endpoint_ref(ep);
	list_init(&all);
	while ((up = LIST_FIRST(&ep->busy, struct upstream, link)) != NULL) {
		list_remove(&up->link);
		list_push(&all, &up->link);
	}
	while ((up = LIST_FIRST(&all, struct upstream, link)) != NULL) {
		list_remove(&up->link);
		list_push(&ep->busy, &up->link);
		exchange_forsaken(up->x);
	}
	endpoint_unref(ep);
}

void
endpoint_down(struct endpoint *ep, int error)
{
	count32(&ep->count->connect_failures, 1);
	if (ep->down || ep->gone)
		return;
	log_warn(
	    ep->name, "down: connect refused error=\"%s\"", strerror(error));
	set_down(ep, true);
	close_idle(ep);
	orders_endpoint_down(&ep->w->orders, ep->cell, error);
}

int
endpoint_connect(struct endpoint *ep, bool *done)
{
	int on = 1, family = ep->address.u.sa.sa_family;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*done = connect(fd, &ep->address.u.sa, ep->address.len) == 0;
	if (!*done && errno != EINPROGRESS) {
		r = -errno;
		fd_close(&fd);
	}
	return r < 0 ? r : fd;
}

bool
endpoint_refuses(struct endpoint *ep)
{
	bool done;
	int fd = endpoint_connect(ep, &done);

	if (fd == -ECONNREFUSED || fd == -ENOENT)
		return true;
	if (fd >= 0)
		fd_close(&fd);
	return false;
}
