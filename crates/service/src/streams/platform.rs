//! Queries the platform of a stream: its URL, and if it continues.

use std::sync::Arc;

use refrain_catalog::{Stream, StreamState as RowState};
use refrain_stream::hls::Entry;
use url::Url;

use super::shared::Shared;
use super::{ORIGIN_FIXED, ORIGIN_IVS, ORIGIN_MEDIALIVE};
use crate::outside::{ChannelStream, OutsideError, OutsideErrorKind};
use refrain_monitor::{StreamInput, StreamState};

/// Fragment of the URL in the row of a stream whose playlist requires tokens. Fragments are never sent to a server.
const AUTHORIZED: &str = "authorized";

/// The reason why a private channel cannot be followed.
const NO_KEY: &str =
    "the channel is private, and there is no key to sign tokens with; set ivs.private_key_file";

/// The action after a stream has ended or failed.
pub(super) enum Next {
    /// The stream stays ended, with this state and reason.
    Over(RowState, String),
    /// The stream is opened again.
    Again,
}

/// Returns the stream that a channel sends now, with its URL. Returns `None` if it sends nothing or does not exist.
///
/// # Errors
/// [`OutsideError`] if the platform cannot be queried.
pub(super) async fn resolve(shared: &Shared, channel: &str) -> Result<Option<ChannelStream>, OutsideError> {
    let Some(channels) = &shared.channels else {
        let why = "no access to IVS is configured";
        return Err(OutsideError::new(OutsideErrorKind::Invalid, format!("cannot query {channel}"), why));
    };
    let stream = match channels.stream(channel).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == OutsideErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let Some(mut stream) = stream else { return Ok(None) };
    if shared.signer.is_some() || stream.playback_url.is_none() {
        let known = channels.channel(channel).await?;
        let url = stream.playback_url.take().unwrap_or(known.playback_url);
        stream.playback_url = Some(if known.authorized { format!("{url}#{AUTHORIZED}") } else { url });
    }
    Ok(Some(stream))
}

/// Returns the input by which the monitor follows a stream.
pub(super) fn input_of(shared: &Shared, stream: &Stream) -> StreamInput {
    let private = Url::parse(&stream.url).ok().filter(|url| url.fragment() == Some(AUTHORIZED));
    let (Some(mut url), Some(signer)) = (private, &shared.signer) else {
        return StreamInput::Url(stream.url.clone());
    };
    url.set_fragment(None);
    let (signer, channel) = (Arc::clone(signer), stream.id.clone());
    StreamInput::Entry(Entry::Fresh(Arc::new(move || {
        signer.signed(&url, &channel).unwrap_or_else(|| {
            tracing::error!(stream = channel, "cannot sign a token, the system provides no random numbers");
            url.clone()
        })
    })))
}

/// Returns the action after the monitor has reported the end of a stream. Can change the URL of the stream.
pub(super) async fn what_next(shared: &Shared, stream: &mut Stream, end: &StreamState) -> Next {
    let over = || match end {
        StreamState::Failed(why) | StreamState::DecoderDied(why) => Next::Over(RowState::Failed, why.clone()),
        StreamState::Ended(why) => Next::Over(RowState::Ended, why.to_string()),
        _ => Next::Over(RowState::Ended, "the source was closed".to_owned()),
    };
    match stream.origin.as_str() {
        ORIGIN_FIXED => Next::Again,
        // The packager of a channel may start late, and while the channel runs, no second event arrives.
        ORIGIN_MEDIALIVE if matches!(end, StreamState::Failed(_)) => Next::Again,
        ORIGIN_IVS if shared.channels.is_some() => match resolve(shared, &stream.id).await {
            Ok(Some(now)) if stream.session.as_ref().is_none_or(|known| *known == now.stream_id) => {
                if shared.signer.is_none()
                    && matches!(end, StreamState::Failed(_))
                    && is_private(shared, &stream.id).await
                {
                    return Next::Over(RowState::Failed, NO_KEY.to_owned());
                }
                if let Some(url) = now.playback_url {
                    stream.url = url;
                }
                Next::Again
            }
            Ok(_) => match over() {
                // The platform decides: a playlist that is missing after the end of the stream is not a failure.
                Next::Over(_, why) => Next::Over(RowState::Ended, why),
                Next::Again => Next::Again,
            },
            Err(error) if error.is_transient() => Next::Again,
            Err(error) => {
                tracing::warn!(stream = stream.id, %error, "cannot check if the stream continues");
                over()
            }
        },
        _ => over(),
    }
}

async fn is_private(shared: &Shared, channel: &str) -> bool {
    let Some(channels) = &shared.channels else { return false };
    channels.channel(channel).await.is_ok_and(|known| known.authorized)
}
