//! The one integration-test binary: everything here talks to the `certgen` program, to the files it writes, or to a
//! real peer (openssl, a broker, a client library) that judges them.
//!
//! A test that needs a judge which may be absent is `#[ignore = "needs ..."]`; `tests/run` installs the judges and runs
//! those too. Nothing here reads the user's home, clock settings or configuration: see [`support::World`].

mod cases;
mod commands;
mod forgotten;
mod golden;
mod house;
mod interop;
mod support;
