/* SPDX-License-Identifier: ISC */

/*
 * Whatever a file says of itself is JSON in strict UTF-8 with a ceiling, and
 * an answer of a contained process is of its shape or nothing.
 */

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "video/answer.h"
#include "video/report.h"

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes up to each NUL are a name, then a value, and so on. */
static void
report(const char *text, size_t size)
{
	struct report r;
	struct buf out;
	bool named = false;
	const char *name = "";
	int ended;

	buf_init(&out, 65536);
	report_begin(&r, &out);
	report_object(&r, "tags");
	for (size_t at = 0; at < size; at += strlen(text + at) + 1) {
		if (named)
			report_text(&r, name, text + at);
		name = text + at;
		named = !named;
	}
	ended = report_end(&r);
	MUST(out.len <= 65536);
	if (ended == 0) {
		json_t *o = json_loadb(out.data, out.len, 0, NULL);

		MUST(o != NULL);
		json_decref(o);
	} else {
		MUST(ended == -ENOBUFS || ended == -ENOMEM);
	}
	buf_done(&out);
}

static void
answer(struct span in)
{
	struct svc_refusal refusal = { .problem = NULL };
	enum video_media media = VIDEO_MEDIA_LEN;
	struct span out;
	int r = video_answer_read(in, &media, &out, &refusal);

	if (r == 0)
		MUST(media < VIDEO_MEDIA_LEN &&
		    out.n + VIDEO_ANSWER_HEAD == in.n);
	else if (r == -EINVAL)
		MUST(refusal.problem != NULL);
	else
		MUST(r == -EPROTO && refusal.problem == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (text == NULL)
		return 0;
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	answer((struct span){ text, size });
	report(text, size);
	free(text);
	return 0;
}
