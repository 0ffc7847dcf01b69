/* SPDX-License-Identifier: ISC */

#include "video/probe.h"

#include <inttypes.h>
#include <libavutil/display.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdio.h>

#include "video/report.h"

/* --- kinds of values ------------------------------------------------------ */

/* What ffprobe leaves out of its JSON when it is not known is left out. */
static void
put_known(struct report *r, const char *name, const char *value)
{
	if (value != NULL)
		report_text(r, name, value);
}

static void
put_ts(struct report *r, const char *name, int64_t ts)
{
	if (ts != AV_NOPTS_VALUE)
		report_int(r, name, ts);
}

static void
put_time(struct report *r, const char *name, int64_t ts, AVRational base)
{
	if (ts != AV_NOPTS_VALUE)
		report_printf(r, name, "%f", (double)ts * av_q2d(base));
}

static void
put_ratio(struct report *r, const char *name, AVRational q, char separator)
{
	report_printf(r, name, "%d%c%d", q.num, separator, q.den);
}

static void
put_positive(struct report *r, const char *name, int64_t value)
{
	if (value > 0)
		report_printf(r, name, "%" PRId64, value);
}

static void
put_tags(struct report *r, const AVDictionary *tags)
{
	const AVDictionaryEntry *tag = NULL;

	if (av_dict_count(tags) == 0)
		return;
	report_object(r, "tags");
	while (
	    (tag = av_dict_get(tags, "", tag, AV_DICT_IGNORE_SUFFIX)) != NULL)
		report_text(r, tag->key, tag->value);
	report_close(r);
}

/* --- a stream ------------------------------------------------------------- */

static void
put_codec(struct report *r, const AVCodecParameters *p)
{
	const AVCodecDescriptor *d = avcodec_descriptor_get(p->codec_id);
	const char *profile = avcodec_profile_name(p->codec_id, p->profile);

	if (d != NULL) {
		report_text(r, "codec_name", d->name);
		report_text(r, "codec_long_name",
		    d->long_name != NULL ? d->long_name : "unknown");
	}
	if (profile != NULL)
		report_text(r, "profile", profile);
	else if (p->profile != FF_PROFILE_UNKNOWN)
		report_printf(r, "profile", "%d", p->profile);
	put_known(r, "codec_type", av_get_media_type_string(p->codec_type));
	report_text(r, "codec_tag_string", av_fourcc2str(p->codec_tag));
	report_printf(r, "codec_tag", "0x%04" PRIx32, p->codec_tag);
}

static void
put_colour(struct report *r, const AVCodecParameters *p)
{
	if (p->color_range != AVCOL_RANGE_UNSPECIFIED)
		put_known(
		    r, "color_range", av_color_range_name(p->color_range));
	if (p->color_space != AVCOL_SPC_UNSPECIFIED)
		put_known(
		    r, "color_space", av_color_space_name(p->color_space));
	if (p->color_trc != AVCOL_TRC_UNSPECIFIED)
		put_known(
		    r, "color_transfer", av_color_transfer_name(p->color_trc));
	if (p->color_primaries != AVCOL_PRI_UNSPECIFIED)
		put_known(r, "color_primaries",
		    av_color_primaries_name(p->color_primaries));
	if (p->chroma_location != AVCHROMA_LOC_UNSPECIFIED)
		put_known(r, "chroma_location",
		    av_chroma_location_name(p->chroma_location));
}

static const char *
field_order(enum AVFieldOrder order)
{
	switch (order) {
	case AV_FIELD_PROGRESSIVE:
		return "progressive";
	case AV_FIELD_TT:
		return "tt";
	case AV_FIELD_BB:
		return "bb";
	case AV_FIELD_TB:
		return "tb";
	case AV_FIELD_BT:
		return "bt";
	case AV_FIELD_UNKNOWN:
		break;
	}
	return NULL;
}

static void
put_aspect(struct report *r, AVFormatContext *f, AVStream *s)
{
	const AVCodecParameters *p = s->codecpar;
	AVRational sar = av_guess_sample_aspect_ratio(f, s, NULL), dar;

	if (sar.num == 0)
		return;
	put_ratio(r, "sample_aspect_ratio", sar, ':');
	av_reduce(&dar.num, &dar.den, p->width * (int64_t)sar.num,
	    p->height * (int64_t)sar.den, 1024 * 1024);
	put_ratio(r, "display_aspect_ratio", dar, ':');
}

/* dec is NULL where there is no decoder. */
static void
put_video(struct report *r, AVFormatContext *f, AVStream *s,
    const AVCodecContext *dec)
{
	const AVCodecParameters *p = s->codecpar;

	report_int(r, "width", p->width);
	report_int(r, "height", p->height);
	if (dec != NULL) {
		report_int(r, "coded_width", dec->coded_width);
		report_int(r, "coded_height", dec->coded_height);
		report_int(r, "closed_captions",
		    (dec->properties & FF_CODEC_PROPERTY_CLOSED_CAPTIONS) != 0);
		report_int(r, "film_grain",
		    (dec->properties & FF_CODEC_PROPERTY_FILM_GRAIN) != 0);
	}
	report_int(r, "has_b_frames", p->video_delay);
	put_aspect(r, f, s);
	put_known(r, "pix_fmt", av_get_pix_fmt_name(p->format));
	report_int(r, "level", p->level);
	put_colour(r, p);
	put_known(r, "field_order", field_order(p->field_order));
	if (dec != NULL)
		report_int(r, "refs", dec->refs);
}

