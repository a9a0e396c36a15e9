//! Many inputs on several threads, results in input order, bounded memory.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How far work may run ahead of the slowest input, per thread. Results waiting their turn are small
/// (matches or a packed constellation), decoded sound never waits.
const AHEAD_PER_JOB: usize = 32;

/// The work on one input panicked: a bug of ours, which must not take the other inputs with it.
#[derive(Debug)]
pub(crate) struct Panicked;

/// What the consumer of results wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// More results.
    Continue,
    /// No more: work not begun is dropped.
    Stop,
}

/// What the consumer of results is called for.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    /// The result of this input.
    Done(usize, Result<T, Panicked>),
    /// The next result is not there yet.
    Idle,
}

struct State<T> {
    next: usize,
    taken: usize,
    done: BTreeMap<usize, Result<T, Panicked>>,
    stop: bool,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State<T>>) -> MutexGuard<'a, State<T>> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    /// The result of input `k`; `None` if it is not there after so long.
    fn take(&self, k: usize, at_most: Option<Duration>) -> Option<Result<T, Panicked>> {
        let missing = |state: &mut State<T>| !state.done.contains_key(&k);
        let state = self.lock();
        let mut state = match at_most {
            None => self.changed.wait_while(state, missing).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.changed.wait_timeout_while(state, limit, missing);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        let result = state.done.remove(&k)?;
        state.taken = k + 1;
        drop(state);
        self.changed.notify_all();
        Some(result)
    }
}

/// Runs `work` on inputs `0..count` on `jobs` threads and gives the results to `sink`, on this thread and in
/// order of input, as soon as all before them are there. With one job or one input no thread is started.
pub(crate) fn in_order<T: Send, E>(
    count: usize,
    jobs: usize,
    work: impl Fn(usize) -> T + Sync,
    mut sink: impl FnMut(usize, Result<T, Panicked>) -> Result<Flow, E>,
) -> Result<(), E> {
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

/// The same for a sink that has something else to do, too: it gets a turn at least once in so long, also while all
/// results make it wait.
pub(crate) fn in_order_or_idle<T: Send, E>(
    count: usize,
    jobs: usize,
    at_most: Duration,
    work: impl Fn(usize) -> T + Sync,
    sink: impl FnMut(Turn<T>) -> Result<Flow, E>,
) -> Result<(), E> {
    on_threads(count, jobs, Some(at_most), &work, sink)
}

fn on_threads<T: Send, E>(
    count: usize,
    jobs: usize,
    at_most: Option<Duration>,
    work: &(impl Fn(usize) -> T + Sync),
    mut sink: impl FnMut(Turn<T>) -> Result<Flow, E>,
) -> Result<(), E> {
    let jobs = jobs.clamp(1, count.max(1));
    let shared = Shared {
        state: Mutex::new(State { next: 0, taken: 0, done: BTreeMap::new(), stop: false }),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| worker(&shared, count, jobs * AHEAD_PER_JOB, work));
        }
        let result = deliver(&shared, count, at_most, &mut sink);
        shared.lock().stop = true;
        shared.changed.notify_all();
        result
    })
}

fn guarded<T>(work: &impl Fn(usize) -> T, k: usize) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(|| work(k))).map_err(|_| Panicked)
}

fn worker<T>(shared: &Shared<T>, count: usize, ahead: usize, work: &(impl Fn(usize) -> T + Sync)) {
    loop {
        let mut state = shared.lock();
        while !state.stop && state.next < count && state.next >= state.taken + ahead {
            state = shared.wait(state);
        }
        if state.stop || state.next >= count {
            return;
        }
        let k = state.next;
        state.next += 1;
        drop(state);
        let result = guarded(work, k);
        shared.lock().done.insert(k, result);
        shared.changed.notify_all();
    }
}

fn deliver<T, E>(
    shared: &Shared<T>,
    count: usize,
    at_most: Option<Duration>,
    sink: &mut impl FnMut(Turn<T>) -> Result<Flow, E>,
) -> Result<(), E> {
    let mut k = 0;
    while k < count {
        let turn = match shared.take(k, at_most) {
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
    fn results_come_in_order_from_any_number_of_threads() {
        for jobs in [1, 2, 7] {
            let mut seen = Vec::new();
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
                    seen.push((k, result.unwrap()));
                    Ok(Flow::Continue)
                },
            );
            done.unwrap();
            assert_eq!(seen, (0..500).map(|k| (k, k * 2)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn work_does_not_run_far_ahead_of_a_slow_input() {
        let begun = AtomicUsize::new(0);
        let done: Result<(), Infallible> = in_order(
            1000,
            2,
            |k| {
                begun.fetch_add(1, Ordering::SeqCst);
                if k == 0 {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    assert!(begun.load(Ordering::SeqCst) <= 2 * AHEAD_PER_JOB);
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
    fn a_panic_is_one_result_and_an_error_or_stop_ends_the_work() {
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
    fn the_sink_has_its_turn_while_an_input_takes_long() {
        for jobs in [1, 3] {
            let (idled, mut last) = (AtomicBool::new(false), None);
            let done: Result<(), Infallible> = in_order_or_idle(
                20,
                jobs,
                Duration::from_millis(1),
                |k| {
                    // Ends only when the sink was called with nothing to deliver.
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
