//! The shape of the library: imports point down, and the core stays small enough to be read in an afternoon.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file, with its code before the tests and without comments.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![PathBuf::from("src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                sources.push((path, lines.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    sources
}

/// The modules in the order of `lib.rs`, the top layer first.
fn layers() -> Vec<String> {
    let text = fs::read_to_string("src/lib.rs").unwrap();
    let names = text.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    names.map(|name| name.trim_end_matches(';').to_owned()).collect()
}

fn module(path: &Path) -> String {
    let below_src = path.strip_prefix("src").unwrap();
    let first = below_src.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that `code` names behind `crate::`.
fn imports(code: &str) -> impl Iterator<Item = &str> {
    code.split("crate::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

#[test]
fn no_import_points_up() {
    let layers = layers();
    let position = |name: &str| layers.iter().position(|layer| layer == name);
    let mut seen = 0;
    for (path, code) in sources().iter().filter(|(path, _)| !path.ends_with("lib.rs")) {
        let own = position(&module(path)).unwrap_or_else(|| panic!("{} is in no layer", path.display()));
        for name in imports(code) {
            let target = position(name).unwrap_or_else(|| panic!("{}: crate::{name} is no module", path.display()));
            assert!(target >= own, "{} imports {name}, which is above it", path.display());
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen} imports were read");
}

/// `wire`, `model`, `storage`, `issue`, `client_auth`, the three first grants and their endpoints.
const CORE: [&str; 7] = ["wire", "model", "storage", "issue", "client_auth", "grants", "endpoints"];

/// What lies among the core and is none of it.
const BESIDE: [&str; 2] = ["legacy", "storage/testing"];

#[test]
fn the_core_has_at_most_5000_lines() {
    let is_beside = |path: &Path| BESIDE.iter().any(|part| path.to_string_lossy().contains(part));
    let lines: usize = sources()
        .iter()
        .filter(|(path, _)| CORE.contains(&module(path).as_str()) && !is_beside(path))
        .map(|(path, _)| {
            let text = fs::read_to_string(path).unwrap();
            text.split("#[cfg(test)]").next().unwrap_or_default().lines().count()
        })
        .sum();
    assert!((1000..=5000).contains(&lines), "{lines} lines");
}

#[test]
fn the_map_of_the_readme_names_files_that_exist() {
    let readme = fs::read_to_string("README.md").unwrap();
    let rows: Vec<&str> =
        readme.lines().filter(|line| line.starts_with("| RFC") || line.starts_with("| OpenID")).collect();
    assert!(rows.len() >= 8, "the map has {} rows", rows.len());
    for row in rows {
        let column = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let files: Vec<&str> = column.split('`').skip(1).step_by(2).collect();
        assert!(!files.is_empty(), "no file in {row}");
        for file in files {
            assert!(Path::new(file).exists(), "{file} does not exist");
        }
    }
}

/// Where the tests of the security cases are.
const FOLDERS: [&str; 6] = [
    "tests",
    "tests/stores/tests",
    "crates/grantwell-sqlx/tests",
    "crates/grantwell-redis/tests",
    "examples/server/tests",
    "src/model",
];

#[test]
fn every_security_case_names_tests_that_exist() {
    let table = fs::read_to_string("tests/security-cases.md").unwrap();
    let named: Vec<&str> = table.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).collect();
    assert!(named.len() > 60, "{} tests are named", named.len());
    for name in named {
        let (file, test) = name.split_once("::").unwrap();
        let places = FOLDERS.map(|folder| format!("{folder}/{file}.rs"));
        let exists = |path: &String| fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {test}()")));
        assert!(places.iter().any(exists), "{name} does not exist");
    }
}
