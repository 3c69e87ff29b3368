/* html_pictures.c - pictures as PNG inside the page, and the worst mistakes with what the model looked at. */
#include "report/html.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

enum { TINY = 96 }; /* pixels: below, a picture is shown pixel by pixel */

/* --- one picture --- */

/* The mean of the pixels that fall into each pixel of the smaller one, whole pixels only. */
static void shrink(uint8_t *dst, int64_t h, int64_t w, const nnopt_tensor *src, int64_t sh, int64_t sw, int64_t c)
{
	const uint8_t *from = nnopt_tensor_const_data(src);
	bool planes = nnopt_tensor_layout(src) == NNOPT_NCHW;
	int64_t step = planes ? 1 : c, plane = planes ? sh * sw : 1;
	for (int64_t y = 0; y < h; y++)
		for (int64_t x = 0; x < w; x++) {
			int64_t y0 = y * sh / h, y1 = (y + 1) * sh / h, x0 = x * sw / w, x1 = (x + 1) * sw / w;
			for (int64_t k = 0; k < c; k++) {
				int64_t sum = 0;
				for (int64_t i = y0; i < y1; i++)
					for (int64_t j = x0; j < x1; j++)
						sum += from[(i * sw + j) * step + k * plane];
				*dst++ = (uint8_t)((sum + (y1 - y0) * (x1 - x0) / 2) / ((y1 - y0) * (x1 - x0)));
			}
		}
}

static nnopt_status shrunk(nnopt_tensor **out, const nnopt_report *r, const nnopt_tensor *picture)
{
	int32_t rank = nnopt_tensor_rank(picture);
	int64_t c = nnopt_tensor_extent(picture, rank - 3), h = nnopt_tensor_extent(picture, rank - 2);
	int64_t w = nnopt_tensor_extent(picture, rank - 1), longer = h > w ? h : w;
	int64_t to[4] = { 1, c, nno_i64_max(1, h * r->picture_side / longer),
			  nno_i64_max(1, w * r->picture_side / longer) };
	NNO_TRY(nnopt_tensor_create(out, r->context, NNOPT_U8, 4, to, NNOPT_NHWC));
	shrink(nnopt_tensor_data(*out), to[2], to[3], picture, h, w, c);
	return NNOPT_OK;
}

static nnopt_status check_picture(const nnopt_tensor *p)
{
	int32_t rank = p == NULL ? 0 : nnopt_tensor_rank(p);
	int64_t c = rank >= 3 ? nnopt_tensor_extent(p, rank - 3) : 0;
	if ((rank == 3 || (rank == 4 && nnopt_tensor_extent(p, 0) == 1)) && nnopt_tensor_dtype(p) == NNOPT_U8 &&
	    (c == 1 || c == 3) && nnopt_tensor_count(p) > 0)
		return NNOPT_OK;
	return nno_fail(
	    NNOPT_ERROR_INVALID_ARGUMENT,
	    "report: a picture of %s, rank %d and %lld channels, u8 (1, C, H, W) or (C, H, W) with C of 1 or 3 wanted",
	    p == NULL ? "NULL" : nnopt_dtype_name(nnopt_tensor_dtype(p)), rank, (long long)c);
}

static nnopt_status encode(const nnopt_report *r, nno_text *t, const nnopt_tensor *picture)
{
	const nno_alloc *a = &r->context->alloc;
	size_t needed = 0;
	NNO_TRY(nnopt_image_encode_png(picture, NULL, 0, &needed));
	void *png = nno_new_raw(a, needed);
	if (png == NULL)
		return nno_fail_memory("report: a picture", needed);
	nnopt_status status = nnopt_image_encode_png(picture, png, needed, NULL);
	if (status == NNOPT_OK)
		nno_text_add_base64(t, png, needed);
	nno_delete(a, png);
	return status;
}

