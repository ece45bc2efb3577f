//! The file of secret keys: what replicas share beside the store.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use grantwell::{Randomness as _, SecretKey, SystemRandomness};

use crate::secret_file;

/// `openssl` pads what it encodes, so padding is taken and not asked for.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a new file begins with.
const EXPLANATION: &str = "\
# Secret keys, one a line: 32 random bytes as base64url. The first seals; the others still open what they sealed.
# To rotate, add a new key as the second line (openssl rand -base64 32 | tr +/ -_) and restart every replica; then
# move it to the top and restart them again. Drop the old key when the longest life of a refresh token has passed.
";

/// The server's secret keys.
pub(crate) struct Keys {
    current: SecretKey,
    /// They still open what they sealed.
    previous: Vec<SecretKey>,
}

/// Why the key file cannot be used. One line, and nothing of what the file says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// It is not there and cannot be made.
    #[error("the key file {} cannot be made: {source}", path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read, or is open to others.
    #[error("the key file {} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is no key.
    #[error("the key file {}, line {line}: this is not 32 bytes as base64url", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
    },
    /// There is no key in it.
    #[error("the key file {} has no key: remove it, and a new one is made", .0.display())]
    Empty(PathBuf),
}

impl Keys {
    /// One key that nobody else will ever know.
    pub(crate) fn ephemeral() -> Self {
        Self { current: SecretKey::generate(&SystemRandomness), previous: Vec::new() }
    }

    /// The keys of a file, which is made where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, KeysError> {
        if !path.exists() {
            create(path).map_err(|source| KeysError::Create { path: path.to_owned(), source })?;
        }
        let text = secret_file::read(path).map_err(|source| KeysError::Read { path: path.to_owned(), source })?;
        parse(path, &text)
    }

    pub(crate) const fn current(&self) -> &SecretKey {
        &self.current
    }

    pub(crate) fn previous(&self) -> &[SecretKey] {
        &self.previous
    }
}

/// Makes the file with one new key, unless another replica makes it first.
///
/// It gets its name when it is complete, so that nobody ever reads half of it.
fn create(path: &Path) -> io::Result<()> {
    let mut name = [0; 12];
    SystemRandomness.fill(&mut name);
    let temporary = path.with_file_name(format!(".grantwell.keys.{}", BASE64URL.encode(name)));
    let key = SecretKey::generate(&SystemRandomness);
    let written = write(&temporary, &format!("{EXPLANATION}{}\n", BASE64URL.encode(key.expose())));
    let named = written.and_then(|()| match std::fs::hard_link(&temporary, path) {
        Ok(()) => {
            tracing::info!(path = %path.display(), "made a new secret key");
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    });
    // It is gone already where it could not be made.
    let _ = std::fs::remove_file(&temporary);
    named?;
    sync_folder(path)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Has the new name outlive a power cut: tokens made with the key may.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

fn parse(path: &Path, text: &str) -> Result<Keys, KeysError> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(line, text)| {
        let bytes = BASE64URL.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(SecretKey::from_bytes).ok_or_else(|| KeysError::Line { path: path.to_owned(), line })
    });
    let mut keys = keys.collect::<Result<Vec<SecretKey>, KeysError>>()?.into_iter();
    let current = keys.next().ok_or_else(|| KeysError::Empty(path.to_owned()))?;
    Ok(Keys { current, previous: keys.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(keys: &Keys) -> Vec<[u8; 32]> {
        std::iter::once(keys.current()).chain(keys.previous()).map(|key| *key.expose()).collect()
    }

    fn line(byte: u8) -> String {
        BASE64URL.encode([byte; 32])
    }

    fn parsed(text: &str) -> Result<Keys, KeysError> {
        parse(Path::new("k"), text)
    }

    #[test]
    fn the_first_start_makes_one_key_and_the_next_ones_find_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grantwell.keys");
        let made = bytes(&Keys::open(&path).unwrap());
        assert_eq!(made.len(), 1);
        assert_eq!(bytes(&Keys::open(&path).unwrap()), made);
        assert_ne!(bytes(&Keys::open(&folder.path().join("other.keys")).unwrap()), made);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing temporary is left");
    }

    #[test]
    fn replicas_that_start_together_find_one_key() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..20 {
            let path = folder.path().join(format!("{round}.keys"));
            let start = std::sync::Barrier::new(8);
            let keys: Vec<_> = std::thread::scope(|scope| {
                let replica = || {
                    start.wait();
                    bytes(&Keys::open(&path).unwrap())
                };
                let replicas: Vec<_> = (0..8).map(|_| scope.spawn(replica)).collect();
                replicas.into_iter().map(|replica| replica.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|own| *own == keys[0]), "round {round}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 20, "nothing temporary is left");
    }

    #[test]
    fn a_file_that_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grantwell.keys");
        let made = bytes(&Keys::open(&path).unwrap());
        create(&path).unwrap();
        assert_eq!(bytes(&Keys::open(&path).unwrap()), made);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grantwell.keys");
        Keys::open(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
        for (mode, is_taken) in [(0o640, false), (0o604, false), (0o620, false), (0o601, false), (0o400, true)] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let outcome = Keys::open(&path).map(|_| ()).map_err(|error| error.to_string());
            let refused =
                format!("the key file {0} cannot be read: it is open to others: chmod 600 {0}", path.display());
            assert_eq!(outcome, if is_taken { Ok(()) } else { Err(refused) }, "{mode:o}");
        }
    }

    #[test]
    fn the_first_key_is_the_current_one() {
        let keys = parsed(&format!("# a\n\n{}\n  {}=\r\n#{}\n", line(2), line(1), line(3))).unwrap();
        assert_eq!(bytes(&keys), [[2; 32], [1; 32]]);
        assert_eq!((keys.current().expose(), keys.previous().len()), (&[2; 32], 1));
    }

    #[test]
    fn a_bad_line_is_told_by_its_number_alone() {
        let (good, short) = (line(1), BASE64URL.encode([2; 31]));
        for (text, expected) in [
            (format!("{EXPLANATION}{good}\n{short}"), "the key file k, line 5: this is not 32 bytes as base64url"),
            (format!("{good} {good}"), "the key file k, line 1: this is not 32 bytes as base64url"),
            (format!("\nkey={good}"), "the key file k, line 2: this is not 32 bytes as base64url"),
            (EXPLANATION.to_owned(), "the key file k has no key: remove it, and a new one is made"),
            (String::new(), "the key file k has no key: remove it, and a new one is made"),
        ] {
            assert_eq!(parsed(&text).err().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_cannot_be_read_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("grantwell.keys");
        assert!(matches!(Keys::open(&path).err().unwrap(), KeysError::Create { .. }));
        let path = folder.path().join("grantwell.keys");
        write(&path, "").unwrap();
        assert!(matches!(Keys::open(&path).err().unwrap(), KeysError::Empty(_)));
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
