//! A queue and a live platform in memory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use refrain_service::cloud::{
    Channel, ChannelStream, Channels, CloudError, CloudErrorKind, Queue, QueueFacts, QueueMessage,
};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// A queue like SQS: received messages are hidden for a time and can be received again afterwards.
pub(crate) struct MemoryQueue {
    visibility_timeout: Duration,
    has_dead_letters: bool,
    state: Mutex<State>,
    sent: Notify,
}

#[derive(Default)]
struct State {
    next: u64,
    messages: BTreeMap<u64, Waiting>,
    dead: Vec<(String, String)>,
    /// Number of calls that fail, by the name of the call.
    faults: HashMap<&'static str, u32>,
    /// Maximum number of messages that were hidden at the same time.
    max_hidden: usize,
    hides: u32,
}

struct Waiting {
    body: String,
    visible_at: Instant,
    receives: u32,
}

impl MemoryQueue {
    pub(crate) fn new(visibility_timeout: Duration, has_dead_letters: bool) -> Self {
        Self { visibility_timeout, has_dead_letters, state: Mutex::default(), sent: Notify::new() }
    }

    pub(crate) fn send(&self, body: impl Into<String>) {
        let mut state = self.lock();
        state.next += 1;
        let number = state.next;
        let message = Waiting { body: body.into(), visible_at: Instant::now(), receives: 0 };
        state.messages.insert(number, message);
        self.sent.notify_waiters();
    }

    /// Makes the next `times` calls of this name fail.
    pub(crate) fn fail(&self, call: &'static str, times: u32) {
        self.lock().faults.insert(call, times);
    }

    /// Returns the number of messages that are not deleted.
    pub(crate) fn undeleted(&self) -> usize {
        self.lock().messages.len()
    }

    /// Returns the number of messages that can be received now.
    pub(crate) fn visible(&self) -> usize {
        let now = Instant::now();
        self.lock().messages.values().filter(|message| message.visible_at <= now).count()
    }

    /// Returns how often the messages that are not deleted were received.
    pub(crate) fn receives(&self) -> u32 {
        self.lock().messages.values().map(|message| message.receives).sum()
    }

    /// Returns the dead letters with their reasons.
    pub(crate) fn dead(&self) -> Vec<(String, String)> {
        self.lock().dead.clone()
    }

    /// Returns the number of calls that hid messages.
    pub(crate) fn hides(&self) -> u32 {
        self.lock().hides
    }

    /// Returns the maximum number of messages that were hidden at the same time.
    pub(crate) fn max_hidden(&self) -> usize {
        self.lock().max_hidden
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn check_fault(&self, call: &'static str) -> Result<(), CloudError> {
        let mut state = self.lock();
        match state.faults.get_mut(call) {
            Some(times) if *times > 0 => {
                *times -= 1;
                Err(CloudError::new(CloudErrorKind::Unavailable, format!("cannot {call}"), "away"))
            }
            _ => Ok(()),
        }
    }

    fn take(&self, max: u32) -> Vec<QueueMessage> {
        let (now, mut state) = (Instant::now(), self.lock());
        let mut taken = Vec::new();
        for (number, message) in &mut state.messages {
            if taken.len() < max as usize && message.visible_at <= now {
                message.receives += 1;
                message.visible_at = now + self.visibility_timeout;
                taken.push(QueueMessage {
                    id: number.to_string(),
                    receipt: format!("{number}/{}", message.receives),
                    body: message.body.clone(),
                    receives: message.receives,
                    sent_at: None,
                });
            }
        }
        let hidden = state.messages.values().filter(|message| message.visible_at > now).count();
        state.max_hidden = state.max_hidden.max(hidden);
        taken
    }
}

fn number(receipt: &str) -> u64 {
    receipt.split('/').next().unwrap().parse().unwrap()
}

#[async_trait]
impl Queue for MemoryQueue {
    fn name(&self) -> &str {
        "memory"
    }

    async fn receive(&self, max: u32, wait: Duration) -> Result<Vec<QueueMessage>, CloudError> {
        assert!((1..=10).contains(&max) && wait <= Duration::from_secs(20));
        self.check_fault("receive")?;
        let until = Instant::now() + wait;
        loop {
            let sent = self.sent.notified();
            let taken = self.take(max);
            if !taken.is_empty() || Instant::now() >= until {
                return Ok(taken);
            }
            // A timeout, because hidden messages become visible without a notification.
            let _ = timeout(Duration::from_millis(20), sent).await;
        }
    }

