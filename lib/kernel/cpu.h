/* cpu.h - what the CPU and the operating system can run. */
#ifndef NNO_KERNEL_CPU_H
#define NNO_KERNEL_CPU_H

/* Non-zero when code of nnopt_isa `isa` runs here. */
int nno_cpu_has(int isa);
/* Whether AVX-512 has dot products of bf16 pairs. */
int nno_cpu_has_pairs(void);

#endif
