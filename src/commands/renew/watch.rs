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
/// How long one nap is: what the clock did is noticed at its end.
const NAP: Duration = Duration::from_secs(15);
/// A clock that moved by more than this beside one that is never set was set, or the machine was suspended.
const JUMP: Duration = Duration::from_secs(60);

/// Renews what is due and writes the lists that are, again and again, until a signal ends the process; what fails is said
/// and tried at the next look.
pub(super) fn forever(args: &RenewArgs, env: &mut Env) -> Result<Answer> {
    let mut args = args.clone();
    args.due = true;
    loop {
        let clocks = (SystemTime::now(), Instant::now());
        env.tick();
        // A list that lapses locks out everybody where it is checked: it is looked at even if a renewal failed.
        let renewed = pass(&args, env).map(drop);
        let listed = crl::refresh_due(&args.unlock, env);
        match renewed.and(listed).and_then(|()| env.finish()) {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), Kind::BrokenPipe | Kind::Interrupted) => return Err(e),
            Err(e) => env.report(&e),
        }
        sleep(INTERVAL + jitter()?, clocks);
    }
}

fn jitter() -> Result<Duration> {
    let salt = crate::x509::random_salt()?;
    let share = salt.first().copied().map_or(0, u32::from);
    Ok(JITTER * share / 255)
}

/// Sleeps for that long, or until the clock on the wall has jumped since the last look: after a suspend or a correction
/// what is due may be another.
fn sleep(length: Duration, (wall, steady): (SystemTime, Instant)) {
    let until = Instant::now() + length;
    while Instant::now() < until && !has_jumped(wall.elapsed().map_err(|e| e.duration()), steady.elapsed()) {
        std::thread::sleep(NAP.min(until.saturating_duration_since(Instant::now())));
    }
}

/// The wall clock, `Err` where it is that far behind where it was, does not agree with one that is never set.
fn has_jumped(wall: Result<Duration, Duration>, steady: Duration) -> bool {
    match wall {
        Ok(passed) => passed.abs_diff(steady) > JUMP,
        Err(back) => back + steady > JUMP,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_more_than_a_minute_in_either_direction() {
        let seconds = Duration::from_secs;
        for (wall, jumped) in [
            (Ok(seconds(3600)), false),
            (Ok(seconds(3655)), false),
            (Ok(seconds(3545)), false),
            (Ok(seconds(3661)), true),
            (Ok(seconds(3539)), true),
            (Err(seconds(1)), true),
        ] {
            assert_eq!(has_jumped(wall, seconds(3600)), jumped, "{wall:?}");
        }
        assert!(!has_jumped(Err(seconds(50)), seconds(5)));
    }

    #[test]
    fn jitter_is_spread_over_ten_minutes_and_never_more() {
        let drawn: Vec<Duration> = (0..500).map(|_| jitter().unwrap()).collect();
        assert!(drawn.iter().all(|jitter| *jitter <= JITTER));
        let parts = |quarter: u32| JITTER * quarter / 4..=JITTER * (quarter + 1) / 4;
        assert!((0..4).all(|quarter| drawn.iter().any(|jitter| parts(quarter).contains(jitter))), "{drawn:?}");
    }
}
