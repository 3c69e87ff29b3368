/* pickle_machine.h - the interpreter's state, shared by its opcodes (pickle.c) and what stands for calls
 * (pickle_call.c). */
#ifndef NNO_FILE_PICKLE_MACHINE_H
#define NNO_FILE_PICKLE_MACHINE_H

#include "file/pickle.h"

typedef struct nno_machine {
	nno_pickle *p;
	const uint8_t *bytes;
	size_t size, at, opcode_at, base;
	const char *path;
	nno_pickle_value *stack, *memo;
	size_t depth, stack_room, memo_count, memo_room;
	bool stopped;
} nno_machine;

/* "PATH: offset N: pickle: PROBLEM" at the opcode that runs. */
nnopt_status nno_machine_bad(const nno_machine *m, const char *problem);
/* The same, UNSUPPORTED. */
nnopt_status nno_machine_unsupported(const nno_machine *m, const char *problem);
nnopt_status nno_machine_push(nno_machine *m, nno_pickle_value v);
/* The top value, which is no mark; FORMAT when there is none. */
nnopt_status nno_machine_pop(nno_machine *m, nno_pickle_value *v);
/* A new, empty tuple, list or dict. */
nnopt_status nno_machine_node(nno_machine *m, nno_pickle_kind kind, nno_pickle_value *out);
nnopt_status nno_machine_add(nno_machine *m, nno_pickle_value node, const nno_pickle_value *values, size_t count);
nnopt_status nno_machine_grow(const nno_machine *m, void **array, size_t count, size_t *room, size_t size);

/* pickle_call.c: the list of globals; what REDUCE, NEWOBJ, BUILD and BINPERSID of them give. Operands are on the stack.
 */
nnopt_status nno_machine_global(nno_machine *m, const char *module, size_t module_length, const char *name,
				size_t name_length);
nnopt_status nno_machine_call(nno_machine *m);
nnopt_status nno_machine_build(nno_machine *m);
nnopt_status nno_machine_persistent(nno_machine *m);

#endif
