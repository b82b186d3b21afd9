//! Work on all cores whose results come in the order of the input, with a bounded number of pieces under way.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::error::{Error, Result};

/// So many pieces are handed over at once: fewer would spend their time on handing over.
const CHUNK: usize = 32;
/// So many chunks may be under way: enough for all cores to go on while the disk is waited for.
const WINDOW: usize = 64;

/// A chunk with its number; `None`: the thread that worked on it panicked.
type Made<O> = Option<(usize, Vec<O>)>;

/// Takes `input` piece by piece through `work`, on all cores, and hands what becomes of them to `each`, in order and in this
/// thread. The first error of `each` ends it.
///
/// # Errors
/// That of `each`.
pub fn ordered<I: Send, O: Send>(
    input: impl Iterator<Item = I> + Send,
    work: impl Fn(I) -> O + Sync,
    mut each: impl FnMut(O) -> Result<()>,
) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let (jobs, taken) = mpsc::sync_channel(WINDOW);
        let (made, results) = mpsc::channel();
        let (permits, wanted) = mpsc::sync_channel(WINDOW);
        let taken = Arc::new(Mutex::new(taken));
        for _ in 0..WINDOW {
            let _ = permits.send(());
        }
        scope.spawn(move || {
            let mut input = input;
            for (number, ()) in wanted.into_iter().enumerate() {
                let chunk: Vec<I> = input.by_ref().take(CHUNK).collect();
                if chunk.is_empty() || jobs.send((number, chunk)).is_err() {
                    break;
                }
            }
        });
        for _ in 0..cores {
            let (taken, made, work) = (Arc::clone(&taken), made.clone(), &work);
            scope.spawn(move || work_on(&taken, work, made));
        }
        drop((taken, made));
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        for message in results {
            let (number, chunk) = message.ok_or_else(|| Error::failed("a thread stopped in the middle of its work"))?;
            waiting.insert(number, chunk);
            while let Some(chunk) = waiting.remove(&next) {
                next += 1;
                chunk.into_iter().try_for_each(&mut each)?;
                // At the end of the input nobody waits for it any more.
                let _ = permits.try_send(());
            }
        }
        Ok(())
    })
}

fn work_on<I, O>(taken: &Mutex<Receiver<(usize, Vec<I>)>>, work: impl Fn(I) -> O, made: Sender<Made<O>>) {
    let alarm = Alarm(made);
    loop {
        let job = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, chunk)) = job else { return };
        let results = chunk.into_iter().map(&work).collect();
        if alarm.0.send(Some((number, results))).is_err() {
            return;
        }
    }
}

/// Tells of a panic, for which the other threads would wait for ever.
struct Alarm<O>(Sender<Made<O>>);

impl<O> Drop for Alarm<O> {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_order_and_all_of_them() {
        for count in [0, 1, CHUNK, 10_000] {
            let mut seen = Vec::new();
            let slow = |n: usize| {
                if n.is_multiple_of(1000) {
                    thread::sleep(std::time::Duration::from_millis(2));
                }
                n * 2
            };
            ordered(0..count, slow, |n| {
                seen.push(n);
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, (0..count).map(|n| n * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_ends_it_although_the_input_does_not() {
        let mut seen = 0;
        let stopped = ordered(
            0..,
            |n: u64| n,
            |n| {
                seen = n;
                if n == 5000 { Err(Error::failed("enough")) } else { Ok(()) }
            },
        );
        assert_eq!((stopped.unwrap_err().message(), seen), ("enough", 5000));
    }

    #[test]
    fn no_more_is_under_way_than_the_window_holds() {
        let handed = AtomicUsize::new(0);
        let input = (0..100_000).inspect(|_| {
            handed.fetch_add(1, Ordering::SeqCst);
        });
        let mut most = 0;
        let mut done = 0;
        ordered(
            input,
            |n| n,
            |_: usize| {
                most = most.max(handed.load(Ordering::SeqCst) - done);
                done += 1;
                Ok(())
            },
        )
        .unwrap();
        assert!(most <= (WINDOW + 1) * CHUNK, "{most}");
    }

    #[test]
    #[should_panic]
    fn a_panic_is_no_deadlock() {
        let _ = ordered(0..10_000, |n: usize| assert!(n < 5000), |()| Ok(()));
    }
}
