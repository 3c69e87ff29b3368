/* events_wire.c - protocol buffers, as far as event files need them. A message inside another is written in place, and
 * moved up by its length once that is known, so lengths are as short as other writers make them. */
#include "report/events.h"

#include <string.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5, LONGEST = 10 };

static size_t put_varint(char to[LONGEST], uint64_t value)
{
	size_t n = 0;
	for (; value >= 0x80; value >>= 7)
		to[n++] = (char)(value | 0x80);
	to[n++] = (char)value;
	return n;
}

static void add_varint(nno_text *t, uint64_t value)
{
	char bytes[LONGEST];
	nno_text_add_n(t, bytes, put_varint(bytes, value));
}

static void add_key(nno_text *t, int field, int type) { add_varint(t, (uint64_t)field << 3 | (uint64_t)type); }

static void add_fixed(nno_text *t, uint64_t bits, size_t n)
{
	char bytes[8];
	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)(bits >> 8 * i);
	nno_text_add_n(t, bytes, n);
}

void nno_wire_put64(nno_text *t, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	add_fixed(t, bits, sizeof bits);
}

void nno_wire_put32(nno_text *t, float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	add_fixed(t, bits, sizeof bits);
}

void nno_wire_number(nno_text *t, int field, uint64_t value)
{
	add_key(t, field, VARINT);
	add_varint(t, value);
}

void nno_wire_double(nno_text *t, int field, double value)
{
	add_key(t, field, FIXED64);
	nno_wire_put64(t, value);
}

void nno_wire_float(nno_text *t, int field, float value)
{
	add_key(t, field, FIXED32);
	nno_wire_put32(t, value);
}

void nno_wire_bytes(nno_text *t, int field, const void *data, size_t n)
{
	add_key(t, field, BYTES);
	add_varint(t, n);
	nno_text_add_n(t, data, n);
}

void nno_wire_text(nno_text *t, int field, const char *text) { nno_wire_bytes(t, field, text, strlen(text)); }

size_t nno_wire_open(nno_text *t, int field)
{
	add_key(t, field, BYTES);
	return t->length;
}

void nno_wire_close(nno_text *t, size_t opened)
{
	char bytes[LONGEST];
	size_t n = t->length - opened, head = put_varint(bytes, n);
	nno_text_add_n(t, bytes, head);
	if (t->failed)
		return;
	memmove(t->data + opened + head, t->data + opened, n);
	memcpy(t->data + opened, bytes, head);
}
