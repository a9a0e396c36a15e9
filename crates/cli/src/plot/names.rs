//! File names of the pictures of `refrain plot`.

use std::collections::HashSet;
use std::ops::Index;
use std::path::{Path, PathBuf};

use crate::identify::Input;

/// The common beginning of the paths of all pictures of one input.
#[derive(Debug)]
pub(super) struct PictureName {
    folder: PathBuf,
    stem: String,
}

impl PictureName {
    /// Returns the path of a picture of the kind `what`. For example, `spectrogram` gives `clip.spectrogram.png`.
    pub(super) fn of(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}.{what}.png", self.stem))
    }
}

/// The names of the pictures of all inputs of a command, in the order of the inputs.
#[derive(Debug)]
pub(super) struct PictureNames(Vec<PictureName>);

impl PictureNames {
    /// Derives the name of each input from its file name, for example `clip`. If several inputs have the same name, the
    /// later ones get a number (`clip-2`), so that no input overwrites pictures of another one. Names that differ only
    /// in upper and lower case count as the same, because some file systems do not distinguish them.
    pub(super) fn of(inputs: &[Input<'_>], folder: &Path) -> Self {
        // With an empty folder, the printed path is `clip.png` and not `./clip.png`.
        let folder = if folder == Path::new(".") { Path::new("") } else { folder };
        let mut taken = HashSet::new();
        let stems = inputs.iter().map(|input| {
            // The command prints one name per line, so names must not contain line ends.
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
