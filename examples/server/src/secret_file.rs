//! Reading a file that is its owner's alone.

use std::fs::File;
use std::io;
use std::path::Path;

/// The text of a file that no other user of the machine may read.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("this is not a regular file"));
    }
    let file = File::open(path)?;
    // Of the open file: its name may come to mean another.
    if is_open_to_others(&file)? {
        return Err(io::Error::other(format!("it is open to others: chmod 600 {}", path.display())));
    }
    io::read_to_string(file)
}

#[cfg(unix)]
fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;

    Ok(file.metadata()?.mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &File) -> io::Result<bool> {
    Ok(false)
}
