"""What a few measurements of a new device are worth: `python -m benchmarks.few_shot`.

The protocol stands in docs/few-shot.md: devices that are left out one at a time, samples drawn or
designed among the measured architectures of a pool, and figures on architectures beyond it, beside
what needs no method: operation counts, MACs and the most similar device that is known.
"""
