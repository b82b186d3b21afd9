//! The sealed world in which tests run `certgen`, and the judges that look at what it wrote.
//!
//! What a command sees is in the test: an own directory, an empty environment (no `HOME`, no `CI`, UTC, the C locale in
//! UTF-8), a fixed actor, no terminal and no standard input. What it printed is compared whole; a failure shows the
//! transcript and a diff.

pub(crate) mod broker;
pub(crate) mod cache;
pub(crate) mod invariants;
pub(crate) mod judge;
pub(crate) mod key_store;
pub(crate) mod redact;
pub(crate) mod temp;
pub(crate) mod tls;
pub(crate) mod world;

pub(crate) use self::judge::{openssl, python};
pub(crate) use self::temp::TempDir;
pub(crate) use self::world::World;
