//! `refrain tracks list` and `refrain tracks show`.

use anyhow::Result;
use refrain_app::response::am_item_id;
use refrain_catalog::{Track, TrackFilter};

use super::find::{find, pages};
use super::row::TrackRow;
use crate::args::{ListArgs, ShowArgs};
use crate::context::CommandContext;
use crate::exit::CommandOutcome;
use crate::identify::song;
use crate::output::{Align, Output, Table, clean, clock, timestamp};

const COLUMNS: [(&str, Align); 6] = [
    ("id", Align::Left),
    ("song", Align::Left),
    ("artist", Align::Left),
    ("length", Align::Right),
    ("rule", Align::Left),
    ("source", Align::Left),
];

/// Prints the tracks that match the arguments, as a table or as JSON lines, page by page.
pub(super) fn list(args: &ListArgs, context: &CommandContext, output: &Output) -> Result<CommandOutcome> {
    let filter = TrackFilter { removed: args.removed, text: args.text.clone(), rule: args.rule.clone() };
    let mut first = true;
    pages(context, &filter, |page| {
        if args.json {
            let mut lines = String::new();
            for track in page {
                lines.push_str(&serde_json::to_string(&TrackRow::new(track))?);
                lines.push('\n');
            }
            output.result(&lines)?;
            return Ok(());
        }
        let lines = table(&page).lines();
        if std::mem::take(&mut first) {
            output.line(&output.style().dim(&lines[0]))?;
        }
        output.line(&lines[1..].join("\n"))?;
        Ok(())
    })?;
    Ok(CommandOutcome::Done)
}

fn table(page: &[Track]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for track in page {
        let removed = if track.removed_at.is_some() { " (removed)" } else { "" };
        table.row([
            track.id.to_string(),
            song(track),
            track.metadata.artist.clone().unwrap_or_default(),
            clock(track.seconds),
            track.rule.as_ref().map(|rule| rule.as_str().to_owned()).unwrap_or_default(),
            format!("{}{removed}", track.source),
        ]);
    }
    table
}

/// Prints all data of one track, and its links to other tracks.
pub(super) fn show(args: &ShowArgs, context: &CommandContext, output: &Output) -> Result<CommandOutcome> {
    let track = find(context, &args.id, true)?;
    if args.json {
        output.line(&serde_json::to_string(&TrackRow::new(track))?)?;
        return Ok(CommandOutcome::Done);
    }
    let mut values = values(&track);
    for link in context.wait(context.catalog().near_duplicates(track.number))? {
        // A link is stored once, with the later track first. The track that is shown can be either of the two.
        let other = if link.track == track.number { link.of } else { link.track };
        for other in context.wait(context.catalog().by_numbers(&[other]))? {
            values.push((
                "sounds like".to_owned(),
                format!("{} {} ({})", other.id, song(&other), other.source),
            ));
        }
    }
    let width = values.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in values {
        output.line(&format!("{:width$}  {}", clean(&name), clean(&value)))?;
    }
    Ok(CommandOutcome::Done)
}

fn values(track: &Track) -> Vec<(String, String)> {
    let metadata = &track.metadata;
    let mut values: Vec<(String, String)> =
        vec![("id".into(), track.id.to_string()), ("amItemID".into(), am_item_id(track.id))];
    let named = [
        ("title", &metadata.title),
        ("artist", &metadata.artist),
        ("album", &metadata.album),
        ("isrc", &metadata.isrc),
        ("label", &metadata.label),
        ("vendor", &metadata.vendor),
        ("upc", &metadata.upc),
        ("release_date", &metadata.release_date),
        ("category", &metadata.category),
    ];
    values.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))));
    values.extend(metadata.extra.clone());
    let rule = track.rule.as_ref().map_or("none (reported as notSubmitted)", |rule| rule.as_str());
    values.extend([
        ("rule".into(), rule.to_owned()),
        ("length".into(), clock(track.seconds)),
        ("source".into(), track.source.clone()),
        ("content".into(), blake3::Hash::from_bytes(track.content.0).to_hex().to_string()),
        ("added".into(), timestamp(track.added_at)),
    ]);
    values.extend(track.removed_at.map(|at| ("removed".to_owned(), timestamp(at))));
    values
}
