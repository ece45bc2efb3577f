//! The promises of `src/storage.rs`, kept by the memory store; and the records as rows.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::START;
use futures::FutureExt as _;
use grantwell::model::{
    AccessToken, Authorization, AuthorizationCode, AuthorizationId, ClientId, Consent, Issued, KeyId, Record,
    RefreshHandle, RefreshToken, SessionDigest, Subject,
};
use grantwell::storage::{
    AccessTokenStore as _, AuthorizationCodeStore, AuthorizationStore as _, CodeState, ConsentStore as _,
    PurgeStore as _, Redeemed, RefreshTokenStore as _, RevocationStore as _, Rotated, Selector, TokenStore as _,
};
use grantwell::stores::MemoryStore;
use grantwell::{Digest, StorageError, Timestamp};

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(START + seconds)
}

/// The authorization number `n`, of alice at `app` in session `n`, until second 1,000.
fn authorization(n: u8) -> Authorization {
    Authorization {
        id: AuthorizationId::from_bytes([n; 16]),
        issuer: common::ISSUER.into(),
        client_id: "app".into(),
        subject: "alice".into(),
        scope: "profile".parse().unwrap(),
        resources: vec!["https://api.example".to_owned()],
        session: Some(SessionDigest::from_bytes([n; 32])),
        auth_time: at(0),
        acr: Some("2".to_owned()),
        amr: vec!["pwd".to_owned()],
        created_at: at(u64::from(n)),
        expires_at: at(1_000),
    }
}

/// Its code, until second 60, to be kept until second 900.
fn code(n: u8) -> AuthorizationCode {
    AuthorizationCode {
        code: Digest::of(&format!("code {n}")),
        authorization: authorization(n),
        redirect_uri: Some("https://app.example/cb".to_owned()),
        extensions: [("pkce".to_owned(), serde_json::json!({ "challenge": "x" }))].into(),
        expires_at: at(60),
        retain_until: at(900),
    }
}

/// An access token named `name`, of `authorization` or of the client alone, until second 300.
fn access_token(name: &str, authorization: Option<&Authorization>) -> AccessToken {
    AccessToken {
        token: Digest::of(name),
        issuer: common::ISSUER.into(),
        authorization: authorization.map(|own| own.id),
        client_id: authorization.map_or("app".into(), |own| own.client_id.clone()),
        scope: "profile".parse().unwrap(),
        audience: vec!["https://api.example".to_owned()],
        issued_at: at(0),
        expires_at: at(300),
    }
}

/// The family number `n` at that generation, until second 600.
fn family(n: u8, generation: u64) -> RefreshToken {
    RefreshToken {
        handle: RefreshHandle::from_bytes([n; 16]),
        issuer: common::ISSUER.into(),
        authorization: AuthorizationId::from_bytes([n; 16]),
        client_id: "app".into(),
        key: KeyId::from_bytes([1; 8]),
        salt: Digest::of("salt"),
        generation,
        rotated_at: at(generation),
        made_by: (generation > 0).then(|| Digest::of("request")),
        idle_until: at(500),
        expires_at: at(600),
    }
}

/// What redeeming code `n` issues: a token of that name and the family's first generation.
fn issued(n: u8, name: &str) -> Issued {
    let authorization = authorization(n);
    let access_token = access_token(name, Some(&authorization));
    Issued { authorization: Some(authorization), access_token, refresh_token: Some(family(n, 0)) }
}

/// What the rotation of family `n` to `generation` issues.
fn rotation(n: u8, generation: u64, name: &str) -> Issued {
    Issued { refresh_token: Some(family(n, generation)), ..issued(n, name) }
}

async fn rotate_family(store: &MemoryStore, expected: u64, issued: &Issued) -> Result<Rotated, StorageError> {
    store.rotate_refresh_token(expected, issued.refresh_token.as_ref().unwrap(), &issued.access_token).await
}

fn for_itself(name: &str, client_id: &str) -> Issued {
    let access_token = AccessToken { client_id: client_id.into(), ..access_token(name, None) };
    Issued { authorization: None, access_token, refresh_token: None }
}

/// A store with everything of authorization `n`.
async fn store_with(numbers: impl IntoIterator<Item = u8>) -> MemoryStore {
    let store = MemoryStore::new();
    for n in numbers {
        assert!(store.save_authorization_code(&code(n)).await.unwrap());
        let redeemed = store.redeem_authorization_code(&code(n).code, &issued(n, &format!("token {n}"))).await;
        assert_eq!(redeemed.unwrap(), Redeemed::Saved);
    }
    store
}

