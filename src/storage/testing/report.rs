use std::fmt;

/// What came of each check.
#[must_use = "`assert` panics where a check has failed"]
#[derive(Debug)]
pub struct Report(pub(super) Vec<Outcome>);

#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) check: &'static str,
    pub(super) broken: Option<String>,
}

impl Report {
    /// The names of the checks that the store passed.
    pub fn passed(&self) -> Vec<&'static str> {
        self.0.iter().filter(|outcome| outcome.broken.is_none()).map(|outcome| outcome.check).collect()
    }

    /// The names of the checks that failed.
    pub fn failed(&self) -> Vec<&'static str> {
        self.failures().map(|(check, _)| check).collect()
    }

    /// For use in a test.
    ///
    /// # Panics
    /// A check failed. The message lists each, with what was seen.
    #[track_caller]
    #[expect(clippy::panic, reason = "that is how a test fails")]
    pub fn assert(&self) {
        if self.failures().next().is_some() {
            panic!("{self}");
        }
    }

    fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().filter_map(|outcome| outcome.broken.as_deref().map(|broken| (outcome.check, broken)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} checks failed", self.failures().count(), self.0.len())?;
        self.failures().try_for_each(|(check, broken)| write!(f, "\n  {check}: {broken}"))
    }
}
