/* convert.h - one number between formats. f16 and bf16 are carried as their bits. */
#ifndef NNO_TENSOR_CONVERT_H
#define NNO_TENSOR_CONVERT_H

#include <stdint.h>

float nno_f16_to_f32(uint16_t bits);
/* Nearest even; overflow is infinity, NaN stays a quiet NaN. */
uint16_t nno_f32_to_f16(float value);
float nno_bf16_to_f32(uint16_t bits);
uint16_t nno_f32_to_bf16(float value);

#endif
