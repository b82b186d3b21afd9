//! Progress of long work, on a terminal and nowhere else.

use indicatif::{ProgressBar, ProgressStyle};

use crate::env::Env;

/// Fewer steps than this are over before a bar is drawn.
const WORTH_SHOWING: usize = 10;

/// A bar that counts the steps of one command; it is gone when it is dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for `total` steps, each called `what`.
    pub fn new(env: &Env, what: &str, total: usize) -> Self {
        if !env.interactive || env.quiet || total < WORTH_SHOWING {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(total as u64);
        let style = ProgressStyle::with_template("{msg} {pos}/{len} {wide_bar} {per_sec} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what.to_owned());
        Self(bar)
    }

    /// So many steps are done.
    pub fn reach(&self, steps: u64) {
        self.0.set_position(steps);
    }

    /// One step is done.
    pub fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
