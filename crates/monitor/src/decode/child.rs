//! Decoders of streams in a child process.

use std::collections::HashMap;

use refrain_isolation::SessionHandler;
use refrain_stream::DecoderSettings;

use super::local::LocalDecoder;
use super::{DecodeRequest, DecodeResponse, encode};

/// The decoders of all streams that one child process decodes, for [`refrain_isolation::run_child`].
#[derive(Default)]
pub struct ChildDecoders {
    decoders: HashMap<u64, LocalDecoder>,
}

impl SessionHandler for ChildDecoders {
    fn handle(&mut self, session: u64, request: &[u8]) -> Vec<u8> {
        let mut pieces = Vec::new();
        // A request that cannot be read gets an empty response, which the parent rejects.
        let Ok(request) = postcard::from_bytes::<DecodeRequest>(request) else { return Vec::new() };
        // If the `Open` request of a session was lost, its decoder begins as at the start of a stream. Otherwise all
        // later requests would fail.
        let new = || LocalDecoder::new(DecoderSettings::default());
        match request {
            DecodeRequest::Open(state, anchor, track) => {
                let mut decoder = LocalDecoder::resume(DecoderSettings::default(), *state);
                if let Some(anchor) = anchor {
                    decoder.continue_clock(anchor);
                }
                decoder.prefer_track(track);
                self.decoders.insert(session, decoder);
            }
            DecodeRequest::Process { now, splices, delivery } => {
                let decoder = self.decoders.entry(session).or_insert_with(new);
                // Splices are counted before the delivery, because the report in this response must contain them.
                splices.into_iter().for_each(|seconds| decoder.count_splice(seconds));
                decoder.process(*delivery, now, &mut pieces);
            }
            DecodeRequest::Finish => self.decoders.entry(session).or_insert_with(new).finish(&mut pieces),
        }
        // The state is sent with each result, so that the parent can reopen the decoder in another child at any time.
        let state = self.decoders.get(&session).map(LocalDecoder::state).unwrap_or_default();
        encode(&DecodeResponse { pieces, state })
    }

    fn close(&mut self, session: u64) {
        self.decoders.remove(&session);
    }
}
