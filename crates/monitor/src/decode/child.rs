//! Decoders of streams in a child process.

use std::collections::HashMap;

use refrain_isolation::SessionHandler;
use refrain_stream::DecoderSettings;

use super::local::LocalDecoder;
use super::remote::{DecodeRequest, DecodeResponse, encode};

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
            DecodeRequest::Open { state, anchor, track, measures_health } => {
                let mut decoder = LocalDecoder::resume(DecoderSettings::default(), *state);
                if let Some(anchor) = anchor {
                    decoder.continue_clock(anchor);
                }
                decoder.prefer_track(track);
                if measures_health {
                    decoder.measure_health();
                }
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
        let mut health = Vec::new();
        let decoder = self.decoders.get_mut(&session);
        let state = decoder.map(|decoder| {
            decoder.take_health(&mut health);
            decoder.state()
        });
        encode(&DecodeResponse { pieces, state: state.unwrap_or_default(), health })
    }

    fn close(&mut self, session: u64) {
        self.decoders.remove(&session);
    }
}

#[cfg(test)]
mod tests {
    use refrain_stream::Delivery;

    use super::*;

    /// Decodes two seconds of AAC and returns the response of the child.
    fn decode(measures_health: bool) -> DecodeResponse {
        let audio = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/adts.aac");
        let delivery = Box::new(Delivery::Bytes(std::fs::read(audio).unwrap().into()));
        let mut child = ChildDecoders::default();
        let (state, track) = (Box::default(), Default::default());
        child.handle(1, &encode(&DecodeRequest::Open { state, anchor: None, track, measures_health }));
        let request = DecodeRequest::Process { now: 1_700_000_000.0, splices: Vec::new(), delivery };
        postcard::from_bytes(&child.handle(1, &encode(&request))).unwrap()
    }

    #[test]
    fn child_returns_the_measured_blocks_if_health_is_measured() {
        let measured = decode(true);
        assert!((18..=21).contains(&measured.health.len()), "{}", measured.health.len());
        let positions: Vec<u64> = measured.health.iter().map(|block| block.position).collect();
        assert!(positions.is_sorted() && positions.iter().all(|position| (1..100_000).contains(position)));
        let without = decode(false);
        assert!(without.health.is_empty() && without.pieces.len() == measured.pieces.len());
    }
}
