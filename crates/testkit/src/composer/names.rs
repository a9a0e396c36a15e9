//! Invented titles of songs and names of artists.

use crate::rng::Rng;

const QUALITIES: [&str; 40] = [
    "Paper",
    "Copper",
    "Quiet",
    "Borrowed",
    "Electric",
    "Salted",
    "Hollow",
    "Velvet",
    "Northern",
    "Second",
    "Crooked",
    "Tidal",
    "Plastic",
    "Amber",
    "Distant",
    "Painted",
    "Sleepless",
    "Wooden",
    "Hidden",
    "Marble",
    "Restless",
    "Frozen",
    "Paler",
    "Woven",
    "Lucky",
    "Rusted",
    "Gentle",
    "Broken",
    "Secret",
    "Scarlet",
    "Weightless",
    "Foreign",
    "Magnetic",
    "Early",
    "Patient",
    "Lantern",
    "Double",
    "Winter",
    "Silver",
    "Runaway",
];

const THINGS: [&str; 40] = [
    "Harbour",
    "Satellite",
    "Orchard",
    "Telephone",
    "Staircase",
    "Meridian",
    "Window",
    "Carousel",
    "Engine",
    "River",
    "Compass",
    "Balcony",
    "Garden",
    "Signal",
    "Station",
    "Mirror",
    "Avenue",
    "Lighthouse",
    "Ferry",
    "Kite",
    "Museum",
    "Umbrella",
    "Island",
    "Parade",
    "Bicycle",
    "Chandelier",
    "Canyon",
    "Typewriter",
    "Meadow",
    "Elevator",
    "Horizon",
    "Postcard",
    "Tunnel",
    "Rooftop",
    "Planet",
    "Corridor",
    "Glacier",
    "Radio",
    "Cathedral",
    "Hotel",
];

const DEEDS: [&str; 12] = [
    "Waiting for",
    "Leaving",
    "Counting",
    "Back to",
    "Under",
    "Almost",
    "Letters to",
    "Goodbye,",
    "Beyond",
    "Dancing in",
    "Nobody's",
    "Waltz of",
];

const ENDINGS: [&str; 16] = [
    "Blue",
    "Autumn",
    "Three Colours",
    "Reverse",
    "the Rain",
    "May",
    "Brackets",
    "Daylight",
    "the Wings",
    "Transit",
    "Miniature",
    "Lower Case",
    "Half the Time",
    "Pencil",
    "Orbit",
    "the Off Season",
];

const PEOPLE: [&str; 24] = [
    "Ilva", "Marek", "Tamsin", "Odile", "Benno", "Saskia", "Ruben", "Noor", "Jonas", "Petra", "Emeka", "Liv",
    "Casimir", "Yuki", "Dario", "Anouk", "Selma", "Hugo", "Inez", "Tobias", "Wren", "Malik", "Greta", "Orla",
];

const SURNAMES: [&str; 24] = [
    "Vandermolen",
    "Okparaji",
    "Lindqvarn",
    "Castelmar",
    "Brightwaite",
    "Sorokhin",
    "Delacroisse",
    "Tannerby",
    "Halvorsund",
    "Ferreiro-Dunn",
    "Ashgrove",
    "Montrevel",
    "Kowalchek",
    "Isherwick",
    "Nakadori",
    "Quillfeather",
    "Berrycroft",
    "Zamoyarin",
    "Oxenholt",
    "Larkspurr",
    "Pemberley-Voss",
    "Rautavaar",
    "Stillwater-Ng",
    "Dunmorrow",
];

/// Returns a random song title.
pub(super) fn title(rng: &mut Rng) -> String {
    let (quality, thing) = (rng.pick(&QUALITIES), rng.pick(&THINGS));
    match rng.below(4) {
        0 => format!("{} {quality} {thing}", rng.pick(&DEEDS)),
        1 => format!("{thing} in {}", rng.pick(&ENDINGS)),
        _ => format!("{quality} {thing}"),
    }
}

/// Returns the random name of an artist or a band.
pub(super) fn artist(rng: &mut Rng) -> String {
    match rng.below(3) {
        0 => format!("The {} {}s", rng.pick(&QUALITIES), rng.pick(&THINGS).trim_end_matches('y')),
        1 => format!(
            "{} & the {}",
            rng.pick(&PEOPLE),
            rng.pick(&["Understudies", "Tides", "Ordinary", "Metronomes"])
        ),
        _ => format!("{} {}", rng.pick(&PEOPLE), rng.pick(&SURNAMES)),
    }
}
