//! Work on all cores whose results come in the order of the input, with a bounded number of pieces under way.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// So many pieces are taken at once at most: fewer would spend their time on handing over.
const LARGEST_CHUNK: usize = 32;
/// What takes a core longer than this is taken piece by piece, so that at the end no core has several left and the others
/// none.
const LONG: Duration = Duration::from_millis(2);
/// So many chunks may be under way: enough for all cores to go on while the disk is waited for.
const WINDOW: usize = 64;

/// What became of a chunk, with its number; `None`: the thread that worked on it panicked.
type Made<O> = Option<(usize, O)>;

/// Takes `input` in chunks through `work`, on all cores, and hands what becomes of each to `each`, in order and in this
/// thread. The first error of `each` ends it.
///
/// # Errors
/// That of `each`.
pub fn ordered<I: Send, O: Send>(
    input: impl Iterator<Item = I> + Send,
    work: impl Fn(Vec<I>) -> O + Sync,
    mut each: impl FnMut(O) -> Result<()>,
) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (permits, wanted) = mpsc::sync_channel(WINDOW);
    let input = Mutex::new(Input { pieces: Some(input), wanted, next: 0 });
    thread::scope(|scope| {
        let (made, results) = mpsc::channel();
        for _ in 0..WINDOW {
            let _ = permits.send(());
        }
        for _ in 0..cores {
            let (input, made, work) = (&input, made.clone(), &work);
            scope.spawn(move || work_on(input, work, made));
        }
        drop(made);
        // Dropped when this ends, however it does: whoever waits for a permit waits no more.
        let permits = permits;
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        for message in results {
            let (number, chunk) = message.ok_or_else(|| Error::failed("a thread stopped in the middle of its work"))?;
            waiting.insert(number, chunk);
            while let Some(chunk) = waiting.remove(&next) {
                next += 1;
                each(chunk)?;
                // At the end of the input nobody waits for it any more.
                let _ = permits.try_send(());
            }
        }
        Ok(())
    })
}

/// Where the threads take their work from, one at a time.
struct Input<P> {
    /// Nothing at the end.
    pieces: Option<P>,
    wanted: Receiver<()>,
    next: usize,
}

impl<P: Iterator> Input<P> {
    /// The next chunk with its number; nothing at the end.
    fn take(&mut self, count: usize) -> Option<(usize, Vec<P::Item>)> {
        let pieces = self.pieces.as_mut()?;
        self.wanted.recv().ok()?;
        let chunk: Vec<_> = pieces.by_ref().take(count).collect();
        if chunk.is_empty() {
            self.pieces = None;
            return None;
        }
        self.next += 1;
        Some((self.next - 1, chunk))
    }
}

fn work_on<P: Iterator, O>(input: &Mutex<Input<P>>, work: impl Fn(Vec<P::Item>) -> O, made: Sender<Made<O>>) {
    let alarm = Alarm(made);
    let mut count = 1;
    loop {
        let taken = input.lock().unwrap_or_else(PoisonError::into_inner).take(count);
        let Some((number, chunk)) = taken else { return };
        let began = Instant::now();
        let result = work(chunk);
        count = if began.elapsed() < LONG { (count * 2).min(LARGEST_CHUNK) } else { 1 };
        if alarm.0.send(Some((number, result))).is_err() {
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
        for count in [0, 1, LARGEST_CHUNK, 10_000] {
            let mut seen = Vec::new();
            let slow = |chunk: Vec<usize>| {
                if chunk.iter().any(|n| n.is_multiple_of(1000)) {
                    thread::sleep(LONG);
                }
                chunk.into_iter().map(|n| n * 2)
            };
            ordered(0..count, slow, |chunk| {
                seen.extend(chunk);
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
            |chunk: Vec<u64>| chunk,
            |chunk| {
                seen += chunk.len();
                if seen >= 5000 { Err(Error::failed("enough")) } else { Ok(()) }
            },
        );
        assert_eq!(stopped.unwrap_err().message(), "enough");
        assert!((5000..5000 + LARGEST_CHUNK).contains(&seen), "{seen}");
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
            |chunk| chunk.len(),
            |count| {
                most = most.max(handed.load(Ordering::SeqCst) - done);
                done += count;
                Ok(())
            },
        )
        .unwrap();
        assert!(most <= WINDOW * LARGEST_CHUNK, "{most}");
    }

    #[test]
    #[should_panic]
    fn a_panic_is_no_deadlock() {
        let _ = ordered(0..10_000, |chunk: Vec<usize>| assert!(!chunk.contains(&5000)), |()| Ok(()));
    }

    #[test]
    fn slow_work_is_taken_piece_by_piece() {
        let slow = |chunk: Vec<usize>| {
            thread::sleep(LONG);
            chunk.len()
        };
        ordered(0..20, slow, |count| {
            assert_eq!(count, 1);
            Ok(())
        })
        .unwrap();
    }
}