async fn is_alive(store: &MemoryStore, token: &str) -> bool {
    store.query_token(&Digest::of(token)).await.unwrap().is_some()
}

/// The memory store never waits, so its futures need no runtime.
fn ready<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().unwrap()
}

fn snapshot(store: &MemoryStore) -> String {
    format!("{store:?}")
}

#[tokio::test]
async fn a_code_is_inserted_if_it_is_absent_whatever_its_state() {
    let store = MemoryStore::new();
    let other = AuthorizationCode { authorization: authorization(2), ..code(1) };
    assert!(store.save_authorization_code(&code(1)).await.unwrap());
    for consume in [false, true] {
        if consume {
            store.delete_authorization_code(&code(1).code).await.unwrap();
        }
        let before = snapshot(&store);
        assert!(!store.save_authorization_code(&other).await.unwrap());
        assert_eq!(snapshot(&store), before);
    }
    store.revoke_authorizations(&Selector::Authorization(authorization(1).id)).await.unwrap();
    assert!(!store.save_authorization_code(&code(1)).await.unwrap());
    assert_eq!(store.query_authorization_code(&code(1).code).await.unwrap(), None);
}

#[tokio::test]
async fn a_code_reads_as_it_was_saved_and_as_consumed_afterwards() {
    let store = MemoryStore::new();
    assert_eq!(store.query_authorization_code(&code(1).code).await.unwrap(), None);
    store.save_authorization_code(&code(1)).await.unwrap();
    let state = store.query_authorization_code(&code(1).code).await.unwrap();
    assert_eq!(state, Some(CodeState::Active(code(1))));
    assert!(store.delete_authorization_code(&code(1).code).await.unwrap());
    assert!(!store.delete_authorization_code(&code(1).code).await.unwrap());
    let state = store.query_authorization_code(&code(1).code).await.unwrap();
    assert_eq!(state, Some(CodeState::Consumed(code(1))));
    assert!(!store.delete_authorization_code(&Digest::of("unknown")).await.unwrap());
}

#[test]
fn a_code_is_consumed_by_one_of_fifty_threads() {
    for redeems in [false, true] {
        let store = Arc::new(MemoryStore::new());
        ready(store.save_authorization_code(&code(1))).unwrap();
        let consume = |n: usize| {
            let store = store.clone();
            move || {
                ready(async {
                    if !redeems {
                        return store.delete_authorization_code(&code(1).code).await.unwrap();
                    }
                    let issued = issued(1, &format!("token {n}"));
                    store.redeem_authorization_code(&code(1).code, &issued).await.unwrap() == Redeemed::Saved
                })
            }
        };
        let threads: Vec<_> = (0..50).map(|n| std::thread::spawn(consume(n))).collect();
        let winners: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(winners.iter().filter(|won| **won).count(), 1);
        let alive = (0..50).filter(|n| ready(is_alive(&store, &format!("token {n}"))));
        assert_eq!(alive.count(), usize::from(redeems));
    }
}

#[tokio::test]
async fn a_lost_or_refused_redemption_saves_nothing() {
    let store = store_with([1]).await;
    store.save_authorization_code(&code(2)).await.unwrap();
    let before = snapshot(&store);
    let lost = store.redeem_authorization_code(&code(1).code, &issued(1, "later")).await;
    assert_eq!(lost.unwrap(), Redeemed::Lost);
    let unknown = store.redeem_authorization_code(&Digest::of("unknown"), &issued(3, "later")).await;
    assert_eq!(unknown.unwrap(), Redeemed::Lost);
    assert!(store.redeem_authorization_code(&code(2).code, &issued(2, "token 1")).await.is_err());
    assert_eq!(snapshot(&store), before);
    let redeemed = store.redeem_authorization_code(&code(2).code, &issued(2, "token 2")).await;
    assert_eq!(redeemed.unwrap(), Redeemed::Saved, "the code survived the collision");
}

#[tokio::test]
async fn a_token_is_found_with_its_authorization() {
    let store = store_with([1]).await;
    let found = store.query_token(&Digest::of("token 1")).await.unwrap().unwrap();
    assert_eq!((found.token, found.authorization), (issued(1, "token 1").access_token, Some(authorization(1))));
    store.save_token(&for_itself("own", "app")).await.unwrap();
    let found = store.query_token(&Digest::of("own")).await.unwrap().unwrap();
    assert_eq!((found.token, found.authorization), (for_itself("own", "app").access_token, None));
    assert!(!is_alive(&store, "unknown").await);
}

