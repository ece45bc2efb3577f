//! A part whose storage trait is missing is an error of the compiler that names the part, the store and the trait, and
//! says which hooks to implement. Each file of `tests/compile_help` is a program of its own; all are compiled at once.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The programs that compile.
const RIGHT: [&str; 2] = ["five_hooks", "every_trait"];

/// The programs that do not, and what their errors say: all of them `E0277`, in the library's words. The compiler's own
/// words are not compared, as they change from version to version.
const WRONG: [(&str, &[&str]); 14] = [
    ("clients", &["BareStore", "holds no clients", "storage::ClientStore", "query_client"]),
    (
        "client_credentials",
        &["ClientCredentials", "BareStore", "cannot save tokens", "storage::TokenStore", "save_token"],
    ),
    ("implicit", &["Implicit", "BareStore", "cannot save tokens", "storage::TokenStore", "save_token"]),
    ("password", &["Password", "BareStore", "cannot save tokens", "storage::TokenStore", "save_token"]),
    (
        "authorization_code",
        &[
            "AuthorizationCode",
            "BareStore",
            "cannot hold authorization codes",
            "storage::AuthorizationCodeStore",
            "save_authorization_code",
            "query_authorization_code",
            "delete_authorization_code",
        ],
    ),
    (
        "refresh_token",
        &[
            "RefreshToken",
            "MyStore",
            "cannot hold refresh tokens",
            "storage::RefreshTokenStore",
            "query_refresh_token",
            "rotate_refresh_token",
        ],
    ),
    (
        "introspection",
        &["Introspection", "MyStore", "cannot look up access tokens", "storage::AccessTokenStore", "query_token"],
    ),
    (
        "revocation",
        &[
            "Revocation",
            "MyStore",
            "cannot look up access tokens",
            "storage::AccessTokenStore",
            "query_token",
            "cannot revoke",
            "storage::RevocationStore",
            "revoke_token",
            "revoke_authorizations",
        ],
    ),
    (
        "remember_consent",
        &[
            "remember_consent",
            "MyStore",
            "cannot remember consent",
            "storage::ConsentStore",
            "query_consent",
            "save_consent",
        ],
    ),
    (
        "with_revocation",
        &[
            "with_revocation",
            "MyStore",
            "cannot revoke",
            "storage::RevocationStore",
            "revoke_token",
            "revoke_authorizations",
        ],
    ),
    (
        "signing_keys",
        &[
            "RotatingKeys",
            "MyStore",
            "cannot hold signing keys",
            "storage::KeyStore",
            "query_signing_keys",
            "save_signing_key",
            "delete_signing_key",
        ],
    ),
    (
        "stored_tokens",
        &["StoredTokens", "MyStore", "cannot look up access tokens", "storage::AccessTokenStore", "query_token"],
    ),
    ("no_grant", &["MyGrant", "MyStore", "Grant<"]),
    ("no_endpoint", &["MyEndpoint", "MyStore", "Endpoint<"]),
];

/// Writes a package in which each file of `tests/compile_help` is a program, and answers its manifest.
fn package() -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_help");
    fs::create_dir_all(&folder).unwrap();
    let mut manifest = format!(
        "[package]\nname = \"compile-help\"\nedition = \"2024\"\nautobins = false\n\n[workspace]\n\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n\n[dependencies]\nasync-trait = \"0.1\"\n\
         grantwell = {{ path = {root:?}, features = [\"jose\"] }}\n"
    );
    for name in RIGHT.into_iter().chain(WRONG.map(|(name, _)| name)) {
        let path = Path::new(root).join("tests/compile_help").join(name).with_extension("rs");
        manifest.push_str(&format!("\n[[bin]]\nname = {name:?}\npath = {path:?}\n"));
    }
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // The same versions as the library's own tests: nothing has to be fetched for this.
    fs::copy(Path::new(root).join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    folder.join("Cargo.toml").to_str().unwrap().to_owned()
}

/// Checks every program; answers which of them compile, and the errors of the others as the compiler shows them.
fn check() -> (HashSet<String>, HashMap<String, String>) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["check", "--bins", "--keep-going", "--message-format", "json", "--manifest-path", &package()])
        .arg("--target-dir")
        .arg(target)
        .output()
        .unwrap();
    let (mut right, mut errors) = (HashSet::new(), HashMap::<String, String>::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        let target = line["target"]["name"].as_str().unwrap_or_default().to_owned();
        if line["reason"] == "compiler-artifact" {
            right.insert(target);
        } else if line["message"]["level"] == "error" {
            errors.entry(target).or_default().push_str(line["message"]["rendered"].as_str().unwrap());
        }
    }
    assert!(right.contains("grantwell"), "{}", String::from_utf8_lossy(&output.stderr));
    (right, errors)
}

#[test]
fn a_missing_storage_trait_is_named_with_its_hooks() {
    let (right, errors) = check();
    for name in RIGHT {
        assert!(right.contains(name), "{name} does not compile: {:?}", errors.get(name));
    }
    for (name, says) in WRONG {
        let error = errors.get(name).unwrap_or_else(|| panic!("{name} compiles"));
        for part in says.iter().chain(&["error[E0277]"]) {
            assert!(error.contains(part), "{name}: {part} is not in\n{error}");
        }
    }
}
