//! Channels of the simulated API and their streams.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::{Answer, Trouble};
use crate::origin::Times;
use crate::origin::iso;

/// Default number of streams per page of ListStreams, as in IVS.
const PAGE: usize = 50;

/// Maximum number of streams per page.
const MOST: usize = 100;

/// State of the simulated API. Tests change it, and calls read it.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) troubles: Vec<(String, Trouble, Times)>,
    pub(super) calls: BTreeMap<String, usize>,
    /// Maximum number of streams per page that a test has set. It also limits the number that a caller requests.
    pub(super) page: Option<usize>,
}

/// A channel.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) playback_url: String,
    pub(super) private: bool,
    pub(super) stream: Option<Stream>,
}

/// A stream of a channel.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) id: String,
    /// Start time in milliseconds since 1970.
    pub(super) started_at: u64,
    pub(super) live: bool,
}

impl State {
    /// Returns the simulated failure for a call, if any, and decrements its remaining count.
    pub(super) fn trouble(&mut self, call: &str) -> Option<Trouble> {
        let at = self.troubles.iter().position(|(pattern, ..)| pattern == call || pattern == "*")?;
        let (_, trouble, times) = self.troubles.get_mut(at)?;
        let trouble = *trouble;
        if let Times::First(left) = times {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.troubles.remove(at);
            }
        }
        Some(trouble)
    }

    pub(super) fn answer(&self, call: &str, asked: &Value) -> Answer {
        match call {
            "GetStream" => self.get_stream(text(asked, "channelArn")),
            "ListStreams" => self.list_streams(asked),
            "GetChannel" => self.get_channel(text(asked, "arn")),
            _ => Answer::error(404, "UnknownOperationException", "unknown operation"),
        }
    }

    fn get_stream(&self, arn: &str) -> Answer {
        let Some(channel) = self.channels.get(arn) else { return missing(arn) };
        let Some(stream) = &channel.stream else {
            return Answer::error(404, "ChannelNotBroadcasting", &format!("{arn} is not broadcasting"));
        };
        let mut told = stream.told(arn);
        told["playbackUrl"] = json!(channel.playback_url);
        Answer::right(&json!({ "stream": told }))
    }

    /// Returns a page of streams. The token of the next page is the last channel of this page.
    fn list_streams(&self, asked: &Value) -> Answer {
        let wanted = asked.get("maxResults").and_then(Value::as_u64).map_or(PAGE, |most| most as usize);
        let most = wanted.clamp(1, MOST).min(self.page.unwrap_or(MOST));
        let after = text(asked, "nextToken");
        let all = self.channels.iter().filter_map(|(arn, channel)| Some((arn, channel.stream.as_ref()?)));
        let rest: Vec<_> = all.filter(|(arn, _)| arn.as_str() > after).collect();
        let page: Vec<_> = rest.iter().take(most).map(|(arn, stream)| stream.told(arn)).collect();
        let mut body = json!({ "streams": page });
        if let Some((last, _)) = rest.get(most.saturating_sub(1)).filter(|_| rest.len() > most) {
            body["nextToken"] = json!(last);
        }
        Answer::right(&body)
    }

    fn get_channel(&self, arn: &str) -> Answer {
        let Some(channel) = self.channels.get(arn) else { return missing(arn) };
        Answer::right(&json!({ "channel": {
            "arn": arn, "name": "", "latencyMode": "LOW", "type": "STANDARD",
            "playbackUrl": channel.playback_url, "authorized": channel.private,
        }}))
    }
}

impl Stream {
    fn told(&self, arn: &str) -> Value {
        json!({
            "channelArn": arn, "streamId": self.id, "health": "HEALTHY", "viewerCount": 0,
            "state": if self.live { "LIVE" } else { "OFFLINE" },
            "startTime": iso(self.started_at as f64 / 1000.0) + "Z",
        })
    }
}

fn missing(arn: &str) -> Answer {
    Answer::error(404, "ResourceNotFoundException", &format!("Resource: {arn} not found"))
}

fn text<'a>(asked: &'a Value, name: &str) -> &'a str {
    asked.get(name).and_then(Value::as_str).unwrap_or_default()
}
