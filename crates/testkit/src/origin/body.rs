//! Bodies of responses, including faulty ones.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Interval, interval, interval_at};

/// Delay before a connection is closed on purpose, so that the bytes written before are sent. On the loopback
/// interface, they arrive within this time.
const CLOSE_DELAY: Duration = Duration::from_millis(5);

/// The body of a response.
pub(super) enum ResponseBody {
    /// All bytes at once; `None` after they were sent, and for an empty body.
    Whole(Option<Bytes>),
    /// One byte per interval.
    Trickle(Bytes, Interval),
    /// The same bytes, repeated without end.
    Endless(Bytes),
    /// These bytes, and then an error that closes the connection; `None` after the bytes were sent.
    Torn(Option<Bytes>, Interval),
}

impl ResponseBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    pub(super) fn torn(bytes: Bytes) -> Self {
        Self::Torn(Some(bytes), interval_at(Instant::now() + CLOSE_DELAY, CLOSE_DELAY))
    }

    pub(super) fn trickle(bytes: Bytes, pause: Duration) -> Self {
        Self::Trickle(bytes, interval(pause))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match self.get_mut() {
            Self::Whole(bytes) => bytes.take(),
            Self::Trickle(bytes, pause) => {
                if bytes.is_empty() {
                    return Poll::Ready(None);
                }
                std::task::ready!(pause.poll_tick(cx));
                Some(bytes.split_to(1))
            }
            Self::Endless(bytes) => Some(bytes.clone()),
            // First the bytes, then a pause, then an error, for which hyper closes the connection.
            Self::Torn(bytes, pause) => match bytes.take() {
                Some(bytes) => Some(bytes),
                None => {
                    std::task::ready!(pause.poll_tick(cx));
                    return Poll::Ready(Some(Err(io::Error::other("torn on purpose"))));
                }
            },
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            _ => SizeHint::default(),
        }
    }
}
