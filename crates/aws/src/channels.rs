//! IVS channels and their live streams.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ivs::Client;
use aws_sdk_ivs::operation::get_stream::GetStreamError;
use aws_sdk_ivs::primitives::DateTime;
use aws_sdk_ivs::types::{StreamState, StreamSummary};
use refrain_service::cloud::{Channel, ChannelStream, Channels, CloudError, CloudErrorKind as Kind};

use crate::error::failed;
use crate::pace::Pacer;

/// Streams per page of ListStreams. The API allows at most 100.
const STREAMS_PER_PAGE: i32 = 100;

/// Maximum number of pages that are requested. The limit allows 100,000 streams, far more than one account can have. It
/// ends the loop if the service repeats a page token; half or twice this value changes only the time until that error.
const MAX_PAGES: usize = 1_000;

/// Client of the IVS API. Requires the permissions `ivs:GetStream`, `ivs:ListStreams` and `ivs:GetChannel`. Clones
/// share one rate limit.
#[derive(Debug, Clone)]
pub struct IvsChannels {
    client: Client,
    pacer: Arc<Pacer>,
}

impl IvsChannels {
    pub(crate) fn new(client: Client, calls_per_second: f64) -> Self {
        Self { client, pacer: Arc::new(Pacer::new(calls_per_second)) }
    }
}

#[async_trait]
impl Channels for IvsChannels {
    async fn stream(&self, channel: &str) -> Result<Option<ChannelStream>, CloudError> {
        self.pacer.wait().await;
        let what = || format!("cannot get the stream of channel {channel}");
        let stream = match self.client.get_stream().channel_arn(channel).send().await {
            Ok(response) => response.stream,
            Err(error)
                // The API reports a channel without a stream as an error.
                if error.as_service_error().is_some_and(GetStreamError::is_channel_not_broadcasting) =>
            {
                None
            }
            Err(error) => return Err(failed(&error, what(), "ivs:GetStream")),
        };
        let Some(stream) = stream.filter(|stream| is_live(stream.state())) else { return Ok(None) };
        let stream_id = stream.stream_id.filter(|id| !id.is_empty());
        Ok(Some(ChannelStream {
            channel: stream.channel_arn.unwrap_or_else(|| channel.to_owned()),
            stream_id: stream_id.ok_or_else(|| missing_part(what(), "a stream id"))?,
            playback_url: stream.playback_url,
            started_at: milliseconds(stream.start_time.as_ref()),
        }))
    }

    async fn live(&self) -> Result<Vec<ChannelStream>, CloudError> {
        let what = "cannot list the streams of channels";
        let mut streams = Vec::new();
        let mut token = None;
        for _ in 0..MAX_PAGES {
            // Before each page, because the rate limit of the API counts requests and not lists.
            self.pacer.wait().await;
            let call = self.client.list_streams().max_results(STREAMS_PER_PAGE).set_next_token(token);
            let page = call.send().await.map_err(|error| failed(&error, what, "ivs:ListStreams"))?;
            streams.extend(page.streams.into_iter().filter_map(listed));
            // An empty token counts as none: with it, the first page would be requested again.
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(streams);
            }
        }
        Err(CloudError::new(Kind::Invalid, what, format!("more than {MAX_PAGES} pages")))
    }

    async fn channel(&self, channel: &str) -> Result<Channel, CloudError> {
        self.pacer.wait().await;
        let what = || format!("cannot get channel {channel}");
        let response = self.client.get_channel().arn(channel).send().await;
        let response = response.map_err(|error| failed(&error, what(), "ivs:GetChannel"))?;
        let found = response.channel.ok_or_else(|| missing_part(what(), "a channel"))?;
        let playback_url = found.playback_url.filter(|url| !url.is_empty());
        Ok(Channel {
            arn: found.arn.unwrap_or_else(|| channel.to_owned()),
            playback_url: playback_url.ok_or_else(|| missing_part(what(), "a playback URL"))?,
            authorized: found.authorized,
        })
    }
}

/// Converts an entry of ListStreams. Returns `None` for a stream that is not live, and for an entry without a channel
/// or an id, which is logged: one invalid entry must not fail the whole list.
fn listed(stream: StreamSummary) -> Option<ChannelStream> {
    if !is_live(stream.state()) {
        return None;
    }
    let started_at = milliseconds(stream.start_time.as_ref());
    match (stream.channel_arn, stream.stream_id.filter(|id| !id.is_empty())) {
        (Some(channel), Some(stream_id)) => {
            Some(ChannelStream { channel, stream_id, playback_url: None, started_at })
        }
        (channel, _) => {
            tracing::warn!(
                channel,
                "ListStreams of IVS returned a live stream without a channel or without an id, not following it"
            );
            None
        }
    }
}

/// Returns true if the stream is live. A stream without a state counts as live, so that it is not missed.
fn is_live(state: Option<&StreamState>) -> bool {
    state.is_none_or(|state| *state == StreamState::StreamLive)
}

fn milliseconds(time: Option<&DateTime>) -> Option<i64> {
    time.and_then(|time| time.to_millis().ok())
}

fn missing_part(what: String, part: &str) -> CloudError {
    CloudError::new(Kind::Invalid, what, format!("the response does not contain {part}"))
}
