//! Decoders of streams in a child process.

use std::collections::HashMap;

use refrain_isolation::SessionHandler;
use refrain_stream::EarSettings;

use super::local::LocalDecoder;
use super::{Request, Response, encode};

/// The decoders of all streams of a child process, for [`refrain_isolation::run_child`].
#[derive(Default)]
pub struct StreamDecoders {
    decoders: HashMap<u64, LocalDecoder>,
}

impl SessionHandler for StreamDecoders {
    fn handle(&mut self, session: u64, request: &[u8]) -> Vec<u8> {
        let mut pieces = Vec::new();
        // A request that cannot be read gets an empty response, which the parent rejects.
        let Ok(request) = postcard::from_bytes::<Request>(request) else { return Vec::new() };
        let new = || LocalDecoder::new(EarSettings::default());
        match request {
            Request::Open(state, anchor) => {
                let mut decoder = LocalDecoder::resume(EarSettings::default(), *state);
                if let Some(anchor) = anchor {
                    decoder.continue_clock(anchor);
                }
                self.decoders.insert(session, decoder);
            }
            Request::Process { now, splices, delivery } => {
                let decoder = self.decoders.entry(session).or_insert_with(new);
                splices.into_iter().for_each(|seconds| decoder.count_splice(seconds));
                decoder.process(*delivery, now, &mut pieces);
            }
            Request::Finish => self.decoders.entry(session).or_insert_with(new).finish(&mut pieces),
        }
        let state = self.decoders.get(&session).map(LocalDecoder::state).unwrap_or_default();
        encode(&Response { pieces, state })
    }

    fn close(&mut self, session: u64) {
        self.decoders.remove(&session);
    }
}
