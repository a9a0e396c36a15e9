//! Processes many inputs on several threads, with results in the order of the inputs and bounded memory.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Maximum number of inputs per thread that can be in progress or finished while their results are not yet delivered,
/// because an earlier input is still in progress. It bounds the memory for finished results, which are small: matches
/// or a packed constellation, but no decoded audio. With 16, threads are idle more often while one long input is
/// processed; with 64, more results are lost when the run is stopped.
const MAX_AHEAD_PER_JOB: usize = 32;

/// The processing of an input panicked, which is a bug. The other inputs are still processed.
#[derive(Debug)]
pub(crate) struct Panicked;

/// Return value of the function that receives the results, which continues or stops the processing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Deliver further results.
    Continue,
    /// Stop. Inputs that no thread has started are not processed.
    Stop,
}

/// The reason why the function that receives the results is called.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    /// The input with this number was processed; this is its result.
    Done(usize, Result<T, Panicked>),
    /// The next result in order is not available yet.
    Idle,
}

struct QueueState<T> {
    next: usize,
    delivered: usize,
    done: BTreeMap<usize, Result<T, Panicked>>,
    stop: bool,
}

struct SharedQueue<T> {
    state: Mutex<QueueState<T>>,
    changed: Condvar,
}

impl<T> SharedQueue<T> {
    fn lock(&self) -> MutexGuard<'_, QueueState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, QueueState<T>>) -> MutexGuard<'a, QueueState<T>> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the result of input `k`, removes it and returns it. Returns `None` if it is not available after
    /// `timeout`. Without a timeout, waits until it is available.
    fn take(&self, k: usize, timeout: Option<Duration>) -> Option<Result<T, Panicked>> {
        let missing = |state: &mut QueueState<T>| !state.done.contains_key(&k);
        let state = self.lock();
        let mut state = match timeout {
            None => self.changed.wait_while(state, missing).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.changed.wait_timeout_while(state, limit, missing);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let result = state.done.remove(&k)?;
        // Threads that were too far ahead can now continue.
        state.delivered = k + 1;
        drop(state);
        self.changed.notify_all();
        Some(result)
    }
}

/// Runs `work` for the inputs `0..count` on `jobs` threads. Passes the results to `sink`, on the calling thread and in
/// the order of the inputs. With one job or one input, it starts no thread.
pub(crate) fn in_order<T: Send, E>(
    count: usize,
    jobs: usize,
    work: impl Fn(usize) -> T + Sync,
    mut sink: impl FnMut(usize, Result<T, Panicked>) -> Result<Flow, E>,
) -> Result<(), E> {
    // A single input is the most common case, and should not wait for the start of threads.
    if jobs.min(count) <= 1 {
        for k in 0..count {
            if sink(k, guarded(&work, k))? == Flow::Stop {
                break;
            }
        }
        return Ok(());
    }
    on_threads(count, jobs, None, &work, |turn| match turn {
        Turn::Done(k, result) => sink(k, result),
        Turn::Idle => Ok(Flow::Continue),
    })
}

/// Like [`in_order`], but also calls `sink` with [`Turn::Idle`] whenever no result is available for `timeout`, so that
/// `sink` can do other work. It starts threads even for one job.
pub(crate) fn in_order_or_idle<T: Send, E>(
    count: usize,
    jobs: usize,
    timeout: Duration,
    work: impl Fn(usize) -> T + Sync,
    sink: impl FnMut(Turn<T>) -> Result<Flow, E>,
) -> Result<(), E> {
    on_threads(count, jobs, Some(timeout), &work, sink)
}

fn on_threads<T: Send, E>(
    count: usize,
    jobs: usize,
    timeout: Option<Duration>,
    work: &(impl Fn(usize) -> T + Sync),
    mut sink: impl FnMut(Turn<T>) -> Result<Flow, E>,
) -> Result<(), E> {
    let jobs = jobs.clamp(1, count.max(1));
    let shared = SharedQueue {
        state: Mutex::new(QueueState { next: 0, delivered: 0, done: BTreeMap::new(), stop: false }),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| worker(&shared, count, jobs * MAX_AHEAD_PER_JOB, work));
        }
        let result = deliver(&shared, count, timeout, &mut sink);
        // This is done even after an error of `sink`. Otherwise, threads that are too far ahead would wait without end.
        shared.lock().stop = true;
        shared.changed.notify_all();
        result
    })
}

