//! Comparison of the records of a run.

mod airings;
mod memory;
mod run;
mod visible;

use std::path::Path;

use refrain_benches::music::BenchError;

use self::airings::{DeviationKind, compare};
use self::memory::MemoryScore;
use self::run::RecordedRun;
use self::visible::{KindScores, Visibility, visibility};

/// Maximum number of listed deviations.
const MAX_LISTED: usize = 20;
/// Time after the end of a fault in which a deviation is listed together with the fault, in seconds.
const RECENT_SECONDS: f64 = 60.0;

/// A deviation for the list.
struct Listed {
    stream: usize,
    at: f64,
    what: &'static str,
    expected: String,
    found: String,
}

/// Compares the records in `folder` and prints the results. Returns true if all requirements are met.
///
/// # Errors
/// Fails if a record cannot be read.
pub(crate) fn report(folder: &Path) -> Result<bool, BenchError> {
    let run = RecordedRun::read(folder)?;
    let memory = MemoryScore::of(&run.memory);
    let mut listed = Vec::new();
    let (excerpts, reported) = compare_airings(&run, &mut listed);
    let kinds = compare_faults(&run, &mut listed);
    for (stream, at, state) in &run.ends {
        let (expected, found) = ("the stream is followed".to_owned(), state.clone());
        listed.push(Listed { stream: *stream, at: *at, what: "ended", expected, found });
    }
    println!("\n{} streams, {} faults, {:.0} s\n", run.truths.len(), run.faults.len(), run.seconds());
    print_kinds(&kinds);
    let count = |what: &str| listed.iter().filter(|one| one.what == what).count();
    println!("\n| requirement | result | met |\n|---|---|---|");
    let row = |name: &str, result: String, is_met: bool| {
        println!("| {name} | {result} | {} |", if is_met { "yes" } else { "NO" });
        is_met
    };
    let mib = memory.mean / f64::from(1 << 20);
    let memory_text = format!(
        "{mib:.1} MiB, growth {:+.1} %, largest deviation of 5 minutes {:.1} %, peak {:.0} % ({} samples)",
        100.0 * memory.growth,
        100.0 * memory.deviation,
        100.0 * memory.peak,
        memory.samples
    );
    let (required, visible) =
        kinds.values().fold((0, 0), |sum, kind| (sum.0 + kind.required, sum.1 + kind.visible));
    let airing_text = format!(
        "{excerpts} excerpts, {reported} airings: {} missed, {} doubled, {} wrong starts, {} wrong ends",
        count("missed"),
        count("doubled"),
        count("start"),
        count("end")
    );
    let wrong = ["missed", "doubled", "start", "end"].map(count).iter().sum::<usize>();
    let is_met = [
        row("memory within 5 %", memory_text, memory.is_flat()),
        row("no false event", format!("{} of {reported}", count("false")), count("false") == 0),
        row("faults visible within 5 s", format!("{visible} of {required}"), visible == required),
        row("airings as without faults", airing_text, wrong == 0 && excerpts > 0),
        row("streams are followed", format!("{} ended", count("ended")), count("ended") == 0),
    ];
    print_listed(&run, listed);
    Ok(is_met.iter().all(|met| *met))
}

fn compare_airings(run: &RecordedRun, listed: &mut Vec<Listed>) -> (usize, usize) {
    let (mut excerpts, mut reported) = (0, 0);
    for (stream, truth) in &run.truths {
        let own = run.reported.get(stream).map_or(&[][..], Vec::as_slice);
        let score = compare(truth, own);
        excerpts += score.excerpts;
        reported += score.reported;
        for deviation in score.deviations {
            let what = match deviation.kind {
                DeviationKind::False => "false",
                DeviationKind::Missed => "missed",
                DeviationKind::Doubled => "doubled",
                DeviationKind::Start => "start",
                DeviationKind::End => "end",
            };
            let (expected, found) = (deviation.expected, deviation.found);
            listed.push(Listed { stream: *stream, at: deviation.at, what, expected, found });
        }
    }
    (excerpts, reported)
}

fn compare_faults(run: &RecordedRun, listed: &mut Vec<Listed>) -> KindScores {
    let mut kinds = KindScores::new();
    for fault in &run.faults {
        let statuses = run.statuses.get(&fault.stream).map_or(&[][..], Vec::as_slice);
        let visibility = visibility(fault, statuses);
        kinds.entry(fault.kind.name).or_default().add(visibility);
        if visibility == Visibility::Invisible {
            let at = fault.requested_at.unwrap_or(fault.from);
            let expected = format!("{} is visible within 5 s", fault.kind.name);
            let found = run.status_text(fault.stream, at);
            listed.push(Listed { stream: fault.stream, at, what: "invisible", expected, found });
        }
    }
    kinds
}

fn print_kinds(kinds: &KindScores) {
    println!("| fault | number | noticeable | visible | with its name | worst delay in s |");
    println!("|---|--:|--:|--:|--:|--:|");
    for (name, score) in kinds {
        let share = |count: usize| match score.required {
            0 => "-".to_owned(),
            required => format!("{:.0} %", 100.0 * count as f64 / required as f64),
        };
        println!(
            "| {name} | {} | {} | {} | {} | {:.1} |",
            score.faults,
            score.required,
            share(score.visible),
            share(score.named),
            score.worst_delay
        );
    }
}

fn print_listed(run: &RecordedRun, mut listed: Vec<Listed>) {
    if listed.is_empty() {
        return;
    }
    listed.sort_by(|a, b| a.at.total_cmp(&b.at));
    println!("\nfirst {} of {} deviations:", listed.len().min(MAX_LISTED), listed.len());
    for one in listed.iter().take(MAX_LISTED) {
        let recent = run.faults.iter().rev().find(|fault| {
            fault.stream == one.stream
                && fault.from <= one.at + RECENT_SECONDS
                && one.at <= fault.to + RECENT_SECONDS
        });
        let recent = recent.map_or("no fault".to_owned(), |fault| {
            format!("{} {:+.1} to {:+.1} s", fault.kind.name, fault.from - one.at, fault.to - one.at)
        });
        println!(
            "  {} at {:.1} s, stream {} ({}), {recent}: expected {}; found {}",
            one.what,
            one.at - run.began,
            one.stream,
            run.formats.get(&one.stream).map_or("", String::as_str),
            one.expected,
            one.found
        );
    }
}
