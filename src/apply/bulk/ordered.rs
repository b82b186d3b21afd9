//! Work on all cores whose results come in the order of the input, with a bounded number of pieces under way.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
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
/// thread. The first error of `each` ends it. What was handed over comes back to `work`, which puts the next chunk in its
/// place: memory that is at hand is not asked for again.
///
/// # Errors
/// That of `each`.
pub fn ordered<I: Send, O: Default + Send>(
    input: impl Iterator<Item = I> + Send,
    work: impl Fn(Vec<I>, &mut O) + Sync,
    mut each: impl FnMut(&mut O) -> Result<()>,
) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let free = (0..WINDOW).map(|_| O::default()).collect();
    let input = Shared { input: Mutex::new(Input { pieces: Some(input), free, next: 0 }), returned: Condvar::new() };
    thread::scope(|scope| {
        let (made, results) = mpsc::channel();
        for _ in 0..cores {
            let (input, made, work) = (&input, made.clone(), &work);
            scope.spawn(move || work_on(input, work, made));
        }
        drop(made);
        let _end = End(&input);
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        for message in results {
            let (number, chunk) = message.ok_or_else(|| Error::failed("a thread stopped in the middle of its work"))?;
            waiting.insert(number, chunk);
            while let Some(mut chunk) = waiting.remove(&next) {
                next += 1;
                each(&mut chunk)?;
                input.lock().free.push(chunk);
                input.returned.notify_one();
            }
        }
        Ok(())
    })
}

/// What the threads share.
struct Shared<P, O> {
    input: Mutex<Input<P, O>>,
    returned: Condvar,
}

/// Where the threads take their work from, and the places to put what becomes of it.
struct Input<P, O> {
    /// Nothing at the end.
    pieces: Option<P>,
    free: Vec<O>,
    next: usize,
}

impl<P, O> Shared<P, O> {
    fn lock(&self) -> MutexGuard<'_, Input<P, O>> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Iterator, O> Shared<P, O> {
    /// The next chunk, its number and a place for what becomes of it; nothing at the end.
    fn take(&self, count: usize) -> Option<(usize, Vec<P::Item>, O)> {
        let waits = |input: &mut Input<P, O>| input.pieces.is_some() && input.free.is_empty();
        let mut input = self.returned.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        let chunk: Vec<_> = input.pieces.as_mut()?.by_ref().take(count).collect();
        if chunk.is_empty() {
            input.pieces = None;
            self.returned.notify_all();
            return None;
        }
        input.next += 1;
        Some((input.next - 1, chunk, input.free.pop()?))
    }
}

fn work_on<P: Iterator, O>(input: &Shared<P, O>, work: impl Fn(Vec<P::Item>, &mut O), made: Sender<Made<O>>) {
    let alarm = Alarm(made);
    let mut count = 1;
    while let Some((number, chunk, mut out)) = input.take(count) {
        let began = Instant::now();
        work(chunk, &mut out);
        count = if began.elapsed() < LONG { (count * 2).min(LARGEST_CHUNK) } else { 1 };
        if alarm.0.send(Some((number, out))).is_err() {
            return;
        }
    }
}

/// However it ends, whoever waits for something to do waits no more.
struct End<'a, P, O>(&'a Shared<P, O>);

impl<P, O> Drop for End<'_, P, O> {
    fn drop(&mut self) {
        self.0.lock().pieces = None;
        self.0.returned.notify_all();
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
            let slow = |chunk: Vec<usize>, out: &mut Vec<usize>| {
                if chunk.iter().any(|n| n.is_multiple_of(1000)) {
                    thread::sleep(LONG);
                }
                out.clear();
                out.extend(chunk.into_iter().map(|n| n * 2));
            };
            ordered(0..count, slow, |chunk| {
                seen.append(chunk);
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
            |chunk: Vec<u64>, count| *count = chunk.len(),
            |count| {
                seen += *count;
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
            |chunk, count| *count = chunk.len(),
            |count: &mut usize| {
                most = most.max(handed.load(Ordering::SeqCst) - done);
                done += *count;
                Ok(())
            },
        )
        .unwrap();
        assert!(most <= WINDOW * LARGEST_CHUNK, "{most}");
    }

    #[test]
    #[should_panic]
    fn a_panic_is_no_deadlock() {
        let _ = ordered(0..10_000, |chunk: Vec<usize>, _: &mut ()| assert!(!chunk.contains(&5000)), |()| Ok(()));
    }

    #[test]
    fn slow_work_is_taken_piece_by_piece() {
        let slow = |chunk: Vec<usize>, count: &mut usize| {
            thread::sleep(LONG);
            *count = chunk.len();
        };
        ordered(0..20, slow, |count| {
            assert_eq!(*count, 1);
            Ok(())
        })
        .unwrap();
    }
}