static void
put_audio(struct report *r, const AVCodecParameters *p)
{
	char layout[128];

	put_known(r, "sample_fmt", av_get_sample_fmt_name(p->format));
	report_printf(r, "sample_rate", "%d", p->sample_rate);
	report_int(r, "channels", p->ch_layout.nb_channels);
	if (p->ch_layout.order != AV_CHANNEL_ORDER_UNSPEC &&
	    av_channel_layout_describe(&p->ch_layout, layout, sizeof(layout)) >
		0)
		report_text(r, "channel_layout", layout);
	report_int(r, "bits_per_sample", av_get_bits_per_sample(p->codec_id));
}

static void
put_kind(struct report *r, AVFormatContext *f, AVStream *s,
    const AVCodecContext *dec)
{
	const AVCodecParameters *p = s->codecpar;

	if (p->codec_type == AVMEDIA_TYPE_VIDEO)
		put_video(r, f, s, dec);
	else if (p->codec_type == AVMEDIA_TYPE_AUDIO)
		put_audio(r, p);
	else if (p->codec_type == AVMEDIA_TYPE_SUBTITLE && p->width > 0)
		report_int(r, "width", p->width);
	if (p->codec_type == AVMEDIA_TYPE_SUBTITLE && p->height > 0)
		report_int(r, "height", p->height);
}

/* What a decoder found out and marks for export: is_avc, ... */
static void
put_exported(struct report *r, const AVCodecContext *dec)
{
	const AVOption *o = NULL;
	uint8_t *text;

	if (dec == NULL || dec->codec->priv_class == NULL)
		return;
	while ((o = av_opt_next(dec->priv_data, o)) != NULL) {
		if ((o->flags & AV_OPT_FLAG_EXPORT) == 0 ||
		    av_opt_get(dec->priv_data, o->name, 0, &text) < 0)
			continue;
		report_text(r, o->name, (const char *)text);
		av_free(text);
	}
}

static void
put_times(struct report *r, const AVFormatContext *f, const AVStream *s,
    const AVCodecContext *dec)
{
	if ((f->iformat->flags & AVFMT_SHOW_IDS) != 0)
		report_printf(r, "id", "0x%x", (unsigned)s->id);
	put_ratio(r, "r_frame_rate", s->r_frame_rate, '/');
	put_ratio(r, "avg_frame_rate", s->avg_frame_rate, '/');
	put_ratio(r, "time_base", s->time_base, '/');
	put_ts(r, "start_pts", s->start_time);
	put_time(r, "start_time", s->start_time, s->time_base);
	put_ts(r, "duration_ts", s->duration);
	put_time(r, "duration", s->duration, s->time_base);
	put_positive(r, "bit_rate", s->codecpar->bit_rate);
	if (dec != NULL) {
		put_positive(r, "max_bit_rate", dec->rc_max_rate);
		put_positive(
		    r, "bits_per_raw_sample", dec->bits_per_raw_sample);
	}
	if (s->nb_frames != 0)
		report_printf(r, "nb_frames", "%" PRId64, s->nb_frames);
	if (s->codecpar->extradata_size > 0)
		report_int(r, "extradata_size", s->codecpar->extradata_size);
}

static void
put_disposition(struct report *r, int disposition)
{
	static const struct {
		const char *name;
		int flag;
	} flags[] = {
		{ "default", AV_DISPOSITION_DEFAULT },
		{ "dub", AV_DISPOSITION_DUB },
		{ "original", AV_DISPOSITION_ORIGINAL },
		{ "comment", AV_DISPOSITION_COMMENT },
		{ "lyrics", AV_DISPOSITION_LYRICS },
		{ "karaoke", AV_DISPOSITION_KARAOKE },
		{ "forced", AV_DISPOSITION_FORCED },
		{ "hearing_impaired", AV_DISPOSITION_HEARING_IMPAIRED },
		{ "visual_impaired", AV_DISPOSITION_VISUAL_IMPAIRED },
		{ "clean_effects", AV_DISPOSITION_CLEAN_EFFECTS },
		{ "attached_pic", AV_DISPOSITION_ATTACHED_PIC },
		{ "timed_thumbnails", AV_DISPOSITION_TIMED_THUMBNAILS },
		{ "captions", AV_DISPOSITION_CAPTIONS },
		{ "descriptions", AV_DISPOSITION_DESCRIPTIONS },
		{ "metadata", AV_DISPOSITION_METADATA },
		{ "dependent", AV_DISPOSITION_DEPENDENT },
		{ "still_image", AV_DISPOSITION_STILL_IMAGE },
	};

	report_object(r, "disposition");
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		report_int(
		    r, flags[i].name, (disposition & flags[i].flag) != 0);
	report_close(r);
}