nnopt_status nno_report_picture(const nnopt_report *r, nno_text *t, const nnopt_tensor *picture, const char *alt)
{
	NNO_TRY(check_picture(picture));
	int32_t rank = nnopt_tensor_rank(picture);
	nnopt_tensor *small = NULL;
	if (nnopt_tensor_extent(picture, rank - 1) > r->picture_side ||
	    nnopt_tensor_extent(picture, rank - 2) > r->picture_side)
		NNO_TRY(shrunk(&small, r, picture));
	const nnopt_tensor *shown = small != NULL ? small : picture;
	rank = nnopt_tensor_rank(shown);
	int64_t h = nnopt_tensor_extent(shown, rank - 2), w = nnopt_tensor_extent(shown, rank - 1);
	nno_text_addf(t, "<img width=\"%lld\" height=\"%lld\"%s alt=\"", (long long)w, (long long)h,
		      h < TINY && w < TINY ? " class=\"tiny\"" : "");
	nno_text_add_xml(t, alt);
	nno_text_add(t, "\" src=\"data:image/png;base64,");
	nnopt_status status = encode(r, t, shown);
	nno_text_add(t, "\">");
	nnopt_tensor_destroy(small);
	return status;
}

nnopt_status nnopt_report_add_pictures(nnopt_report *report, const char *title, const nnopt_tensor *const *pictures,
				       const char *const *captions, int64_t count)
{
	NNO_TRY(nno_report_check(report, count == 0 ? "" : (const void *)pictures, "pictures", "report_add_pictures"));
	NNO_TRY(nno_report_check_count(count, "report_add_pictures"));
	nno_text t;
	nnopt_status status = NNOPT_OK;
	nno_text_start(&t, &report->context->alloc);
	nno_text_add(&t, "<div class=\"pictures\">\n");
	for (int64_t i = 0; i < count && status == NNOPT_OK; i++) {
		const char *caption = captions != NULL && captions[i] != NULL ? captions[i] : "";
		nno_text_add(&t, "<figure>");
		status = nno_report_picture(report, &t, pictures[i], caption);
		nno_text_add(&t, "<figcaption>");
		nno_text_add_xml(&t, caption);
		nno_text_add(&t, "</figcaption></figure>\n");
	}
	nno_text_add(&t, "</div>\n");
	if (status == NNOPT_OK)
		return nno_report_put(report, title != NULL ? title : "Pictures", &t, "report_add_pictures");
	nno_text_free(&t);
	return status;
}

/* --- mistakes --- */

static const nnopt_report_mistakes_options mistakes_defaults = { .struct_size = sizeof mistakes_defaults,
								 .most = 24,
								 .by = NNOPT_WORST_BY_CONFIDENCE };

nnopt_status nnopt_report_mistakes_options_init(nnopt_report_mistakes_options *options, size_t size)
{
	return nnopt_options_init(options, size, &mistakes_defaults, sizeof mistakes_defaults,
				  "report_mistakes_options");
}

enum { MOST = 256 };

typedef struct mistakes {
	const nnopt_report *report;
	nnopt_report_mistakes_options o;
	nnopt_dataset *dataset;
	const nnopt_tensor *probabilities;
	nnopt_tensor *labels; /* i64 */
	int64_t index[MOST], predicted[MOST];
	double confidence[MOST];
	int64_t count;
	nnopt_tensor *maps; /* NULL: none */
	int64_t row[MOST];  /* of each in the maps; -1: its picture did not come */
} mistakes;

static nnopt_status find(mistakes *m)
{
	int64_t classes = nnopt_tensor_extent(m->probabilities, 1);
	NNO_TRY(nnopt_dataset_labels(&m->labels, m->dataset));
	NNO_TRY(nnopt_worst_samples(m->index, NULL, &m->count, m->probabilities, m->labels, m->o.by, m->o.most));
	for (int64_t i = 0; i < m->count; i++) {
		const float *row = (const float *)nnopt_tensor_const_data(m->probabilities) + m->index[i] * classes;
		for (int64_t c = 1; c < classes; c++)
			m->predicted[i] = row[c] > row[m->predicted[i]] ? c : m->predicted[i];
		m->confidence[i] = (double)row[m->predicted[i]];
		m->row[i] = -1;
	}
	return NNOPT_OK;
}