#[tokio::test]
async fn a_token_without_its_authorization_is_dead() {
    let store = MemoryStore::new();
    store.save_token(&Issued { authorization: None, ..issued(1, "orphan") }).await.unwrap();
    assert!(!is_alive(&store, "orphan").await);
    assert_eq!(store.query_refresh_token(&family(1, 0).handle).await.unwrap(), None);
}

#[tokio::test]
async fn a_collision_is_refused_and_nothing_changes() {
    let store = store_with([1]).await;
    let before = snapshot(&store);
    let same_token = Issued { refresh_token: Some(family(2, 0)), ..issued(2, "token 1") };
    let same_handle = Issued { refresh_token: Some(family(1, 0)), ..issued(2, "new") };
    for collision in [same_token, same_handle] {
        assert!(store.save_token(&collision).await.is_err());
        assert_eq!(snapshot(&store), before);
    }
    assert!(rotate_family(&store, 0, &rotation(1, 1, "token 1")).await.is_err());
    assert_eq!(snapshot(&store), before);
}

#[tokio::test]
async fn a_saved_authorization_is_left_as_it_is() {
    let store = store_with([1]).await;
    let wider = Authorization { scope: "profile admin".parse().unwrap(), ..authorization(1) };
    let later = Issued { authorization: Some(wider), refresh_token: None, ..issued(1, "later") };
    store.save_token(&later).await.unwrap();
    let found = store.query_token(&Digest::of("later")).await.unwrap().unwrap();
    assert_eq!(found.authorization, Some(authorization(1)));
}

