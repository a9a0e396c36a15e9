//! Entries of `[[streams]]`.

use anyhow::{Context, Result, bail};
use refrain_monitor::{AudioPreferences, HealthThresholds};
use refrain_net::RequestHeaders;
use refrain_service::settings::FixedStream;
use refrain_stream::TrackChoice;
use refrain_stream::hls::RenditionChoice;

use super::declare::{Declared, Fallback};
use super::layer::Layer;
use super::service::{check_id, check_url};
use super::tables::{HealthTable, StreamTable, thresholds};
use crate::request_headers;

/// Lowest and highest packet id of an audio stream in MPEG-TS (ISO/IEC 13818-1, table 2-3): the ids below and the
/// highest one of 13 bits are reserved.
const MIN_AUDIO_PID: u16 = 0x10;
const MAX_AUDIO_PID: u16 = 0x1FFE;

/// Returns the streams of the settings.
pub(super) fn fixed_streams(layer: &Layer) -> Result<Vec<FixedStream>> {
    let mut fixed: Vec<FixedStream> = Vec::new();
    for stream in &layer.streams {
        check_id(&stream.id)?;
        check_url(&stream.url.0).with_context(|| format!("stream {:?}", stream.id))?;
        if fixed.iter().any(|known| known.id == stream.id) {
            bail!("two entries of [[streams]] have the id {:?}; use different ids", stream.id);
        }
        let of_stream = || format!("stream {:?}", stream.id);
        let headers = stream_headers(stream).with_context(of_stream)?;
        let preferences = preferences(stream).with_context(of_stream)?;
        let thresholds = stream.health.as_ref().map(|table| health(layer, Some(table)));
        let health = thresholds.transpose().with_context(of_stream)?;
        fixed.push(FixedStream {
            id: stream.id.clone(),
            url: stream.url.0.clone(),
            headers,
            preferences,
            health,
        });
    }
    Ok(fixed)
}

/// Returns the request headers of a stream in the settings. Headers of the settings file replace those of the variable,
/// and these replace those of the file of headers.
pub(super) fn stream_headers(stream: &StreamTable) -> Result<RequestHeaders> {
    let mut headers = RequestHeaders::default();
    if let Some(path) = &stream.headers_file {
        request_headers::push_file(&mut headers, path)?;
    }
    if let Some(variable) = &stream.headers_variable {
        request_headers::push_variable(&mut headers, variable)?;
    }
    headers.extend(&stream.headers)?;
    Ok(headers)
}

/// Returns the thresholds of the alerts about the audio. `overrides` are those of a stream; `None` for a stream without
/// overrides.
pub(super) fn health(layer: &Layer, overrides: Option<&HealthTable>) -> Result<HealthThresholds> {
    let table = overrides.cloned().unwrap_or_default().with_fallback(layer.health.clone());
    Ok(thresholds(&table.checked()?))
}

/// Returns the audio preferences of a stream in the settings.
fn preferences(stream: &StreamTable) -> Result<AudioPreferences> {
    let rendition = stream.rendition.as_deref().map(str::parse::<RenditionChoice>).transpose();
    let rendition = rendition.context("rendition")?;
    stream.language.as_deref().map_or(Ok(()), check_language)?;
    stream.audio_pid.map_or(Ok(()), check_audio_pid)?;
    let track = TrackChoice { pid: stream.audio_pid, language: stream.language.clone() };
    Ok(AudioPreferences { rendition, track })
}

/// Returns an error if a language code does not begin with two or three letters.
pub(crate) fn check_language(language: &str) -> Result<()> {
    let code = language.split(['-', '_']).next().unwrap_or_default();
    if !(2..=3).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        bail!("{language:?} is not a language code; use two or three letters, for example de or deu");
    }
    Ok(())
}

/// Returns an error if no audio stream of MPEG-TS can have a packet id.
pub(crate) fn check_audio_pid(pid: u16) -> Result<()> {
    if !(MIN_AUDIO_PID..=MAX_AUDIO_PID).contains(&pid) {
        bail!("{pid} is not the packet id of an audio stream; use {MIN_AUDIO_PID} to {MAX_AUDIO_PID}");
    }
    Ok(())
}
