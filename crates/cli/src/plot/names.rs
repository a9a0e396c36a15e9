//! File names of the pictures.

use std::collections::HashSet;
use std::ops::Index;
use std::path::{Path, PathBuf};

use crate::identify::Input;

/// Common part of the paths of the pictures of one input.
#[derive(Debug)]
pub(super) struct PictureName {
    folder: PathBuf,
    stem: String,
}

impl PictureName {
    /// Returns the path of a picture, for example `clip.spectrogram.png`.
    pub(super) fn of(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}.{what}.png", self.stem))
    }
}

/// The names for all inputs of a command.
#[derive(Debug)]
pub(super) struct PictureNames(Vec<PictureName>);

impl PictureNames {
    /// Creates a name for each input from its file name, for example `clip`. Inputs with equal names get numbers (`clip-2`), so
    /// that no input replaces the pictures of another one. Upper and lower case count as equal, because some file systems
    /// do not distinguish them.
    pub(super) fn of(inputs: &[Input<'_>], folder: &Path) -> Self {
        // Prints `clip.png` and not `./clip.png`.
        let folder = if folder == Path::new(".") { Path::new("") } else { folder };
        let mut taken = HashSet::new();
        let stems = inputs.iter().map(|input| {
            // Names are printed one per line, so they must not contain line ends.
            let plain = input.stem().replace(char::is_control, "_");
            let mut stem = plain.clone();
            let mut number = 1;
            while !taken.insert(stem.to_lowercase()) {
                number += 1;
                stem = format!("{plain}-{number}");
            }
            PictureName { folder: folder.to_owned(), stem }
        });
        Self(stems.collect())
    }
}

impl Index<usize> for PictureNames {
    type Output = PictureName;

    fn index(&self, index: usize) -> &PictureName {
        &self.0[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_inputs_share_a_name() {
        let inputs = ["a.wav", "b/a.mp3", "A.ogg", "a-2.wav", "-", "x\ny.wav"].map(Input::new);
        let names = PictureNames::of(&inputs, Path::new("."));
        let names: Vec<_> = names.0.iter().map(|name| name.of("s").display().to_string()).collect();
        assert_eq!(names, ["a.s.png", "a-2.s.png", "A-3.s.png", "a-2-2.s.png", "stdin.s.png", "x_y.s.png"]);
    }
}
