//! Channels of the simulated API and their streams.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::reply::{ApiReply, IvsFault};
use crate::origin::Times;
use crate::origin::iso;

/// Default number of streams per page of ListStreams, as in IVS.
const DEFAULT_PAGE_STREAMS: usize = 50;

/// Maximum number of streams per page.
const MAX_PAGE_STREAMS: usize = 100;

/// State of the simulated API. Tests change it, and calls read it.
#[derive(Debug, Default)]
pub(super) struct IvsState {
    pub(super) channels: BTreeMap<String, IvsChannel>,
    pub(super) faults: Vec<(String, IvsFault, Times)>,
    pub(super) calls: BTreeMap<String, usize>,
    /// Maximum number of streams per page, set by a test; `None` if no test has set it. It also limits the page size
    /// that a request contains.
    pub(super) page: Option<usize>,
}

/// A channel. `stream` is `None` if the channel is not broadcasting.
#[derive(Debug, Clone)]
pub(super) struct IvsChannel {
    pub(super) playback_url: String,
    pub(super) private: bool,
    pub(super) stream: Option<IvsStream>,
}

/// A stream of a channel.
#[derive(Debug, Clone)]
pub(super) struct IvsStream {
    pub(super) id: String,
    /// Start time in milliseconds since 1970.
    pub(super) started_at: u64,
    pub(super) live: bool,
}

impl IvsState {
    /// Returns the simulated failure for a call, and decrements the remaining count of the failure. Returns `None` if
    /// no failure is simulated.
    pub(super) fn fault(&mut self, call: &str) -> Option<IvsFault> {
        let at = self.faults.iter().position(|(pattern, ..)| pattern == call || pattern == "*")?;
        let (_, fault, times) = self.faults.get_mut(at)?;
        let fault = *fault;
        if let Times::First(left) = times {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.faults.remove(at);
            }
        }
        Some(fault)
    }

    pub(super) fn reply(&self, call: &str, request_body: &Value) -> ApiReply {
        match call {
            "GetStream" => self.get_stream(text(request_body, "channelArn")),
            "ListStreams" => self.list_streams(request_body),
            "GetChannel" => self.get_channel(text(request_body, "arn")),
            _ => ApiReply::error(404, "UnknownOperationException", "unknown operation"),
        }
    }

    fn get_stream(&self, arn: &str) -> ApiReply {
        let Some(channel) = self.channels.get(arn) else { return missing(arn) };
        let Some(stream) = &channel.stream else {
            return ApiReply::error(404, "ChannelNotBroadcasting", &format!("{arn} is not broadcasting"));
        };
        let mut to_json = stream.to_json(arn);
        to_json["playbackUrl"] = json!(channel.playback_url);
        ApiReply::right(&json!({ "stream": to_json }))
    }

    /// Returns a page of streams. The token of the next page is the ARN of the last channel of this page.
    fn list_streams(&self, request_body: &Value) -> ApiReply {
        let wanted = request_body
            .get("maxResults")
            .and_then(Value::as_u64)
            .map_or(DEFAULT_PAGE_STREAMS, |page_streams| page_streams as usize);
        let page_streams = wanted.clamp(1, MAX_PAGE_STREAMS).min(self.page.unwrap_or(MAX_PAGE_STREAMS));
        let after = text(request_body, "nextToken");
        let all = self.channels.iter().filter_map(|(arn, channel)| Some((arn, channel.stream.as_ref()?)));
        // The map is in order of ARN, so the last ARN of a page is a valid position for the next page.
        let rest: Vec<_> = all.filter(|(arn, _)| arn.as_str() > after).collect();
        let page: Vec<_> = rest.iter().take(page_streams).map(|(arn, stream)| stream.to_json(arn)).collect();
        let mut body = json!({ "streams": page });
        if let Some((last, _)) =
            rest.get(page_streams.saturating_sub(1)).filter(|_| rest.len() > page_streams)
        {
            body["nextToken"] = json!(last);
        }
        ApiReply::right(&body)
    }

    fn get_channel(&self, arn: &str) -> ApiReply {
        let Some(channel) = self.channels.get(arn) else { return missing(arn) };
        ApiReply::right(&json!({ "channel": {
            "arn": arn, "name": "", "latencyMode": "LOW", "type": "STANDARD",
            "playbackUrl": channel.playback_url, "authorized": channel.private,
        }}))
    }
}

impl IvsStream {
    fn to_json(&self, arn: &str) -> Value {
        json!({
            "channelArn": arn, "streamId": self.id, "health": "HEALTHY", "viewerCount": 0,
            "state": if self.live { "LIVE" } else { "OFFLINE" },
            "startTime": iso(self.started_at as f64 / 1000.0) + "Z",
        })
    }
}

fn missing(arn: &str) -> ApiReply {
    ApiReply::error(404, "ResourceNotFoundException", &format!("Resource: {arn} not found"))
}

fn text<'a>(request_body: &'a Value, name: &str) -> &'a str {
    request_body.get(name).and_then(Value::as_str).unwrap_or_default()
}