/* The loader's batches joined, in their order, and which mistake each row is. */
static nnopt_status gather(mistakes *m, nnopt_loader *loader, nnopt_tensor **images)
{
	int64_t shape[4] = { m->count }, at = 0;
	NNO_TRY(nnopt_loader_sample_shape(loader, shape + 1));
	NNO_TRY(nnopt_tensor_create(images, m->report->context, NNOPT_F32, 4, shape, NNOPT_NHWC));
	float *to = nnopt_tensor_data(*images);
	NNO_TRY(nnopt_loader_start(loader, 0, 0));
	for (;;) {
		const nnopt_batch *batch = NULL;
		NNO_TRY(nnopt_loader_next(loader, &batch));
		if (batch == NULL)
			return NNOPT_OK;
		memcpy(to, nnopt_tensor_const_data(batch->images), nnopt_tensor_bytes(batch->images));
		to += nnopt_tensor_count(batch->images);
		for (int64_t i = 0; i < batch->count; i++)
			m->row[batch->indices[i]] = at++;
	}
}

static nnopt_status draw_maps(mistakes *m, nnopt_loader *loader)
{
	nnopt_tensor *images = NULL;
	nnopt_grad_cam_options o;
	int64_t classes[MOST] = { 0 };
	NNO_TRY(nnopt_grad_cam_options_init(&o, sizeof o));
	nnopt_status status = gather(m, loader, &images);
	for (int64_t i = 0; i < m->count; i++)
		if (m->row[i] >= 0)
			classes[m->row[i]] = m->predicted[i];
	o.layer = m->o.layer;
	o.classes = classes;
	if (status == NNOPT_OK)
		status = nnopt_grad_cam(&m->maps, m->o.model, images, &o);
	nnopt_tensor_destroy(images);
	return status;
}

static nnopt_status find_maps(mistakes *m)
{
	nnopt_dataset *subset = NULL;
	nnopt_loader *loader = NULL;
	nnopt_loader_options o;
	NNO_TRY(nnopt_loader_options_init(&o, sizeof o));
	o.batch = 16;
	o.workers = 0;
	o.cache_bytes = 0;
	o.max_bad_fraction = 1.0;
	nnopt_status status = nnopt_dataset_subset(&subset, m->dataset, m->index, m->count);
	if (status == NNOPT_OK)
		status = nnopt_loader_create(&loader, subset, m->o.transforms, &o);
	if (status == NNOPT_OK)
		status = draw_maps(m, loader);
	nnopt_loader_destroy(loader);
	nnopt_dataset_destroy(subset);
	return status;
}

static const char *class_name(const mistakes *m, int64_t index, char number[NNO_REPORT_NUMBER])
{
	const char *name = m->o.class_names == NULL ? nnopt_dataset_class_name(m->dataset, index) : NULL;
	return name != NULL ? name : nno_report_name(m->o.class_names, index, number);
}

static void add_caption(const mistakes *m, nno_text *t, int64_t i)
{
	char number[NNO_REPORT_NUMBER];
	const char *name = nnopt_dataset_sample_name(m->dataset, m->index[i]);
	int64_t label = ((const int64_t *)nnopt_tensor_const_data(m->labels))[m->index[i]];
	nno_text_add(t, "<figcaption><b>");
	nno_text_add_xml(t, class_name(m, label, number));
	if (label != m->predicted[i]) {
		nno_text_add(t, "</b> taken for <b>");
		nno_text_add_xml(t, class_name(m, m->predicted[i], number));
	}
	nno_text_add(t, "</b>, ");
	nno_report_number(t, 100.0 * m->confidence[i], 1, 0, " % sure");
	nno_text_add(t, " <small>");
	if (name != NULL)
		nno_text_add_xml(t, strrchr(name, '/') != NULL ? strrchr(name, '/') + 1 : name);
	else
		nno_text_addf(t, "sample %lld", (long long)m->index[i]);
	nno_text_add(t, "</small></figcaption>");
}

