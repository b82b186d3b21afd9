//! Speed promises that are part of the contract, checked with wide margins; `tests/bench/run` prints the real ratios.