#[tokio::test]
async fn what_is_saved_after_a_revocation_is_born_dead() {
    let store = store_with([1]).await;
    let id = authorization(1).id;
    assert_eq!(store.revoke_authorizations(&Selector::Authorization(id)).await.unwrap(), 1);
    store.save_token(&Issued { refresh_token: None, ..issued(1, "later") }).await.unwrap();
    let fresh = AuthorizationCode { code: Digest::of("fresh"), ..code(1) };
    store.save_authorization_code(&fresh).await.unwrap();
    rotate_family(&store, 0, &rotation(1, 1, "rotated")).await.unwrap();
    for token in ["token 1", "later", "rotated"] {
        assert!(!is_alive(&store, token).await, "{token}");
    }
    assert_eq!(store.query_refresh_token(&family(1, 0).handle).await.unwrap(), None);
    for code in [code(1).code, fresh.code] {
        assert_eq!(store.query_authorization_code(&code).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_revoked_token_stays_revoked_and_its_authorization_stands() {
    let store = store_with([1]).await;
    store.revoke_token(&Digest::of("token 1")).await.unwrap();
    assert!(!is_alive(&store, "token 1").await);
    assert!(store.save_token(&Issued { refresh_token: None, ..issued(1, "token 1") }).await.is_err());
    assert!(!is_alive(&store, "token 1").await);
    store.save_token(&Issued { refresh_token: None, ..issued(1, "later") }).await.unwrap();
    assert!(is_alive(&store, "later").await);
    store.revoke_token(&Digest::of("unknown")).await.unwrap();
}

/// Authorizations 1 to 4: alice at app, alice at other, bob at app, and alice at app for `offline_access`.
async fn four() -> MemoryStore {
    let store = MemoryStore::new();
    for (n, subject, client_id, scope) in [
        (1, "alice", "app", "profile"),
        (2, "alice", "other", "profile"),
        (3, "bob", "app", "profile"),
        (4, "alice", "app", "profile offline_access"),
    ] {
        let session = Some(SessionDigest::from_bytes([if subject == "alice" { 1 } else { 3 }; 32]));
        let (subject, scope) = (Subject::from(subject), scope.parse().unwrap());
        let own = Authorization { subject, client_id: client_id.into(), session, scope, ..authorization(n) };
        let access_token = access_token(&format!("token {n}"), Some(&own));
        store.save_token(&Issued { authorization: Some(own), access_token, refresh_token: None }).await.unwrap();
    }
    store.save_token(&for_itself("own", "app")).await.unwrap();
    store.save_token(&for_itself("own other", "other")).await.unwrap();
    store
}

#[tokio::test]
async fn each_selector_names_its_own_and_counts_what_stood() {
    let session = |n: u8| SessionDigest::from_bytes([n; 32]);
    let app = || ClientId::from("app");
    for (selector, dead) in [
        (Selector::Authorization(authorization(1).id), vec!["token 1"]),
        (Selector::Authorization(authorization(9).id), vec![]),
        (Selector::Client(app()), vec!["token 1", "token 3", "token 4", "own"]),
        (Selector::Client("unknown".into()), vec![]),
        (Selector::Subject("alice".into()), vec!["token 1", "token 2", "token 4"]),
        (Selector::Subject("app".into()), vec![]),
        (Selector::SubjectAtClient("alice".into(), app()), vec!["token 1", "token 4"]),
        (Selector::SubjectAtClient("bob".into(), "other".into()), vec![]),
        (Selector::Session(vec![session(1)]), vec!["token 1", "token 2"]),
        (Selector::Session(vec![session(3), session(1), session(1)]), vec!["token 1", "token 2", "token 3"]),
        (Selector::Session(vec![session(9)]), vec![]),
        (Selector::Session(Vec::new()), vec![]),
    ] {
        let store = four().await;
        let count = dead.iter().filter(|token| **token != "own").count();
        assert_eq!(store.revoke_authorizations(&selector).await.unwrap(), count, "{selector:?}");
        assert_eq!(store.revoke_authorizations(&selector).await.unwrap(), 0, "{selector:?}");
        for token in ["token 1", "token 2", "token 3", "token 4", "own", "own other"] {
            assert_eq!(is_alive(&store, token).await, !dead.contains(&token), "{selector:?} {token}");
        }
    }
}

fn consent(subject: &str, client_id: &str, redirect_uri: &str) -> Consent {
    Consent {
        issuer: common::ISSUER.into(),
        subject: subject.into(),
        client_id: client_id.into(),
        redirect_uri: redirect_uri.to_owned(),
        scope: "profile".parse().unwrap(),
        resources: Vec::new(),
        given_at: at(0),
    }
}

async fn is_remembered(store: &MemoryStore, consent: &Consent) -> bool {
    let Consent { subject, client_id, redirect_uri, .. } = consent;
    store.query_consent(subject, client_id, redirect_uri).await.unwrap().as_ref() == Some(consent)
}

#[tokio::test]
async fn a_consent_replaces_the_one_for_the_same_subject_client_and_redirect_uri() {
    let store = MemoryStore::new();
    let first = consent("alice", "app", "https://app.example/cb");
    let others = [
        consent("bob", "app", "https://app.example/cb"),
        consent("alice", "other", "https://app.example/cb"),
        consent("alice", "app", "https://app.example/other"),
    ];
    for saved in others.iter().chain([&first]) {
        assert!(!is_remembered(&store, saved).await);
        store.save_consent(saved).await.unwrap();
        assert!(is_remembered(&store, saved).await);
    }
    let second = Consent { scope: "email".parse().unwrap(), given_at: at(1), ..first.clone() };
    store.save_consent(&second).await.unwrap();
    assert!(is_remembered(&store, &second).await && !is_remembered(&store, &first).await);
    for other in &others {
        assert!(is_remembered(&store, other).await);
    }
}

#[tokio::test]
async fn only_disconnecting_forgets_consents() {
    let store = four().await;
    let gone = [consent("alice", "app", "https://app.example/cb"), consent("alice", "app", "https://app.example/2")];
    let kept = [consent("alice", "other", "https://app.example/cb"), consent("bob", "app", "https://app.example/cb")];
    for consent in gone.iter().chain(&kept) {
        store.save_consent(consent).await.unwrap();
    }
    let session = Selector::Session(vec![SessionDigest::from_bytes([1; 32])]);
    for selector in [session, Selector::Subject("alice".into()), Selector::Client("app".into())] {
        store.revoke_authorizations(&selector).await.unwrap();
        assert!(is_remembered(&store, &gone[0]).await, "{selector:?}");
    }
    store.revoke_authorizations(&Selector::SubjectAtClient("alice".into(), "app".into())).await.unwrap();
    for consent in &gone {
        assert!(!is_remembered(&store, consent).await);
    }
    for consent in &kept {
        assert!(is_remembered(&store, consent).await);
    }
}

#[tokio::test]
async fn a_subjects_authorizations_are_listed_newest_first_as_far_as_they_stand() {
    let store = store_with([1, 3, 2, 4]).await;
    let bobs = Authorization { subject: "bob".into(), ..authorization(5) };
    store.save_authorization_code(&AuthorizationCode { authorization: bobs, ..code(5) }).await.unwrap();
    store.revoke_authorizations(&Selector::Authorization(authorization(3).id)).await.unwrap();
    let short = Authorization { expires_at: at(10), ..authorization(6) };
    store.save_authorization_code(&AuthorizationCode { authorization: short.clone(), ..code(6) }).await.unwrap();
    let list = async |now| store.list_authorizations(&"alice".into(), now).await.unwrap();
    assert_eq!(list(at(9)).await, [short, authorization(4), authorization(2), authorization(1)]);
    assert_eq!(list(at(10)).await, [authorization(4), authorization(2), authorization(1)]);
    assert_eq!(list(at(999)).await.len(), 3);
    assert_eq!(list(at(1_000)).await, []);
    assert_eq!(store.list_authorizations(&"nobody".into(), at(0)).await.unwrap(), []);
}

#[tokio::test]
async fn a_rotation_compares_the_generation_and_swaps_the_state() {
    let store = store_with([1]).await;
    let rotated = rotate_family(&store, 0, &rotation(1, 1, "second")).await.unwrap();
    assert_eq!(rotated, Rotated::Saved);
    let found = store.query_refresh_token(&family(1, 0).handle).await.unwrap().unwrap();
    assert_eq!((found.token, found.authorization), (family(1, 1), authorization(1)));
    let before = snapshot(&store);
    for expected in [0, 2] {
        let lost = rotate_family(&store, expected, &rotation(1, 2, "lost")).await.unwrap();
        assert_eq!(lost, Rotated::Lost(Some(family(1, 1))));
    }
    let unknown = rotate_family(&store, 0, &rotation(9, 1, "lost")).await.unwrap();
    assert_eq!(unknown, Rotated::Lost(None));
    assert_eq!(snapshot(&store), before);
    assert!(is_alive(&store, "token 1").await && is_alive(&store, "second").await);
}

#[test]
fn a_generation_is_replaced_by_one_of_fifty_threads() {
    let store = Arc::new(ready(store_with([1])));
    let rotate = |n: usize| {
        let store = store.clone();
        move || {
            let issued = rotation(1, 1, &format!("second {n}"));
            ready(rotate_family(&store, 0, &issued)).unwrap()
        }
    };
    let threads: Vec<_> = (0..50).map(|n| std::thread::spawn(rotate(n))).collect();
    let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Rotated::Saved).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Rotated::Lost(Some(family(1, 1)))).count(), 49);
    let alive = (0..50).filter(|n| ready(is_alive(&store, &format!("second {n}"))));
    assert_eq!(alive.count(), 1);
}

