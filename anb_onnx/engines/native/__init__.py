"""The native engine: kernels assembled for one artifact with LLVM."""
