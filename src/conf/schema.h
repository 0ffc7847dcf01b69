/* SPDX-License-Identifier: ISC */

/*
 * schema - every key of the configuration, one row each
 *
 * Reading, defaults, ranges, JSON, diff, the manual page and the page in doc/
 * all walk these two tables. Paths are dotted; a list's elements are written
 * `route[]`, and offsets below a list count from the start of the element.
 */

#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schema_type {
	SCHEMA_GROUP,	 /* a mapping; its keys have rows of their own */
	SCHEMA_ELEMENTS, /* a list of mappings, likewise */
	SCHEMA_CHECK,	 /* a group: readiness, liveness */

	SCHEMA_TEXT,	/* const char *: not empty, no control characters */
	SCHEMA_PATH,	/* const char *: absolute */
	SCHEMA_FILE,	/* const char *: below the file's folder, or absolute */
	SCHEMA_NAME,	/* const char *: a service's */
	SCHEMA_NODE,	/* const char *: a node's */
	SCHEMA_ADDRESS, /* const char *: where to listen */
	SCHEMA_HOST,	/* const char *: of a route */
	SCHEMA_URL_PATH, /* const char *: begins with '/' */
	SCHEMA_BOOL,	 /* bool */
	SCHEMA_FLAG,	 /* bool: the first or second of choices */
	SCHEMA_ENUM,	 /* unsigned: an index into choices */
	SCHEMA_INT,	 /* unsigned */
	SCHEMA_DURATION, /* uint64_t, ms */
	SCHEMA_SIZE,	 /* uint64_t, bytes */
	SCHEMA_PERCENT,	 /* unsigned */

	SCHEMA_ARGV,	    /* const char *const *, not empty */
	SCHEMA_TOKENS,	    /* const char *const *: protocols */
	SCHEMA_NAMES,	    /* const char *const *: services */
	SCHEMA_ENV,	    /* struct conf_service */
	SCHEMA_REPLICAS,    /* struct conf_service */
	SCHEMA_READY,	    /* struct conf_check */
	SCHEMA_CHECK_PATH,  /* struct conf_check */
	SCHEMA_CHECK_TCP,   /* struct conf_check */
	SCHEMA_CHECK_EXEC,  /* struct conf_check */
	SCHEMA_SIGNAL,	    /* int */
	SCHEMA_HASH,	    /* struct conf_service */
	SCHEMA_ROUTE_PATH,  /* struct conf_route */
	SCHEMA_ROUTE_EXACT, /* struct conf_route */
	SCHEMA_METHODS,	    /* unsigned: bits */
	SCHEMA_SET,	    /* struct conf_headers: names and values */
	SCHEMA_REMOVE,	    /* const char *const *: headers */
	SCHEMA_FIELDS,	    /* const char *const *: headers, any at all */
	SCHEMA_TARGET,	    /* const char *: of a redirect */
	SCHEMA_STATUS,	    /* unsigned: of a redirect */
	SCHEMA_RATE,	    /* struct conf_rate */
	SCHEMA_BURST,	    /* unsigned; 0 is not said */
	SCHEMA_RATE_KEY,    /* const char *: a header, or NULL */
	SCHEMA_ORIGINS,	    /* const char *const * */
	SCHEMA_SWITCH,	    /* bool; false is not said */
	SCHEMA_AGE,	    /* uint64_t, ms; 0 is not said */
	SCHEMA_WORKERS,	    /* unsigned, or auto */
	SCHEMA_REGISTRY,    /* struct conf_registry */
	SCHEMA_NETWORKS,    /* struct conf */

	SCHEMA_ALGORITHMS, /* unsigned: bits */
	SCHEMA_CALLS,	   /* unsigned: bits of enum seccomp_group */
	SCHEMA_FIELD,	   /* const char *: a header that drover may set */
	SCHEMA_PASSED,	   /* const char *const *: likewise */
	SCHEMA_COOKIE,	   /* const char * */
	SCHEMA_REQUIRE,	   /* const char *const *: name=value */
	SCHEMA_CLAIMS,	   /* const char *const *: name=header */
	SCHEMA_NTYPES
};

/* What a changed value asks for. */
enum schema_reload {
	SCHEMA_LIVE,	/* a reload applies it in place */
	SCHEMA_RESPAWN, /* the service's processes are replaced, one by one */
	SCHEMA_DROVER	/* not by a reload: drover itself must be restarted */
};

struct schema {
	const char *path;
	enum schema_type type;
	enum schema_reload reload;
	size_t offset;
	size_t count; /* ELEMENTS: offset of how many there are; GROUP: of what
			 is 0 where it is not there at all; 0: it always is */
	size_t size;  /* ELEMENTS: bytes of one */
	size_t line;  /* ELEMENTS: offset in one of its line; 0: none */
	uint64_t min, max;   /* numbers: the range; lists: how many */
	const char *choices; /* ENUM, FLAG: "files|journal" */
	const char *preset;  /* the default, as YAML; NULL: none */
	const char *derived; /* where there is none: what stands in for it */
	bool required;
	const char *scalar; /* GROUP: the key a bare value is short for */
	const char *key;    /* GROUP: without this one it says nothing */
	bool noted; /* GROUP: a bool at offset tells whether it stands there */
	const char *text; /* for a person: one or two sentences */
};

/* Both tables end where path is NULL. */
extern const struct schema schema_root[];    /* drover.yaml */
extern const struct schema schema_service[]; /* services.d */

/* Rows in a table, and the row of a path; SIZE_MAX if there is none. */
size_t schema_len(const struct schema *table);
size_t schema_find(const struct schema *table, const char *path);

/*
 * The row of `key` directly below `parent` ("" is the top; "route[]" for the
 * keys of a list's elements), or SIZE_MAX.
 */
size_t schema_child(
    const struct schema *table, const char *parent, const char *key);

/* The key's last part if the row stands directly below parent; else NULL. */
const char *schema_leaf(const struct schema *row, const char *parent);

/* The name of a type as a person would say it: "a duration". */
const char *schema_type_name(enum schema_type type);

/* "an integer from 1 to 256", "one of files, journal". Returns out. */
const char *schema_allowed(const struct schema *row, char *out, size_t size);

#endif /* CONF_SCHEMA_H */