#[tokio::test]
async fn purging_takes_what_has_expired_to_the_second_and_nothing_before() {
    let store = store_with([1]).await;
    store.save_token(&for_itself("own", "app")).await.unwrap();
    let handle = family(1, 0).handle;
    for (second, purged) in [(299, 0), (300, 2), (599, 0), (600, 1), (899, 0), (900, 1), (999, 0), (1_000, 1)] {
        assert_eq!(store.purge(at(second), 100).await.unwrap(), purged, "{second}");
        assert_eq!(is_alive(&store, "token 1").await, second < 300, "{second}");
        assert_eq!(is_alive(&store, "own").await, second < 300, "{second}");
        assert_eq!(store.query_refresh_token(&handle).await.unwrap().is_some(), second < 600, "{second}");
        let code = store.query_authorization_code(&code(1).code).await.unwrap();
        assert_eq!(code.is_some(), second < 900, "{second}");
        let listed = store.list_authorizations(&"alice".into(), at(0)).await.unwrap();
        assert_eq!(listed.is_empty(), second >= 1_000, "{second}");
    }
    assert_eq!(store.revoke_authorizations(&Selector::Subject("alice".into())).await.unwrap(), 0);
}

#[tokio::test]
async fn a_rotated_family_is_purged_when_it_ends_and_not_when_it_began() {
    let store = store_with([1]).await;
    rotate_family(&store, 0, &rotation(1, 1, "second")).await.unwrap();
    store.purge(at(599), 100).await.unwrap();
    assert!(store.query_refresh_token(&family(1, 0).handle).await.unwrap().is_some());
    store.purge(at(600), 100).await.unwrap();
    assert!(store.query_refresh_token(&family(1, 0).handle).await.unwrap().is_none());
}

