/* version.c - what was built. */
#include "nnopt/version.h"

#define TEXT2(x) #x
#define TEXT(x) TEXT2(x)
#define VERSION_TEXT TEXT(NNOPT_VERSION_MAJOR) "." TEXT(NNOPT_VERSION_MINOR) "." TEXT(NNOPT_VERSION_PATCH)

#if defined(__x86_64__)
#define ISAS "scalar avx2 avx512"
#elif defined(__aarch64__)
#define ISAS "scalar neon"
#else
#define ISAS "scalar"
#endif

#ifdef NNO_HAVE_JPEG
#define JPEG_DECODER "libjpeg"
#else
#define JPEG_DECODER "stb_image"
#endif
#ifdef NNO_HAVE_PNG
#define PNG_DECODER "libpng"
#else
#define PNG_DECODER "stb_image"
#endif

int32_t nnopt_version(void) { return NNOPT_VERSION; }

const char *nnopt_version_string(void) { return VERSION_TEXT; }

const char *nnopt_build_info(void)
{
	return "libnnopt " VERSION_TEXT "; compiler " __VERSION__ "; ISAs " ISAS "; BLAS OpenBLAS; JPEG " JPEG_DECODER
	       "; PNG " PNG_DECODER "; BMP stb_image";
}
