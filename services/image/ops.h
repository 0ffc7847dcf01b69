/* SPDX-License-Identifier: ISC */

/*
 * ops - one picture in, one picture out, by libvips
 *
 * Everything that knows the codec is here; nothing here knows HTTP. A job is
 * plain values and spans of bytes, so that the process which runs it need not
 * be the one which asked. Blocks; may run on several threads at once.
 *
 * Bytes are hostile: the format is told by its first bytes, only the five
 * decoders that are named here are ever called, the header is held against the
 * limits before a pixel is decoded, and a file that is damaged or cut short is
 * an error, never half a picture.
 */

#ifndef IMAGE_OPS_H
#define IMAGE_OPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "image/params.h"
#include "image/plan.h"
#include "lib/problem.h"

/* Once, before any thread; argv0 is only for the library's own messages. */
int image_ops_init(const char *argv0, struct err *err) MUST_CHECK;

struct image_job {
	struct span in; /* borrowed */
	struct image_params params;
	const struct image_limits *limits; /* borrowed */
	const atomic_bool *stop;	   /* set: nobody waits; or NULL */

	void *out; /* image_job_done() frees it */
	size_t out_len;
	enum image_format out_format;
};

/* 0, or -EINVAL with the refusal; -ECANCELED when it was told to stop. */
int image_run(struct image_job *job, struct svc_refusal *refusal) MUST_CHECK;
void image_job_done(struct image_job *job);

struct image_info {
	struct image_source source;
	int bands;
	bool has_alpha;
	bool has_icc;
};

/* From the header alone; no limit applies. As image_run(). */
int image_inspect(struct span in, struct image_info *info,
    struct svc_refusal *refusal) MUST_CHECK;

#endif /* IMAGE_OPS_H */
