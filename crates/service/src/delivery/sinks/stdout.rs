//! Sink that writes to standard output.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::{DeliveryError, Sink, SinkMessage};

/// A writer of lines that several tasks can share: lines are written one at a time.
#[derive(Clone)]
pub struct SharedLineWriter(Arc<Mutex<dyn Write + Send>>);

impl SharedLineWriter {
    /// Creates a line writer on top of `writer`.
    #[must_use]
    pub fn to(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    fn write(&self, line: &str) -> io::Result<()> {
        // If an earlier write panicked, at most a part of its line was written. The next line can still be written.
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(line.as_bytes())?;
        writer.flush()
    }
}

impl Default for SharedLineWriter {
    fn default() -> Self {
        Self::to(io::stdout())
    }
}

/// Sink that writes each message as a line.
pub(super) struct Stdout(pub(super) SharedLineWriter);

#[async_trait]
impl Sink for Stdout {
    async fn deliver(&self, message: SinkMessage) -> Result<(), DeliveryError> {
        // In JSON, line ends occur only between tokens, where a space is equivalent.
        let line = format!("{}\n", message.body.replace(['\n', '\r'], " "));
        let lines = self.0.clone();
        // Writing can block if the reader of the output is slow.
        match tokio::task::spawn_blocking(move || lines.write(&line)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(DeliveryError::Transient(format!("cannot write to standard output: {error}")))
            }
            Err(_) => {
                Err(DeliveryError::Transient("the thread that writes to standard output panicked".into()))
            }
        }
    }
}
