//! `--watch`: a look every hour, by the clock on the wall.

use std::time::{Duration, Instant, SystemTime};

use crate::commands::Answer;
use crate::commands::crl;
use crate::commands::renew::{RenewArgs, pass};
use crate::env::Env;
use crate::error::{Kind, Result};

/// From one look to the next.
const INTERVAL: Duration = Duration::from_secs(3600);
/// Up to this much is added, so that a fleet that booted together does not sign together.
const JITTER: Duration = Duration::from_secs(600);
/// How long one nap is: what the clock did meanwhile is noticed at its end.
const NAP: Duration = Duration::from_secs(15);
/// A clock that moved by more than this while we slept was set, or the machine was suspended.
const JUMP: Duration = Duration::from_secs(60);

/// Renews what is due and writes the lists that are, again and again, until a signal ends the process; what fails is said and tried at the next look.
pub(super) fn forever(args: &RenewArgs, env: &mut Env) -> Result<Answer> {
    let mut args = args.clone();
    args.due = true;
    loop {
        env.tick();
        // A list that lapses locks out everybody where it is checked: it is looked at even if a renewal failed.
        let renewed = pass(&args, env).map(drop);
        let listed = crl::refresh_due(&args.unlock, env);
        match renewed.and(listed).and_then(|()| env.finish()) {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), Kind::BrokenPipe | Kind::Interrupted) => return Err(e),
            Err(e) => env.report(&e),
        }
        sleep(INTERVAL + jitter()?);
    }
}

fn jitter() -> Result<Duration> {
    let salt = crate::x509::random_salt()?;
    let share = salt.first().copied().map_or(0, u32::from);
    Ok(JITTER * share / 255)
}

/// Sleeps for that long by the wall clock, or until it jumps: after a suspend or a correction what is due may be another.
fn sleep(length: Duration) {
    let until = Instant::now() + length;
    while Instant::now() < until {
        let (wall, steady) = (SystemTime::now(), Instant::now());
        std::thread::sleep(NAP.min(until - steady));
        let slept = steady.elapsed();
        let passed = match wall.elapsed() {
            Ok(passed) => passed,
            Err(backwards) => {
                if backwards.duration() > JUMP {
                    return;
                }
                continue;
            }
        };
        if passed > slept + JUMP || slept > passed + JUMP {
            return;
        }
    }
}
