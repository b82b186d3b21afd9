//! certgen: one manifest gives the certificates, the broker's configuration, the users that match them and the clients'
//! settings; and certgen proves that they fit together.
//!
//! How a certificate comes to be, and who does what on the way. A [`profile`] is a manifest to start from; the
//! [`manifest`] says what should exist; [`plan`] compares that with what does. [`apply`] carries the difference out: it
//! asks an [`issuer`] for each certificate, which is built by [`x509`] and judged by [`lint`] before it is signed, lets
//! [`emit`] write the configuration of the broker and of the systems around it, and hands everything to [`store`], which
//! makes the whole change or none of it. An authority is replaced on the same path, in phases.
//!
//! [`keystore`] puts keys and certificates into the containers that Java, Windows and others want, and takes them out.
//!
//! Whether it works is asked elsewhere. [`verify`] and [`inspect`] look at certificates wherever they come from, [`doctor`]
//! at files and how they fit together, [`probe`] at a server on the wire, [`explain`] at a text that somebody saw; what can
//! be wrong, and how it shows, stands once in [`diagnosis`].
//!
//! [`ui`] is the terminal, [`env`] the rest of the world outside, [`error`] what is said when something cannot be done,
//! `secret` what is wiped from memory. The `commands` read arguments, call the rooms and say what happened; no room calls
//! a command.
//!
//! Who leans on whom: `commands` → `apply` → `plan`, `issuer`, `emit`, `store` → `manifest` → `profile` → `x509`. `plan`,
//! `lint`, `emit`, `inspect`, `verify`, `doctor`, `explain`, `keystore` and `x509` are pure: same input, same output. `store`
//! alone writes files, `probe` alone uses the network; the clock is read once, in `env`.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub, clippy::print_stdout, clippy::print_stderr, clippy::dbg_macro)]

pub mod profile;

pub mod manifest;

pub mod plan;

pub mod apply;

pub mod tls_gen;

pub mod issuer;

pub mod x509;

pub mod keystore;

pub mod lint;

pub mod emit;

pub mod store;

pub mod takeover;

pub mod verify;

pub mod inspect;

pub mod diagnosis;

pub mod doctor;

pub mod probe;

pub mod explain;

pub mod ui;

pub mod env;

pub mod error;

mod secret;

mod commands;

pub use commands::{command, main, pages};
