/* SPDX-License-Identifier: ISC */

#include "control/cells.h"

#include <stdlib.h>

#include "control/folders.h"
#include "control/publish.h"
#include "control/replica.h"
#include "control/service.h"

static int
take_bit(uint64_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int bit;

		if (words[i] == UINT64_MAX)
			continue;
		bit = __builtin_ctzll(~words[i]);
		words[i] |= UINT64_C(1) << bit;
		return (int)i * 64 + bit;
	}
	return -1;
}

static void
clear_bit(uint64_t *words, unsigned at)
{
	words[at / 64] &= ~(UINT64_C(1) << (at % 64));
}

int
cells_take(struct control *c)
{
	int cell = take_bit(c->cells.taken, ARRAY_LEN(c->cells.taken));

	if (cell >= 0 && c->workers.board != NULL)
		scoreboard_reset_endpoint(c->workers.board, (unsigned)cell);
	return cell;
}

void
cells_mark(struct control *c, int cell)
{
	if (cell >= 0)
		c->cells.taken[cell / 64] |= UINT64_C(1) << (cell % 64);
}

int
cells_take_service(struct control *c, int wish)
{
	uint64_t *words = c->cells.services;

	if (wish < 0 || wish >= SCOREBOARD_SERVICES ||
	    (words[wish / 64] >> (wish % 64) & 1) != 0)
		return take_bit(words, ARRAY_LEN(c->cells.services));
	words[wish / 64] |= UINT64_C(1) << (wish % 64);
	return wish;
}

void
cells_free_service(struct control *c, unsigned cell)
{
	if (c->workers.board != NULL)
		scoreboard_reset_service(c->workers.board, cell);
	clear_bit(c->cells.services, cell);
}

/* --- ghosts --------------------------------------------------------------- */

static bool
is_buried(struct control *c, unsigned port)
{
	LIST_EACH (g, &c->cells.ghosts, struct ghost, link)
		if (g->port == port)
			return true;
	return false;
}

bool
cells_port_taken(struct control *c, unsigned port)
{
	if (is_buried(c, port))
		return true;
	LIST_EACH (s, &c->services, struct service, link) {
		LIST_EACH (r, &s->replicas, struct replica, link)
			if (r->port == port)
				return true;
		LIST_EACH (r, &s->extra, struct replica, link)
			if (r->port == port)
				return true;
	}
	return false;
}

void
cells_bury(struct control *c, int cell, unsigned port, const char *path)
{
	struct ghost *g;

	if (cell < 0 && port == 0 && path[0] == '\0')
		return;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return; /* its cell stays taken: a leak, not a mix-up */
	g->cell = cell;
	g->port = port;
	g->generation = publish_next(c);
	if (str_copy(g->path, sizeof(g->path), span_of(path)) < 0)
		g->path[0] = '\0';
	list_push(&c->cells.ghosts, &g->link);
}

void
cells_sweep(struct control *c)
{
	LIST_EACH_SAFE (g, &c->cells.ghosts, struct ghost, link) {
		if (!cells_drained(c, g->generation, g->cell))
			continue;
		if (g->cell >= 0)
			clear_bit(c->cells.taken, (unsigned)g->cell);
		if (g->path[0] != '\0')
			folders_remove_socket(g->path);
		list_remove(&g->link);
		free(g);
	}
}

bool
cells_left(struct control *c, uint64_t generation)
{
	for (unsigned i = 0; i < c->workers.n; i++)
		if (c->workers.all[i].applied < generation)
			return false;
	return true;
}

unsigned
cells_busy(struct control *c, int cell, unsigned *tunnels)
{
	*tunnels = 0;
	if (cell < 0 || c->workers.board == NULL)
		return 0;
	*tunnels = scoreboard_tunnels(c->workers.board, (unsigned)cell);
	return scoreboard_inflight(c->workers.board, (unsigned)cell);
}

bool
cells_drained(struct control *c, uint64_t generation, int cell)
{
	unsigned tunnels;

	return cells_left(c, generation) &&
	    cells_busy(c, cell, &tunnels) + tunnels == 0;
}

void
cells_init(struct control *c)
{
	list_init(&c->cells.ghosts);
}

void
cells_done(struct control *c)
{
	LIST_EACH_SAFE (g, &c->cells.ghosts, struct ghost, link) {
		if (g->path[0] != '\0')
			folders_remove_socket(g->path);
		list_remove(&g->link);
		free(g);
	}
}
