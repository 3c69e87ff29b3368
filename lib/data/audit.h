/* audit.h - the list of findings, and what the checks share. */
#ifndef NNO_DATA_AUDIT_H
#define NNO_DATA_AUDIT_H

#include "data/data.h"

#include "base/text.h"
#include "nnopt/audit.h"

typedef struct nno_finding {
	int64_t index, other, suggested_label;
	double score;
	int32_t kind, suggestion;
	bool elsewhere; /* `other` is a sample of `against` */
	char *text;     /* of the audit */
} nno_finding;

struct nnopt_audit {
	nno_ref ref;
	nnopt_dataset *dataset;
	nnopt_dataset *against; /* what was compared with; NULL: nothing */
	nno_finding *list;
	int64_t count, room;
};

/* Appends a copy of *finding, whose text is made of `format` (integers and strings only). OUT_OF_MEMORY alone. */
nnopt_status nno_audit_add(nnopt_audit *audit, const nno_finding *finding, const char *format, ...) NNO_PRINTF(3, 4);

/* Back to the first `count` findings: a check that fails adds nothing. */
void nno_audit_shorten(nnopt_audit *audit, int64_t count);

/* --- pictures as fingerprints, audit_hash.c --- */

enum { NNO_THUMB = 16, NNO_HASH_SIDE = 32, NNO_HASH_LOW = 8 };

/* The cosines of the hash's transform, the same for all pictures. */
typedef struct nno_waves {
	double at[NNO_HASH_LOW][NNO_HASH_SIDE];
} nno_waves;

void nno_waves_make(nno_waves *waves);

/* What is kept of a picture. */
typedef struct nno_print {
	uint64_t pixels;      /* hash of size and bytes */
	uint64_t frequencies; /* perceptual hash */
	int64_t h, w;
	int64_t label;
	double deviation; /* of its values in [0, 1] */
	uint8_t thumb[NNO_THUMB * NNO_THUMB * 3];
} nno_print;

/* Bytes of scratch that nno_print_make() wants for a picture of that size. */
size_t nno_print_room(int64_t h, int64_t w);
void nno_print_make(nno_print *print, const nno_picture *picture, const nno_waves *waves, void *room);
/* 1 for equal thumbnails, less the more they differ in parts of their own contrast; 0 at least. */
double nno_print_likeness(const nno_print *a, const nno_print *b);

/* --- all pictures, audit_pictures.c --- */

enum { NNO_MOST_DISTANCE = 7 };

/* Samples are numbered through: those of the dataset, then those of the other one. */
typedef struct nno_survey {
	nnopt_audit *audit;
	const nnopt_audit_pictures_options *o;
	const nno_alloc *alloc;
	int64_t own, all;
	nno_waves waves;
	nno_print *prints;
	char **errors;       /* NULL: readable */
	nno_room *rooms;     /* two a slot: of pictures, and scratch */
	bool *out_of_memory; /* a slot */
} nno_survey;

nnopt_dataset *nno_survey_dataset(const nno_survey *survey, int64_t sample, int64_t *index);
bool nno_survey_constant(const nno_survey *survey, int64_t sample);
/* OUT_OF_MEMORY if a task met it. */
nnopt_status nno_survey_check(const nno_survey *survey);
nno_finding nno_finding_of(int64_t index, int32_t kind, int32_t suggestion, double score);
/* Duplicates, exact and near, within and across. audit_pairs.c */
nnopt_status nno_survey_pairs(const nno_survey *survey);

#endif
