//! Copies the migrations to the build folder: in the repository they are at its top level, in a package of this crate
//! inside of it. A copy, because builds of several working copies can share one build folder, and the path of one of
//! them would not exist for the others.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let top = Path::new("../../migrations");
    let folder = if top.is_dir() { top } else { Path::new("migrations") };
    println!("cargo::rerun-if-changed={}", folder.display());
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    for database in ["postgres", "sqlite"] {
        let copies = Path::new(&out).join(database);
        fs::create_dir_all(&copies)?;
        for entry in fs::read_dir(folder.join(database))? {
            let entry = entry?;
            fs::copy(entry.path(), copies.join(entry.file_name()))?;
        }
    }
    Ok(())
}