    async fn delete(&self, receipts: &[String]) -> Result<(), CloudError> {
        self.check_fault("delete")?;
        let mut state = self.lock();
        receipts.iter().for_each(|receipt| drop(state.messages.remove(&number(receipt))));
        Ok(())
    }

    async fn change_visibility(&self, receipts: &[String], time: Duration) -> Result<(), CloudError> {
        self.check_fault("hide")?;
        let mut state = self.lock();
        state.hides += 1;
        for receipt in receipts {
            if let Some(message) = state.messages.get_mut(&number(receipt)) {
                message.visible_at = Instant::now() + time;
            }
        }
        Ok(())
    }

    async fn dead_letter(&self, message: &QueueMessage, why: &str) -> Result<(), CloudError> {
        self.check_fault("bury")?;
        if !self.has_dead_letters {
            return Err(CloudError::new(
                CloudErrorKind::NotFound,
                "cannot bury",
                "the queue has no dead-letter queue",
            ));
        }
        let mut state = self.lock();
        if let Some(message_moved) = state.messages.remove(&number(&message.receipt)) {
            state.dead.push((message_moved.body, why.to_owned()));
        }
        Ok(())
    }

    async fn facts(&self) -> Result<QueueFacts, CloudError> {
        self.check_fault("facts")?;
        Ok(QueueFacts {
            waiting: self.undeleted() as u64,
            in_flight: 0,
            visibility_timeout: self.visibility_timeout,
            dead_letter_queue: self.has_dead_letters.then(|| "dead".to_owned()),
            max_receives: None,
        })
    }
}

/// A live platform.
#[derive(Default)]
pub(crate) struct MemoryChannels(Mutex<Platform>);

#[derive(Default)]
struct Platform {
    live: BTreeMap<String, ChannelStream>,
    private: bool,
    listed: bool,
    failures_left: u32,
    queries: u32,
}

impl MemoryChannels {
    /// Makes the channel send this stream.
    pub(crate) fn put(&self, channel: &str, stream_id: &str, url: &str, started_at: i64) {
        let stream = ChannelStream {
            channel: channel.to_owned(),
            stream_id: stream_id.to_owned(),
            playback_url: Some(url.to_owned()),
            started_at: Some(started_at),
        };
        self.lock().live.insert(channel.to_owned(), stream);
    }

    /// Makes the channel send nothing.
    pub(crate) fn stop(&self, channel: &str) {
        self.lock().live.remove(channel);
    }

    /// Sets if the list of live streams contains the streams that are sent.
    pub(crate) fn list(&self, listed: bool) {
        self.lock().listed = listed;
    }

    /// Makes all channels private.
    pub(crate) fn make_private(&self) {
        self.lock().private = true;
    }

    /// Makes the next `times` calls fail.
    pub(crate) fn fail_next(&self, times: u32) {
        self.lock().failures_left = times;
    }

    /// Returns how often a channel was queried for its stream.
    pub(crate) fn queries(&self) -> u32 {
        self.lock().queries
    }

    fn lock(&self) -> MutexGuard<'_, Platform> {
        self.0.lock().unwrap()
    }
}

#[async_trait]
impl Channels for MemoryChannels {
    async fn stream(&self, channel: &str) -> Result<Option<ChannelStream>, CloudError> {
        let mut platform = self.lock();
        platform.queries += 1;
        if platform.failures_left > 0 {
            platform.failures_left -= 1;
            return Err(CloudError::new(CloudErrorKind::Throttled, "cannot ask", "too many calls"));
        }
        Ok(platform.live.get(channel).cloned())
    }

    async fn live(&self) -> Result<Vec<ChannelStream>, CloudError> {
        let platform = self.lock();
        let known = platform.live.values().filter(|_| platform.listed);
        Ok(known.map(|stream| ChannelStream { playback_url: None, ..stream.clone() }).collect())
    }

    async fn channel(&self, channel: &str) -> Result<Channel, CloudError> {
        let platform = self.lock();
        let url = platform.live.get(channel).and_then(|stream| stream.playback_url.clone());
        Ok(Channel {
            arn: channel.to_owned(),
            playback_url: url.unwrap_or_default(),
            authorized: platform.private,
        })
    }
}