fn guarded<T>(work: &impl Fn(usize) -> T, k: usize) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(|| work(k))).map_err(|_| Panicked)
}

fn worker<T>(shared: &SharedQueue<T>, count: usize, ahead: usize, work: &(impl Fn(usize) -> T + Sync)) {
    loop {
        let mut state = shared.lock();
        while !state.stop && state.next < count && state.next >= state.delivered + ahead {
            state = shared.wait(state);
        }
        if state.stop || state.next >= count {
            return;
        }
        let k = state.next;
        state.next += 1;
        // The lock is released during the work, which takes seconds.
        drop(state);
        let result = guarded(work, k);
        // All threads are notified, because the consumer and the workers wait for the same condition variable.
        shared.lock().done.insert(k, result);
        shared.changed.notify_all();
    }
}

fn deliver<T, E>(
    shared: &SharedQueue<T>,
    count: usize,
    timeout: Option<Duration>,
    sink: &mut impl FnMut(Turn<T>) -> Result<Flow, E>,
) -> Result<(), E> {
    let mut k = 0;
    while k < count {
        let turn = match shared.take(k, timeout) {
            Some(result) => {
                k += 1;
                Turn::Done(k - 1, result)
            }
            None => Turn::Idle,
        };
        if sink(turn)? == Flow::Stop {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_are_in_order_for_any_number_of_threads() {
        for jobs in [1, 2, 7] {
            let mut results = Vec::new();
            let done: Result<(), Infallible> = in_order(
                500,
                jobs,
                |k| {
                    if k % 50 == 0 {
                        std::thread::sleep(std::time::Duration::from_millis(2));
                    }
                    k * 2
                },
                |k, result| {
                    results.push((k, result.unwrap()));
                    Ok(Flow::Continue)
                },
            );
            done.unwrap();
            assert_eq!(results, (0..500).map(|k| (k, k * 2)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn work_does_not_run_far_ahead_of_a_slow_input() {
        let started = AtomicUsize::new(0);
        let done: Result<(), Infallible> = in_order(
            1000,
            2,
            |k| {
                started.fetch_add(1, Ordering::SeqCst);
                if k == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    assert!(started.load(Ordering::SeqCst) <= 2 * MAX_AHEAD_PER_JOB);
                }
            },
            |_, result| {
                result.unwrap();
                Ok(Flow::Continue)
            },
        );
        done.unwrap();
    }

    #[test]
    fn a_panic_affects_one_result_and_an_error_or_stop_ends_the_work() {
        let mut outcomes = Vec::new();
        let done: Result<(), &str> = in_order(
            10_000,
            3,
            |k| assert!(k != 1, "a bug"),
            |k, result| {
                outcomes.push(result.is_ok());
                if k == 2 { Err("full") } else { Ok(Flow::Continue) }
            },
        );
        assert_eq!((done, outcomes), (Err("full"), vec![true, false, true]));
        let mut last = 0;
        let done: Result<(), Infallible> = in_order(
            10_000,
            3,
            |k| k,
            |k, _| {
                last = k;
                Ok(if k == 5 { Flow::Stop } else { Flow::Continue })
            },
        );
        done.unwrap();
        assert_eq!(last, 5);
    }

    #[test]
    fn the_sink_is_called_idle_during_a_slow_input() {
        for jobs in [1, 3] {
            let (idled, mut last) = (AtomicBool::new(false), None);
            let done: Result<(), Infallible> = in_order_or_idle(
                20,
                jobs,
                Duration::from_millis(1),
                |k| {
                    // The loop ends only after `sink` was called with `Turn::Idle`.
                    while k == 7 && !idled.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    k
                },
                |turn| {
                    match turn {
                        Turn::Done(k, result) => {
                            assert_eq!((k, last), (result.unwrap(), k.checked_sub(1)));
                            last = Some(k);
                        }
                        Turn::Idle => idled.store(last == Some(6), Ordering::SeqCst),
                    }
                    Ok(Flow::Continue)
                },
            );
            done.unwrap();
            assert_eq!(last, Some(19));
        }
    }
}
