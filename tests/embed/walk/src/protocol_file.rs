/// Lines as the repository's `rustfmt.toml` makes them, up to 120 columns wide.
const MOST_LINES: usize = 120;

/// Checks that a host's `oauth.rs` is short without tricks: the check of its format is `cargo fmt`'s.
pub fn check(source: &str) {
    let lines = source.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= MOST_LINES, "oauth.rs has {lines} lines that are not blank, more than {MOST_LINES}");
    for trick in ["macro_rules", "rustfmt::skip", "rustfmt_skip", "include!"] {
        assert!(!source.contains(trick), "oauth.rs has {trick}");
    }
    println!("oauth.rs has {lines} lines that are not blank");
}
