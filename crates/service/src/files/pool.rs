//! Threads that decode and match files, so that these long computations do not block the threads of tokio.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads. When the pool is dropped, each thread ends after its current job.
pub(super) struct DecodePool {
    jobs: Mutex<Sender<Job>>,
}

/// Error of a job that panicked.
#[derive(Debug)]
pub(super) struct JobPanicked;

impl DecodePool {
    /// Starts this number of threads, at least one.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub(super) fn start(threads: usize) -> std::io::Result<Self> {
        let (jobs, receiver) = mpsc::channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..threads.max(1) {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new().name(format!("file-{number}")).spawn(move || work(&receiver))?;
        }
        Ok(Self { jobs: Mutex::new(jobs) })
    }

    /// Runs `work` as soon as a thread is free, and returns its result.
    ///
    /// # Errors
    /// [`JobPanicked`] if `work` panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JobPanicked> {
        // The result goes through a channel, because a thread outside of the runtime cannot be awaited.
        let (result_sender, done) = oneshot::channel();
        let job = Box::new(move || {
            // Sending fails if the caller was dropped. After a panic of `work`, nothing is sent.
            let _ = result_sender.send(work());
        });
        // Does not fail, because the threads live as long as the pool.
        let _ = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(job);
        done.await.map_err(|_| JobPanicked)
    }
}

fn work(receiver: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is released with the end of the statement, so other threads can take a job while this one works.
        let next = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // The data of a job is dropped with the job and not shared, so a panic leaves no inconsistent state.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panicking_job_does_not_stop_the_pool() {
        let pool = DecodePool::start(1).unwrap();
        assert!(pool.run(|| panic!("a test's")).await.is_err());
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
    }
}
