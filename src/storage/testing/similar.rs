use std::str::FromStr;

use super::broken::Broken;
use super::sample::Sample;

/// Names that some database takes for the first of them: they differ in case, in spaces, in the way an accent is
/// written, or the first as a pattern of `LIKE` or `GLOB` matches them.
pub(super) fn similar_names(own: &Sample) -> Vec<String> {
    let seed = own.name("");
    let name = |text: &str| format!("{text}{seed}");
    let first = name("Zo\u{e9}_%*");
    let mut names = vec![first.clone()];
    names.extend(
        ["zo\u{e9}_%*", "ZO\u{c9}_%*", "Zoe\u{301}_%*", "Zoe_%*", "Zo\u{e9}x%*", "Zo\u{e9}_x*", "Zo\u{e9}_%x"]
            .map(name),
    );
    names.extend([format!("{first} "), format!(" {first}"), format!("{first}\u{a0}"), format!("{first}x")]);
    names.push(swap_case(&first));
    names
}

/// The same key with its text's letters in the other case, but the last, not all of whose bits count.
pub(super) fn other_case<K>(key: K) -> Result<K, Broken>
where
    K: ToString + FromStr<Err: std::error::Error>,
{
    let text = key.to_string();
    let (head, last) = text.split_at(text.len().saturating_sub(1));
    Ok(format!("{}{last}", swap_case(head)).parse()?)
}

fn swap_case(text: &str) -> String {
    let swapped = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.chars().map(swapped).collect()
}
