/* state_dict.h - from a pickle's dicts to the tensors of a file. */
#ifndef NNO_FILE_STATE_DICT_H
#define NNO_FILE_STATE_DICT_H

#include "file/pickle.h"
#include "file/weights.h"

/* Names every tensor by the keys and positions on the way to it, joined by dots. `block_of` has the block of each of
 * the pickle's storages. */
nnopt_status nno_state_dict_take(nnopt_weights *f, const nno_pickle *p, const int32_t *block_of,
				 const char **found_root);

#endif