/* --- data beside a stream ------------------------------------------------- */

static void
put_matrix(struct report *r, const uint8_t *data)
{
	const int32_t *m = (const int32_t *)(const void *)data;
	double angle = av_display_rotation_get(m);
	char text[160];
	int n = 0;

	for (int row = 0; row < 3; row++)
		n += snprintf(text + n, sizeof(text) - (size_t)n,
		    "%s%08x:  %11d %11d %11d\n", row == 0 ? "\n" : "", row,
		    m[3 * row], m[3 * row + 1], m[3 * row + 2]);
	report_text(r, "displaymatrix", text);
	report_int(r, "rotation", isnan(angle) ? 0 : (int64_t)angle);
}

static void
put_mastering(struct report *r, const AVMasteringDisplayMetadata *m)
{
	static const char *const names[3][2] = { { "red_x", "red_y" },
		{ "green_x", "green_y" }, { "blue_x", "blue_y" } };

	if (m->has_primaries) {
		for (int i = 0; i < 3; i++)
			for (int j = 0; j < 2; j++)
				put_ratio(r, names[i][j],
				    m->display_primaries[i][j], '/');
		put_ratio(r, "white_point_x", m->white_point[0], '/');
		put_ratio(r, "white_point_y", m->white_point[1], '/');
	}
	if (m->has_luminance) {
		put_ratio(r, "min_luminance", m->min_luminance, '/');
		put_ratio(r, "max_luminance", m->max_luminance, '/');
	}
}

static void
put_side(struct report *r, const AVPacketSideData *d)
{
	const void *data = d->data;

	put_known(r, "side_data_type", av_packet_side_data_name(d->type));
	if (d->type == AV_PKT_DATA_DISPLAYMATRIX && d->size >= 9 * 4) {
		put_matrix(r, data);
	} else if (d->type == AV_PKT_DATA_MASTERING_DISPLAY_METADATA) {
		put_mastering(r, data);
	} else if (d->type == AV_PKT_DATA_CONTENT_LIGHT_LEVEL) {
		const AVContentLightMetadata *light = data;

		report_int(r, "max_content", light->MaxCLL);
		report_int(r, "max_average", light->MaxFALL);
	} else if (d->type == AV_PKT_DATA_CPB_PROPERTIES) {
		const AVCPBProperties *cpb = data;

		report_int(r, "max_bitrate", cpb->max_bitrate);
		report_int(r, "min_bitrate", cpb->min_bitrate);
		report_int(r, "avg_bitrate", cpb->avg_bitrate);
		report_int(r, "buffer_size", cpb->buffer_size);
		report_int(r, "vbv_delay", (int64_t)cpb->vbv_delay);
	}
}

static void
put_sides(struct report *r, const AVStream *s)
{
	if (s->nb_side_data == 0)
		return;
	report_list(r, "side_data_list");
	for (int i = 0; i < s->nb_side_data; i++) {
		report_object(r, NULL);
		put_side(r, &s->side_data[i]);
		report_close(r);
	}
	report_close(r);
}

/* --- the file ------------------------------------------------------------- */

static void
put_stream(struct report *r, AVFormatContext *f, AVStream *s,
    const struct video_limits *limits)
{
	struct svc_refusal none = { .problem = NULL };
	AVCodecContext *dec = media_decoder(s, limits, 1, &none);

	report_object(r, NULL);
	report_int(r, "index", s->index);
	put_codec(r, s->codecpar);
	put_kind(r, f, s, dec);
	put_exported(r, dec);
	put_times(r, f, s, dec);
	put_disposition(r, s->disposition);
	put_tags(r, s->metadata);
	put_sides(r, s);
	report_close(r);
	avcodec_free_context(&dec);
}

static void
put_format(struct report *r, const struct media *m)
{
	const AVFormatContext *f = m->format;

	report_object(r, "format");
	report_int(r, "nb_streams", f->nb_streams);
	report_int(r, "nb_programs", f->nb_programs);
	report_text(r, "format_name", f->iformat->name);
	put_known(r, "format_long_name", f->iformat->long_name);
	put_time(r, "start_time", f->start_time, AV_TIME_BASE_Q);
	put_time(r, "duration", f->duration, AV_TIME_BASE_Q);
	report_printf(r, "size", "%" PRId64, m->size);
	put_positive(r, "bit_rate", f->bit_rate);
	report_int(r, "probe_score", f->probe_score);
	put_tags(r, f->metadata);
	report_close(r);
}

int
probe_write(struct media *m, const struct video_limits *limits, struct buf *out)
{
	AVFormatContext *f = m->format;
	struct report r;

	report_begin(&r, out);
	report_list(&r, "streams");
	for (unsigned i = 0; i < f->nb_streams; i++)
		put_stream(&r, f, f->streams[i], limits);
	report_close(&r);
	put_format(&r, m);
	return report_end(&r);
}
