/* crc32c.h - CRC-32C (Castagnoli), RFC 3720 appendix B.4. */
#ifndef NNO_BASE_CRC32C_H
#define NNO_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 at first) over n bytes. */
uint32_t nno_crc32c(uint32_t crc, const void *data, size_t n);

#endif