static nnopt_status add_mistake(const mistakes *m, nno_text *t, int64_t i)
{
	nnopt_tensor *picture = NULL, *overlay = NULL;
	int64_t label;
	nnopt_status status = nnopt_dataset_get(m->dataset, m->index[i], &picture, &label);
	if (status != NNOPT_OK)
		return status == NNOPT_ERROR_OUT_OF_MEMORY ? status : NNOPT_OK;
	nno_text_add(t, "<figure>");
	status = nno_report_picture(m->report, t, picture, "the picture");
	if (status == NNOPT_OK && m->maps != NULL && m->row[i] >= 0) {
		status = nnopt_grad_cam_overlay(&overlay, m->report->context, picture, m->maps, m->row[i], 0.75);
		if (status == NNOPT_OK)
			status = nno_report_picture(m->report, t, overlay, "what speaks for the class predicted");
	}
	add_caption(m, t, i);
	nno_text_add(t, "</figure>\n");
	nnopt_tensor_destroy(overlay);
	nnopt_tensor_destroy(picture);
	return status;
}

/* Without those whose pictures cannot be read. */
static nnopt_status keep_readable(mistakes *m)
{
	int64_t kept = 0;
	for (int64_t i = 0; i < m->count; i++) {
		nnopt_tensor *picture = NULL;
		int64_t label;
		nnopt_status status = nnopt_dataset_get(m->dataset, m->index[i], &picture, &label);
		nnopt_tensor_destroy(picture);
		if (status == NNOPT_ERROR_OUT_OF_MEMORY)
			return status;
		m->index[kept] = m->index[i];
		m->predicted[kept] = m->predicted[i];
		m->confidence[kept] = m->confidence[i];
		kept += status == NNOPT_OK;
	}
	m->count = kept;
	return NNOPT_OK;
}

static nnopt_status write_mistakes(mistakes *m, nno_text *t)
{
	NNO_TRY(find(m));
	if (m->count == 0) {
		nno_text_add(t, "<p>None.</p>\n");
		return NNOPT_OK;
	}
	if (m->o.model != NULL)
		NNO_TRY(keep_readable(m));
	if (m->o.model != NULL && m->count > 0) {
		NNO_TRY(find_maps(m));
		nno_text_add(t,
			     "<p class=\"note\">Beside each picture, where it speaks for the class that was predicted "
			     "(Grad-CAM).</p>\n");
	}
	nno_text_addf(t, "<div class=\"pictures%s\">\n", m->maps != NULL ? " pairs" : "");
	for (int64_t i = 0; i < m->count; i++)
		NNO_TRY(add_mistake(m, t, i));
	nno_text_add(t, "</div>\n");
	return NNOPT_OK;
}

nnopt_status nnopt_report_add_mistakes(nnopt_report *report, const char *title, nnopt_dataset *dataset,
				       const nnopt_tensor *probabilities, const nnopt_report_mistakes_options *options)
{
	NNO_TRY(nno_report_check(report, dataset, "dataset", "report_add_mistakes"));
	NNO_TRY(nno_report_check(report, probabilities, "probabilities", "report_add_mistakes"));
	mistakes m = { .report = report, .o = mistakes_defaults, .dataset = dataset, .probabilities = probabilities };
	NNO_TRY(nnopt_options_read(&m.o, sizeof m.o, options, "report_mistakes_options"));
	if (m.o.most < 1 || m.o.most > MOST)
		return nno_fail(NNOPT_ERROR_INVALID_ARGUMENT, "report_mistakes_options: most %lld, 1 to %d wanted",
				(long long)m.o.most, MOST);
	nno_text t;
	nno_text_start(&t, &report->context->alloc);
	nnopt_status status = write_mistakes(&m, &t);
	nnopt_tensor_destroy(m.maps);
	nnopt_tensor_destroy(m.labels);
	if (status == NNOPT_OK)
		return nno_report_put(report, title != NULL ? title : "Worst mistakes", &t, "report_add_mistakes");
	nno_text_free(&t);
	return status;
}
