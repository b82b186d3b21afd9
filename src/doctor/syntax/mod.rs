//! Readers that keep lines: each knows one syntax, says what stands where, and never fails on what it does not understand.

pub mod conf;
pub mod environment;
pub mod erlang;
pub mod python;
pub mod yaml;
