/* SPDX-License-Identifier: ISC */

#include "conf/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "conf/value_types.h"

/* clang-format off */
static const struct {
	value_reader *read;
	value_writer *write;
} types[SCHEMA_NTYPES] = {
	[SCHEMA_TEXT] =		{ read_text,	   write_text },
	[SCHEMA_PATH] =		{ read_path,	   write_text },
	[SCHEMA_FILE] =		{ read_file_path,  write_text },
	[SCHEMA_NAME] =		{ read_name,	   write_text },
	[SCHEMA_NODE] =		{ read_node,	   write_text },
	[SCHEMA_ADDRESS] =	{ read_address,	   write_text },
	[SCHEMA_HOST] =		{ read_host,	   write_text },
	[SCHEMA_URL_PATH] =	{ read_url_path,   write_text },
	[SCHEMA_BOOL] =		{ read_bool,	   write_bool },
	[SCHEMA_FLAG] =		{ read_flag,	   write_flag },
	[SCHEMA_ENUM] =		{ read_enum,	   write_enum },
	[SCHEMA_INT] =		{ read_int,	   write_int },
	[SCHEMA_DURATION] =	{ read_duration,   write_duration },
	[SCHEMA_SIZE] =		{ read_size,	   write_size },
	[SCHEMA_PERCENT] =	{ read_percent,	   write_percent },
	[SCHEMA_ARGV] =		{ read_argv,	   write_strings },
	[SCHEMA_TOKENS] =	{ read_tokens,	   write_strings },
	[SCHEMA_NAMES] =	{ read_names,	   write_strings },
	[SCHEMA_ENV] =		{ read_env,	   write_env },
	[SCHEMA_REPLICAS] =	{ read_replicas,   write_replicas },
	[SCHEMA_READY] =	{ read_ready,	   write_ready },
	[SCHEMA_CHECK_PATH] =	{ read_check_path, write_check_path },
	[SCHEMA_CHECK_TCP] =	{ read_check_tcp,  write_check_tcp },
	[SCHEMA_CHECK_EXEC] =	{ read_check_exec, write_check_exec },
	[SCHEMA_SIGNAL] =	{ read_signal,	   write_signal },
	[SCHEMA_HASH] =		{ read_hash,	   write_hash },
	[SCHEMA_ROUTE_PATH] =	{ read_route_path, write_route_path },
	[SCHEMA_ROUTE_EXACT] =	{ read_route_exact, write_route_exact },
	[SCHEMA_METHODS] =	{ read_methods,	   write_methods },
	[SCHEMA_SET] =		{ read_set,	   write_set },
	[SCHEMA_REMOVE] =	{ read_remove,	   write_strings },
	[SCHEMA_FIELDS] =	{ read_fields,	   write_strings },
	[SCHEMA_TARGET] =	{ read_target,	   write_text },
	[SCHEMA_STATUS] =	{ read_status,	   write_some },
	[SCHEMA_RATE] =		{ read_rate,	   write_rate },
	[SCHEMA_BURST] =	{ read_int,	   write_some },
	[SCHEMA_RATE_KEY] =	{ read_rate_key,   write_rate_key },
	[SCHEMA_ORIGINS] =	{ read_origins,	   write_strings },
	[SCHEMA_SWITCH] =	{ read_bool,	   write_switch },
	[SCHEMA_AGE] =		{ read_duration,   write_age },
	[SCHEMA_WORKERS] =	{ read_workers,	   write_int },
	[SCHEMA_REGISTRY] =	{ read_registry,   write_registry },
	[SCHEMA_NETWORKS] =	{ read_networks,   write_networks },
	[SCHEMA_ALGORITHMS] =	{ read_algorithms, write_algorithms },
	[SCHEMA_CALLS] =	{ read_calls,	   write_calls },
	[SCHEMA_FIELD] =	{ read_field,	   write_text },
	[SCHEMA_PASSED] =	{ read_passed,	   write_strings },
	[SCHEMA_COOKIE] =	{ read_cookie,	   write_text },
	[SCHEMA_REQUIRE] =	{ read_require,	   write_strings },
	[SCHEMA_CLAIMS] =	{ read_claims,	   write_strings },
};
/* clang-format on */

bool
value_read(const struct value_site *site, const struct schema *row,
    const struct node *n, void *base)
{
	return types[row->type].read(site, row, n, (char *)base + row->offset);
}

int
value_write(const struct schema *row, const void *base, json_t **out)
{
	bool omit = false;

	*out = types[row->type].write(
	    row, (const char *)base + row->offset, &omit);
	return *out != NULL || omit ? 0 : -ENOMEM;
}

bool
value_refuse(const struct value_site *site, const struct schema *row,
    const struct node *n)
{
	char found[NODE_FOUND_MAX], allowed[ERR_MAX];

	fault_add(site->faults, site->file, n->line, site->shown,
	    "found %s; allowed %s", node_found(n, found),
	    schema_allowed(row, allowed, sizeof(allowed)));
	return false;
}

bool
value_nomem(const struct value_site *site)
{
	fault_nomem(site->faults, site->file);
	return false;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const char *
show(char *out, uint64_t v, const struct unit *units, size_t n)
{
	while (n > 1 && (v == 0 || v % units[n - 1].factor != 0))
		n--;
	snprintf(out, VALUE_SHOW_MAX, "%" PRIu64 "%s", v / units[n - 1].factor,
	    units[n - 1].name);
	return out;
}

const char *
value_show_ms(char out[VALUE_SHOW_MAX], uint64_t ms)
{
	static const struct unit units[] = {
		{ "ms", 1 },
		{ "s", 1000 },
		{ "m", 60 * 1000 },
		{ "h", 60 * 60 * 1000 },
	};

	return show(out, ms, units, ARRAY_LEN(units));
}

const char *
value_show_bytes(char out[VALUE_SHOW_MAX], uint64_t bytes)
{
	static const struct unit units[] = {
		{ "B", 1 },
		{ "KiB", 1 << 10 },
		{ "MiB", 1 << 20 },
		{ "GiB", 1 << 30 },
	};

	return show(out, bytes, units, ARRAY_LEN(units));
}
