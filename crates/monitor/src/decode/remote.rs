//! Decoders of streams in child processes, as the parent sees them, and the messages between both.

use refrain_isolation::{DecoderSession, SessionError};
use refrain_stream::{ClockAnchor, Delivery, HealthBlock, TrackChoice};
use serde::{Deserialize, Serialize};

use super::local::LocalDecoderState;
use super::piece::FingerprintedSpan;

/// A decoder in a child process, with the last state that the child returned.
pub(super) struct RemoteDecoder {
    session: DecoderSession,
    pub(super) state: LocalDecoderState,
    /// Length in seconds of each splice that has not been sent to the child yet.
    pub(super) splices: Vec<f64>,
    /// Measured blocks that were received and not taken yet.
    pub(super) health: Vec<HealthBlock>,
}

/// Data with which a decoder in a child process is opened, in addition to its state.
pub(super) type OpenData<'a> = (Option<ClockAnchor>, &'a TrackChoice, bool);

/// A message from the parent to the child.
#[derive(Serialize, Deserialize)]
pub(super) enum DecodeRequest {
    /// Creates the decoder.
    Open {
        /// The last state that a child returned.
        state: Box<LocalDecoderState>,
        /// The clock of an earlier worker; `None` for the first worker.
        anchor: Option<ClockAnchor>,
        /// The preferred audio stream of MPEG-TS.
        track: TrackChoice,
        measures_health: bool,
    },
    /// Decodes a delivery.
    Process {
        /// Time when the parent sent the delivery, seconds since 1970.
        now: f64,
        splices: Vec<f64>,
        delivery: Box<Delivery>,
    },
    /// Ends the stream.
    Finish,
}

/// A message from the child to the parent.
#[derive(Serialize, Deserialize)]
pub(super) struct DecodeResponse {
    pub(super) pieces: Vec<FingerprintedSpan>,
    pub(super) state: LocalDecoderState,
    pub(super) health: Vec<HealthBlock>,
}

impl RemoteDecoder {
    pub(super) fn new(session: DecoderSession) -> Self {
        Self { session, state: LocalDecoderState::default(), splices: Vec::new(), health: Vec::new() }
    }

    /// Sends a request to the child and adds the spans of its response to `out`. If the child is new, it is opened with
    /// the last state and the data `open`.
    pub(super) fn call(
        &mut self,
        request: &DecodeRequest,
        (anchor, track, measures_health): OpenData<'_>,
        out: &mut Vec<FingerprintedSpan>,
    ) -> Result<(), SessionError> {
        let state = &self.state;
        // The session calls `open` only if the child is new. The state is that of the last successful response.
        let open = || {
            let (state, track) = (Box::new(state.clone()), track.clone());
            encode(&DecodeRequest::Open { state, anchor, track, measures_health })
        };
        let response = self.session.call(encode(request), open)?;
        let response: DecodeResponse = postcard::from_bytes(&response).map_err(|error| {
            SessionError::Died(format!("the decoder process sent an invalid response ({error})"))
        })?;
        out.extend(response.pieces);
        self.health.extend(response.health);
        // The state is replaced only after a complete response, so a death loses one delivery and repeats none.
        self.state = response.state;
        Ok(())
    }
}

/// Serializes a message.
pub(super) fn encode(message: &impl Serialize) -> Vec<u8> {
    // Only types without a known length cannot be serialized; the messages contain none.
    postcard::to_stdvec(message).unwrap_or_default()
}
