//! Erlang distribution over TLS: what can be known of it without a cookie.
//!
//! The first words of its own handshake (`send_name`) would be a node that asks to join, with a line in the log of the
//! one that is asked. So nothing is said: a node that refuses our certificate does so unasked, and one that does not waits.

use std::time::Duration;

use super::application::{Application, Protocol};
use super::channel::{Break, Channel};
use super::connect::Deadline;

/// Longer than a refusal takes on its way.
const SILENCE: Duration = Duration::from_millis(1500);

pub(super) fn talk(channel: &mut Channel, deadline: &Deadline) -> Result<Application, Break> {
    channel.set_deadline(deadline.within(SILENCE));
    match channel.peek(1) {
        Err(Break::TimedOut) => Ok(Application::seen(Protocol::Erlang)),
        Ok(_) => Err(Break::Unlike(channel.so_far())),
        Err(other) => Err(other),
    }
}
