//! Locates the migrations: in the repository they are at its top level, in a package of this crate inside of it.

use std::path::{Path, absolute};

fn main() -> std::io::Result<()> {
    let top = Path::new("../../migrations");
    let folder = if top.is_dir() { top } else { Path::new("migrations") };
    // `include_str!` resolves relative paths from the source file, so the path has to be absolute.
    println!("cargo::rustc-env=REFRAIN_MIGRATIONS={}", absolute(folder)?.display());
    println!("cargo::rerun-if-changed={}", folder.display());
    Ok(())
}
