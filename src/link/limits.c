/* SPDX-License-Identifier: ISC */

#include "link/limits.h"

#define ROW(member) #member, offsetof(struct limits, member)
#define KiB 1024U

/* clang-format off */
const struct limits_row limits_rows[LIMITS_N] = {
	{ ROW(connections), LIMITS_CONNECTIONS_MAX, 16384 },
	{ ROW(connections_per_address), LIMITS_CONNECTIONS_MAX, 0 },
	{ ROW(requests_per_connection), UINT32_MAX, 0 },
	{ ROW(idle_timeout), LIMITS_MS_MAX, 75000 },
	{ ROW(memory_kib), UINT32_MAX, 256 * KiB },
	{ ROW(head_size), LIMITS_HEAD_MAX, 16 * KiB },
	{ ROW(head_lines), LIMITS_HEAD_LINES_MAX, 100 },
	{ ROW(target), LIMITS_TARGET_MAX, 8 * KiB },
	{ ROW(head_timeout), LIMITS_MS_MAX, 10000 },
	{ ROW(body_rate), UINT32_MAX, 0 },
	{ ROW(body_grace), LIMITS_MS_MAX, 10000 },
	{ ROW(send_timeout), LIMITS_MS_MAX, 60000 },
	{ ROW(half_close_timeout), LIMITS_MS_MAX, 5000 },
	{ ROW(linger_timeout), LIMITS_MS_MAX, 2000 },
	{ ROW(linger_size), 1024 * KiB * KiB, 1024 * KiB },
	{ ROW(connect_timeout), LIMITS_MS_MAX, 3000 },
	{ ROW(pool), 65535, 256 },
	{ ROW(pool_timeout), LIMITS_MS_MAX, 60000 },
	{ ROW(response_head), LIMITS_RESPONSE_HEAD_MAX, 32 * KiB },
	{ ROW(http2_resets), LIMITS_HTTP2_BUDGET_MAX, 256 },
	{ ROW(http2_controls), LIMITS_HTTP2_BUDGET_MAX, 512 },
	{ ROW(http2_window), LIMITS_HTTP2_WINDOW_MAX, 128 * KiB },
	{ ROW(auth_verdicts), LIMITS_VERDICTS_MAX, 4096 },
	{ ROW(auth_refusals), LIMITS_VERDICTS_MAX, 256 },
	{ ROW(auth_keep), LIMITS_MS_MAX, 5 * 60 * 1000 },
	{ ROW(auth_queue), LIMITS_AUTH_QUEUE_MAX, 64 },
	{ ROW(auth_timeout), LIMITS_MS_MAX, 5000 },
	{ ROW(interims), LIMITS_INTERIMS_MAX, 32 },
};
/* clang-format on */

_Static_assert(
    sizeof(struct limits) == LIMITS_N * sizeof(uint32_t), "a row for each");

void
limits_fill(struct limits *l)
{
	for (unsigned i = 0; i < LIMITS_N; i++) {
		uint32_t *v = limits_at(l, &limits_rows[i]);

		if (*v == 0)
			*v = limits_rows[i].preset;
	}
}

const char *
limits_over(const struct limits *l)
{
	struct limits copy = *l;

	for (unsigned i = 0; i < LIMITS_N; i++)
		if (*limits_at(&copy, &limits_rows[i]) > limits_rows[i].max)
			return limits_rows[i].name;
	return NULL;
}
