//! Where a manifest starts, and what a role means.
//!
//! The room owns the built-in profiles (`profiles/*.toml`, commented manifests with a few blanks) and the meaning of
//! [`Role`] for a certificate. It fills in blanks and never judges the result: that is `manifest`.

mod builtin;
mod nearest;
mod quote;
mod role;
mod template;

pub use builtin::{DEFAULT, Profile, builtin};
pub use nearest::nearest;
pub use quote::{quoted_key, quoted_string};
pub use role::{Role, UnknownRole};
pub use template::{Context, Kind, Setting};
