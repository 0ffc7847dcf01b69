/* SPDX-License-Identifier: ISC */

/*
 * value_types - the types behind value_read() and value_write()
 *
 * One row each; a field is what base + row->offset points to. A reader may
 * rely on nothing but that n is there.
 */

#ifndef CONF_VALUE_TYPES_H
#define CONF_VALUE_TYPES_H

#include "conf/value.h"

typedef bool value_reader(const struct value_site *site,
    const struct schema *row, const struct node *n, void *field);
typedef json_t *value_writer(
    const struct schema *row, const void *field, bool *omit);

/* scalars: value_scalar.c */
value_reader read_text, read_path, read_file_path, read_name, read_node,
    read_bool, read_flag, read_enum, read_int, read_duration, read_size,
    read_percent, read_signal, read_workers, read_calls;
value_writer write_text, write_bool, write_flag, write_enum, write_int,
    write_duration, write_size, write_percent, write_signal, write_calls;

/* what the network knows: value_net.c */
value_reader read_address, read_host, read_url_path, read_networks,
    read_registry;
value_writer write_networks, write_registry;

/* lists and what belongs to a service: value_service.c */
value_reader read_argv, read_tokens, read_names, read_env, read_replicas,
    read_methods, read_hash, read_route_path, read_route_exact, read_ready,
    read_check_path, read_check_tcp, read_check_exec;
value_writer write_strings, write_env, write_replicas, write_methods,
    write_hash, write_route_path, write_route_exact, write_ready,
    write_check_path, write_check_tcp, write_check_exec;

/* the rules of a route: value_rules.c */
value_reader read_set, read_remove, read_fields, read_target, read_status,
    read_rate, read_rate_key, read_origins;
value_writer write_set, write_some, write_rate, write_rate_key, write_switch,
    write_age;

/* who may use a route: value_auth.c */
value_reader read_algorithms, read_field, read_passed, read_cookie,
    read_require, read_claims;
value_writer write_algorithms;

/* Copy a string that must be one; NULL after a fault. */
const char *value_copy(const struct value_site *site, const struct schema *row,
    const struct node *n);

/* A list of strings, NULL at the end; NULL after a fault. */
const char *const *value_copy_list(const struct value_site *site,
    const struct schema *row, const struct node *n);

/* A list of different words as bits; word() ends with NULL. */
bool value_read_bits(const struct value_site *site, const struct schema *row,
    const struct node *n, const char *(*word)(unsigned i), unsigned *set);
json_t *value_write_bits(
    const char *(*word)(unsigned i), unsigned set, bool *omit);

/* Whether it stands in the list before n. */
bool value_stands_before(const struct node *list, const struct node *n);

/* Whether it is an HTTP token of at most max bytes. */
bool value_is_token(const char *s, size_t max);

/* Whether it is a service's name. */
bool value_is_name(const char *s);

/* The index of text among "a|b|c", or SIZE_MAX. */
size_t value_choice(const char *choices, const char *text);

/* Visible ASCII from a slash on; no dot segments and no query unless `query`.*/
bool value_is_url_path(const char *s, size_t max, bool query);

#endif /* CONF_VALUE_TYPES_H */
