/* SPDX-License-Identifier: ISC */

/*
 * option - the settings of a service, from its command line, by a const table
 *
 *	--workers 4 --body=64MiB
 *
 * --help prints the table. An unknown option, a bad or out-of-range value is
 * an error that says what is allowed. Numbers only: a count, a duration in
 * milliseconds or a size in bytes, each stored as a uint64_t.
 */

#ifndef SVC_OPTION_H
#define SVC_OPTION_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum svc_option_type { SVC_COUNT, SVC_DURATION, SVC_SIZE };

struct svc_option {
	const char *name; /* without the dashes */
	enum svc_option_type type;
	uint64_t min, max;
	uint64_t *value; /* holds the default at first */
	const char *text;
};

enum svc_option_act { SVC_OPTION_RUN, SVC_OPTION_HELP, SVC_OPTION_VERSION };

/*
 * Both tables end with a row without a name; `own` may be NULL. 0 with what to
 * do in *act, or -EINVAL with the reason.
 */
int svc_options_parse(const struct svc_option *lib,
    const struct svc_option *own, int argc, char *const argv[],
    enum svc_option_act *act, struct err *err) MUST_CHECK;

/* The rows of --help. 0, -ENOBUFS or -ENOMEM. */
int svc_options_help(
    struct buf *out, const struct svc_option *options) MUST_CHECK;

#endif /* SVC_OPTION_H */
