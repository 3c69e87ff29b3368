/**
 * @file version.h
 * The version of the header (macros) and of the library that was loaded (functions).
 */
#ifndef NNOPT_VERSION_H
#define NNOPT_VERSION_H

#include <nnopt/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Major version of this header. @since 0.1 */
#define NNOPT_VERSION_MAJOR 0
/** Minor version of this header. @since 0.1 */
#define NNOPT_VERSION_MINOR 1
/** Patch version of this header. @since 0.1 */
#define NNOPT_VERSION_PATCH 0
/** major * 10000 + minor * 100 + patch */
#define NNOPT_VERSION (NNOPT_VERSION_MAJOR * 10000 + NNOPT_VERSION_MINOR * 100 + NNOPT_VERSION_PATCH)

/** NNOPT_VERSION of the loaded library, to compare with the macro. @since 0.1 */
NNOPT_API int32_t nnopt_version(void);
/** "0.1.0". @since 0.1 */
NNOPT_API const char *nnopt_version_string(void);
/** One line about this build: version, compiler, ISAs compiled in, BLAS, image decoders. Constant. @since 0.1 */
NNOPT_API const char *nnopt_build_info(void);

#ifdef __cplusplus
}
#endif

#endif
