//! What channels there are, and what they send.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::answer::{Answer, Trouble};
use crate::origin::Times;
use crate::origin::iso;

/// Streams of a page of ListStreams where the caller does not say, as of IVS.
const PAGE: usize = 50;

/// Most streams of a page.
const MOST: usize = 100;

/// Everything that tests set and callers see.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) troubles: Vec<(String, Trouble, Times)>,
    pub(super) calls: BTreeMap<String, usize>,
    /// Most streams of a page, where a test wants fewer than the caller.
    pub(super) page: Option<usize>,
}

/// A channel.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) playback_url: String,
    pub(super) private: bool,
    pub(super) stream: Option<Stream>,
}

/// What a channel sends.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) id: String,
    /// Milliseconds since 1970.
    pub(super) started_at: u64,
    pub(super) live: bool,
}

impl State {
    /// The trouble of a call, which uses it up by one.
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
            _ => Answer::error(404, "UnknownOperationException", "there is no such call here"),
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

    /// The token of the next page is the channel that this one ended with.
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
