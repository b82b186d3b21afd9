//! `certgen inspect`
