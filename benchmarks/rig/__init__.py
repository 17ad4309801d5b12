"""What the benchmarks share: processes to measure, and how they are measured."""
