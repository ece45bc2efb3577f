use std::fmt;
use std::panic::Location;

use serde::Serialize;
use serde_json::Value;

use crate::error::StorageError;

/// A promise that was not kept: what was seen, and where the check looked.
#[derive(Debug)]
pub(super) struct Broken {
    seen: String,
    place: &'static Location<'static>,
}

/// What a check answers.
pub(super) type Checked = Result<(), Broken>;

impl Broken {
    #[track_caller]
    pub(super) fn new(seen: impl fmt::Display) -> Self {
        Self { seen: seen.to_string(), place: Location::caller() }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.place.file().rsplit(['/', '\\']).next().unwrap_or_default();
        write!(f, "{} ({file}:{})", self.seen, self.place.line())
    }
}

impl From<StorageError> for Broken {
    #[track_caller]
    fn from(fault: StorageError) -> Self {
        Self::new(format_args!("the store failed: {fault}"))
    }
}

impl<E: std::error::Error> From<E> for Broken {
    #[track_caller]
    fn from(cause: E) -> Self {
        Self::new(cause)
    }
}

#[track_caller]
pub(super) fn ensure(holds: bool, what: impl fmt::Display) -> Checked {
    if holds { Ok(()) } else { Err(Broken::new(format_args!("not so: {what}"))) }
}

#[track_caller]
pub(super) fn ensure_eq<T: PartialEq + fmt::Debug>(seen: T, expected: T, what: impl fmt::Display) -> Checked {
    if seen == expected {
        return Ok(());
    }
    let [expected, seen] = [expected, seen].map(|value| short(&format!("{value:?}")));
    Err(Broken::new(format_args!("{what}: expected {expected}, saw {seen}")))
}

/// Whether `read` is the record that was saved; names the fields that are not.
#[track_caller]
pub(super) fn ensure_same<R: Serialize + PartialEq>(read: Option<R>, saved: &R, what: impl fmt::Display) -> Checked {
    let Some(read) = read else { return Err(Broken::new(format_args!("{what} is not found"))) };
    if read == *saved {
        return Ok(());
    }
    let (read, saved) = (serde_json::to_value(read)?, serde_json::to_value(saved)?);
    let mut differing = Vec::new();
    compare("", Some(&saved), Some(&read), &mut differing);
    Err(Broken::new(format_args!("{what} does not read as it was saved: {}", differing.join("; "))))
}

/// Notes each field in which the two differ.
fn compare(path: &str, saved: Option<&Value>, read: Option<&Value>, differing: &mut Vec<String>) {
    if let (Some(Value::Object(own)), Some(Value::Object(other))) = (saved, read) {
        let added = other.keys().filter(|name| !own.contains_key(*name));
        for name in own.keys().chain(added) {
            compare(&format!("{path}.{name}"), own.get(name), other.get(name), differing);
        }
    } else if saved != read {
        let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), |value| short(&value.to_string()));
        differing.push(format!("{}: saved {}, read {}", path.trim_start_matches('.'), text(saved), text(read)));
    }
}

/// The text, cut where it gets long.
fn short(text: &str) -> String {
    const LONGEST: usize = 300;
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