#[tokio::test]
async fn a_batch_of_a_purge_is_bounded() {
    let store = store_with(1..=10).await;
    for (limit, purged) in [(0, 0), (3, 3), (30, 30), (30, 7), (30, 0)] {
        assert_eq!(store.purge(at(10_000), limit).await.unwrap(), purged);
    }
}

#[tokio::test]
async fn a_revoked_authorization_is_kept_until_it_ends() {
    let store = store_with([1]).await;
    store.revoke_authorizations(&Selector::Subject("alice".into())).await.unwrap();
    store.purge(at(999), 100).await.unwrap();
    let again = Issued { refresh_token: None, ..issued(1, "later") };
    store.save_token(&again).await.unwrap();
    assert!(!is_alive(&store, "later").await);
}

/// The columns of a row: id, authorization, client, subject, session, expiry.
type Columns<'a> = (&'a str, Option<&'a str>, &'a str, Option<&'a str>, Option<&'a str>, Option<i64>);

#[track_caller]
fn reads_what_it_wrote<R: Record + PartialEq + std::fmt::Debug>(record: &R, columns: Columns<'_>) {
    let row = record.to_row().unwrap();
    let own = (
        row.id.as_str(),
        row.authorization.as_deref(),
        row.client.as_str(),
        row.subject.as_deref(),
        row.session.as_deref(),
        row.expires_at,
    );
    assert_eq!(own, columns);
    assert_eq!(&R::from_row(&row.payload).unwrap(), record);
    for cut in 0..row.payload.len() {
        assert!(R::from_row(&row.payload[..cut]).is_err(), "cut at {cut}");
    }
    let unknown = row.payload.replacen("\"v\":1", "\"v\":2", 1);
    assert_ne!(unknown, row.payload);
    for corrupt in [unknown, row.payload.replacen("\"v\":1,", "", 1), format!("{}x", row.payload), "null".to_owned()] {
        assert!(R::from_row(&corrupt).is_err(), "{corrupt}");
    }
}

#[test]
fn every_record_reads_what_it_wrote_and_nothing_else() {
    let own = authorization(1);
    let (id, session) = (own.id.to_string(), own.session.unwrap().to_string());
    let (id, session) = (Some(id.as_str()), Some(session.as_str()));
    let alice = Some("alice");
    reads_what_it_wrote(&own, (id.unwrap(), id, "app", alice, session, Some(START as i64 + 1_000)));
    let digest = code(1).code.to_string();
    reads_what_it_wrote(&code(1), (&digest, id, "app", alice, session, Some(START as i64 + 900)));
    let digest = Digest::of("token").to_string();
    reads_what_it_wrote(&access_token("token", Some(&own)), (&digest, id, "app", None, None, Some(START as i64 + 300)));
    reads_what_it_wrote(&access_token("token", None), (&digest, None, "app", None, None, Some(START as i64 + 300)));
    let handle = family(1, 0).handle.to_string();
    for generation in [0, 7] {
        let columns = (handle.as_str(), id, "app", None, None, Some(START as i64 + 600));
        reads_what_it_wrote(&family(1, generation), columns);
    }
    let consent = consent("alice", "app", "https://app.example/cb");
    let key = consent.index().id;
    reads_what_it_wrote(&consent, (&key, None, "app", alice, None, None));
}

#[test]
fn a_record_without_its_optional_parts_reads_too() {
    let bare = Authorization { resources: Vec::new(), session: None, acr: None, amr: Vec::new(), ..authorization(1) };
    assert_eq!(Authorization::from_row(&bare.to_row().unwrap().payload).unwrap(), bare);
    let bare = AuthorizationCode { redirect_uri: None, extensions: Default::default(), authorization: bare, ..code(1) };
    assert_eq!(AuthorizationCode::from_row(&bare.to_row().unwrap().payload).unwrap(), bare);
}

#[test]
fn one_kind_of_record_is_not_read_as_another() {
    let row = authorization(1).to_row().unwrap();
    assert!(AccessToken::from_row(&row.payload).is_err());
    assert!(RefreshToken::from_row(&access_token("token", None).to_row().unwrap().payload).is_err());
    assert!(AuthorizationCode::from_row(&row.payload).is_err());
}

#[test]
fn the_key_of_a_consent_is_all_of_its_parts() {
    let ids = [
        consent("alice", "app", "x"),
        consent("alice", "app", "y"),
        consent("alice", "ap", "px"),
        consent("alic", "eapp", "x"),
        consent("a\",\"b", "c", "d"),
        consent("a", "b\",\"c", "d"),
    ]
    .map(|consent| consent.index().id);
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len());
}
