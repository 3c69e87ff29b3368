/* hue.c - the hue circle turned: to hue, saturation and value and back as Pillow converts, in bytes in between, to the
 * bit. A block of pixels at a time, colour by colour and without branches, so that the compiler makes vectors of it. */
#include "data/colour.h"

#include <string.h>

#define BLOCK 64 /* long enough that what was stored value by value has arrived when vectors of it are loaded */

/* What a hue means on the way back. */
typedef struct hue_step {
	float fraction;   /* within its sextant */
	uint8_t order[4]; /* which of value, p, q, t each colour is */
} hue_step;

static void make_steps(hue_step steps[256], int turn)
{
	static const uint8_t order[6][4] = { { 0, 3, 1 }, { 2, 0, 1 }, { 1, 0, 3 },
					     { 1, 2, 0 }, { 3, 1, 0 }, { 0, 1, 2 } };
	for (int h = 0; h < 256; h++) {
		double sixth = (double)((h + turn) & 255) * 6.0 / 255.0;
		int sextant = (int)sixth;
		steps[h].fraction = (float)(sixth - (double)sextant);
		memcpy(steps[h].order, order[sextant % 6], 4);
	}
}

typedef struct pixels {
	int32_t r[BLOCK], g[BLOCK], b[BLOCK];
	float value[BLOCK], saturation[BLOCK], after[BLOCK], before[BLOCK], first[BLOCK], fraction[BLOCK];
	int32_t hue[BLOCK];
	uint8_t part[4][BLOCK]; /* value, p, q, t */
} pixels;

static void to_hsv(pixels *p)
{
	for (int i = 0; i < BLOCK; i++) {
		int32_t r = p->r[i], g = p->g[i], b = p->b[i];
		int32_t most = r > g ? r : g, least = r < g ? r : g;
		most = most > b ? most : b;
		least = least < b ? least : b;
		/* Choices are made by masks: the compiler would branch otherwise. */
		int32_t is_r = -(r == most), is_g = -(g == most);
		int32_t last = (is_r & b) | (~is_r & ((is_g & r) | (~is_g & g)));
		int32_t next = (is_r & g) | (~is_r & ((is_g & b) | (~is_g & r)));
		/* Of grey all differences are 0, and so are hue and saturation, whatever they are divided by. */
		float range = (float)(most - least), by = (float)(most - least + (most == least)),
		      top = (float)(most + (most == 0));
		p->first[i] = (float)(~is_r & (4 + 2 * is_g));
		p->after[i] = (float)(most - last) / by;
		p->before[i] = (float)(most - next) / by;
		p->saturation[i] = range / top;
		p->value[i] = (float)most;
	}
	for (int i = 0; i < BLOCK; i++) {
		float sextant = (float)((double)p->first[i] + (double)p->after[i] - (double)p->before[i]);
		double turns = (double)sextant / 6.0 + 1.0, whole = (double)(int32_t)turns;
		float part = (float)(turns - whole);
		p->hue[i] = (int32_t)((double)part * 255.0);
		int32_t saturation = (int32_t)((double)p->saturation[i] * 255.0);
		p->saturation[i] = (float)((double)saturation / 255.0);
	}
}

static void from_hsv(pixels *p)
{
	for (int i = 0; i < BLOCK; i++) {
		float s = p->saturation[i], f = p->fraction[i], sf = s * f;
		double v = (double)p->value[i];
		p->part[0][i] = (uint8_t)(int32_t)p->value[i];
		p->part[1][i] = (uint8_t)(int32_t)(v * (1.0 - (double)s) + 0.5);
		p->part[2][i] = (uint8_t)(int32_t)(v * (1.0 - (double)sf) + 0.5);
		p->part[3][i] = (uint8_t)(int32_t)(v * (1.0 - (double)s * (1.0 - (double)f)) + 0.5);
	}
}

void nno_turn_hue(nno_picture *dst, const nno_picture *src, int steps)
{
	hue_step step[256];
	pixels p = { .r = { 0 } };
	int64_t area = src->h * src->w;
	if (src->c < 3) {
		nno_grey(dst, src);
		return;
	}
	make_steps(step, steps);
	for (int64_t at = 0; at < area; at += BLOCK) {
		int here = area - at < BLOCK ? (int)(area - at) : BLOCK;
		const uint8_t *from = src->pixels + at * src->c;
		uint8_t *to = dst->pixels + at * src->c;
		for (int i = 0; i < here; i++) {
			p.r[i] = from[i * src->c];
			p.g[i] = from[i * src->c + 1];
			p.b[i] = from[i * src->c + 2];
		}
		to_hsv(&p);
		for (int i = 0; i < BLOCK; i++)
			p.fraction[i] = step[p.hue[i]].fraction;
		from_hsv(&p);
		for (int i = 0; i < here; i++) {
			const uint8_t *order = step[p.hue[i]].order;
			if (src->c == 4)
				to[i * 4 + 3] = from[i * 4 + 3];
			for (int c = 0; c < 3; c++)
				to[i * src->c + c] = p.part[order[c]][i];
		}
	}
}
