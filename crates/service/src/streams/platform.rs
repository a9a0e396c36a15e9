//! Queries the platform of a stream for the URL of the stream, and for its state after an end.

use std::sync::Arc;

use refrain_catalog::Stream;
use refrain_stream::hls::EntryUrl;
use url::Url;

use super::shared::StreamsContext;
use super::{ORIGIN_FIXED, ORIGIN_IVS, ORIGIN_MEDIALIVE};
use crate::cloud::{ChannelStream, CloudError, CloudErrorKind};
use crate::sessions::{EndCode, EndReason};
use refrain_monitor::{StreamInput, StreamPhase};

/// Fragment of the URL in the row of a stream whose playlist requires tokens. Fragments are never sent to a server.
const AUTHORIZED: &str = "authorized";

/// The action after a stream has ended or failed.
pub(super) enum EndAction {
    /// The stream stays ended, for this reason.
    End(EndReason),
    /// The stream is opened again.
    Reopen,
}

/// Returns the stream that a channel sends now, with its URL. Returns `None` if the channel sends no stream or does not
/// exist.
///
/// # Errors
/// [`CloudError`] if the platform cannot be queried.
pub(super) async fn resolve(
    shared: &StreamsContext,
    channel: &str,
) -> Result<Option<ChannelStream>, CloudError> {
    let Some(channels) = &shared.channels else {
        let why = "no access to IVS is configured";
        return Err(CloudError::new(CloudErrorKind::Invalid, format!("cannot query {channel}"), why));
    };
    let stream = match channels.stream(channel).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == CloudErrorKind::NotFound => None,
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

/// Returns the input by which the monitor follows a stream. If the playlist requires tokens, each request gets a new
/// one.
pub(super) fn input_of(shared: &StreamsContext, stream: &Stream) -> StreamInput {
    let private = Url::parse(&stream.url).ok().filter(|url| url.fragment() == Some(AUTHORIZED));
    let (Some(mut url), Some(signer)) = (private, &shared.signer) else {
        return StreamInput::Url(stream.url.clone());
    };
    url.set_fragment(None);
    let (signer, channel) = (Arc::clone(signer), stream.id.clone());
    StreamInput::EntryUrl(EntryUrl::PerRequest(Arc::new(move || {
        signer.signed(&url, &channel).unwrap_or_else(|| {
            tracing::error!(stream = channel, "cannot sign a token, the system provides no random numbers; requesting the playlist without a token");
            url.clone()
        })
    })))
}

/// Returns the action after the monitor has reported the end of a stream. If the stream continues with another URL,
/// sets the URL of `stream`.
pub(super) async fn end_action(shared: &StreamsContext, stream: &mut Stream, end: &StreamPhase) -> EndAction {
    let ended = || EndAction::End(EndReason::of_phase(end));
    match stream.origin.as_str() {
        ORIGIN_FIXED => EndAction::Reopen,
        // The packager of a channel may start late, and while the channel runs, no second event arrives.
        ORIGIN_MEDIALIVE if matches!(end, StreamPhase::Failed(_)) => EndAction::Reopen,
        ORIGIN_IVS if shared.channels.is_some() => match resolve(shared, &stream.id).await {
            Ok(Some(now)) if stream.session.as_ref().is_none_or(|known| *known == now.stream_id) => {
                if shared.signer.is_none()
                    && matches!(end, StreamPhase::Failed(_))
                    && is_private(shared, &stream.id).await
                {
                    return EndAction::End(EndReason::of(EndCode::NoSigningKey));
                }
                if let Some(url) = now.playback_url {
                    stream.url = url;
                }
                EndAction::Reopen
            }
            // The platform decides: if the stream has ended there, a missing playlist is not a failure.
            Ok(_) => EndAction::End(EndReason::of_phase(end).ended()),
            Err(error) if error.is_transient() => EndAction::Reopen,
            Err(error) => {
                tracing::warn!(stream = stream.id, %error, "cannot check if the stream continues on its platform, ending it; its next start event starts it again");
                ended()
            }
        },
        _ => ended(),
    }
}

async fn is_private(shared: &StreamsContext, channel: &str) -> bool {
    let Some(channels) = &shared.channels else { return false };
    channels.channel(channel).await.is_ok_and(|known| known.authorized)
}
