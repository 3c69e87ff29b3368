/* frame.c - buffers for the cases of kernels. */
#include "frame.h"

#include "golden.h"
#include "tensor/convert.h"

#include <math.h>
#include <sys/mman.h>

#define BUFFER_BYTES ((size_t)1 << 20)
#define PAGE ((size_t)65536) /* a multiple of every page size in use */

static char *buffers[2][BUFFERS];

const int isas[ISA_LIST] = { NNOPT_ISA_SCALAR, NNOPT_ISA_AVX2, NNOPT_ISA_AVX512, NNOPT_ISA_NEON };

void map_buffers(void)
{
	for (int s = 0; s < 2; s++)
		for (int i = 0; i < BUFFERS; i++) {
			char *p = mmap(NULL, BUFFER_BYTES + 2 * PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			assert_true(p != MAP_FAILED);
			assert_int_equal(mprotect(p, PAGE, PROT_NONE), 0);
			assert_int_equal(mprotect(p + PAGE + BUFFER_BYTES, PAGE, PROT_NONE), 0);
			buffers[s][i] = p + PAGE;
		}
}

void *take(frame *f, size_t bytes)
{
	assert_true(f->given < BUFFERS && bytes <= BUFFER_BYTES / 2);
	size_t room = f->timing ? (bytes + 63) / 64 * 64 + (size_t)f->given * 192 : bytes;
	char *buffer = buffers[f->side][f->given++];
	return f->at_front ? buffer : buffer + BUFFER_BYTES - room;
}

float value(const frame *f, uint32_t stream, int64_t i)
{
	float x = number(stream, (uint32_t)i);
	return f->integers ? rintf(x * 1.9f) : x;
}

float *in(frame *f, int64_t count, float scale)
{
	float *x = take(f, (size_t)count * sizeof *x);
	for (int64_t i = 0; i < count && f->timing < 2; i++)
		x[i] = value(f, (uint32_t)f->given, i) * scale;
	return x;
}

void *result(frame *f, void *p, size_t bytes, element kind)
{
	assert_true(f->n_outputs < OUTPUTS);
	f->outputs[f->n_outputs++] = (output){ p, bytes, kind };
	return p;
}

float *out(frame *f, int64_t count)
{
	float *x = in(f, count, 1.0f);
	return result(f, x, (size_t)count * sizeof *x, FLOATS);
}

double *doubles_out(frame *f, int64_t count)
{
	double *x = take(f, (size_t)count * sizeof *x);
	for (int64_t i = 0; i < count && f->timing < 2; i++)
		x[i] = (double)value(f, (uint32_t)f->given, i);
	return result(f, x, (size_t)count * sizeof *x, DOUBLES);
}

uint8_t *bytes_out(frame *f, int64_t count)
{
	uint8_t *p = take(f, (size_t)count);
	memset(p, 0x55, (size_t)count);
	return result(f, p, (size_t)count, BYTES);
}

int64_t size_of(const frame *f, int which, int64_t most) { return 1 + (f->n * 7 + which * 13 + f->n / 3) % most; }

double number_at(const output *o, size_t i)
{
	switch (o->kind) {
	case FLOATS:
		return (double)((const float *)(const void *)o->at)[i];
	case DOUBLES:
		return ((const double *)(const void *)o->at)[i];
	case BF16S:
		return (double)nno_bf16_to_f32(((const uint16_t *)(const void *)o->at)[i]);
	case F16S:
		return (double)nno_f16_to_f32(((const uint16_t *)(const void *)o->at)[i]);
	default:
		return (double)((const uint8_t *)o->at)[i];
	}
}

double step_at(const output *o, double x)
{
	if (o->kind != BF16S && o->kind != F16S)
		return 0.0;
	int digits = o->kind == BF16S ? 7 : 10, least = o->kind == BF16S ? -126 : -14;
	int exponent = x == 0.0 || !isfinite(x) ? least : ilogb(x);
	return ldexp(1.0, (exponent < least ? least : exponent) - digits);
}
