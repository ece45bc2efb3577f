//! Signing keys that rotate: published before they sign, and until their last token has expired; the same on every
//! replica.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::intercept::{Intercepted, Interceptor};
use common::*;
use grantwell::issue::JwtAccessTokens;
use grantwell::jose::{Algorithm, Jwk, Jws, PrivateKey, PublicKeys, Signer, SigningError, verify};
use grantwell::model::{AccessTokenFormat, ClientPolicy, SigningKey};
use grantwell::signing::{FixedKeys, KeyVault, RotatingKeys, SigningKeys};
use grantwell::storage::KeyStore;
use grantwell::stores::MemoryStore;
use grantwell::{AuthorizationServer, BuildError, Builder, Clock as _, SecretKey, StorageError};
use http::Method;
use serde_json::Value;

const AHEAD: u64 = 400;
const EVERY: u64 = 10_000;
const LONGEST: u64 = 5_000;
const SKEW: u64 = 300;

fn es256() -> RotatingKeys {
    RotatingKeys::new([Algorithm::ES256]).every(EVERY).publish_ahead(AHEAD).longest_token(LONGEST)
}

fn signing<S: EveryStore + KeyStore>(builder: Builder<S>, keys: RotatingKeys) -> Builder<S> {
    builder.signing_keys(keys).jwt_access_tokens(JwtAccessTokens::new("https://api.example").by_default())
}

fn fixture(keys: RotatingKeys) -> Fixture {
    Fixture::with(|builder| signing(builder, keys))
}

fn keys(fixture: &Fixture) -> &SigningKeys {
    fixture.server.signing_keys().unwrap()
}

/// The `kid`s that the JWKS endpoint publishes.
async fn published(fixture: &Fixture) -> BTreeSet<String> {
    let answer = fixture.send(get("/jwks")).await;
    let kids = answer.is_ok().json["keys"].as_array().unwrap().iter();
    kids.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn token(fixture: &Fixture) -> String {
    let answer = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    answer.is_ok().text("access_token").to_owned()
}

/// The `kid` that signs now.
async fn signing_kid(fixture: &Fixture) -> String {
    let token = token(fixture).await;
    Jws::parse(&token).unwrap().header().kid.clone().unwrap()
}

async fn is_verified(keys: &dyn PublicKeys, token: &str) -> bool {
    verify(&Jws::parse(token).unwrap(), keys, &Algorithm::ASYMMETRIC).await.unwrap().is_ok()
}

async fn stored(fixture: &Fixture) -> Vec<SigningKey> {
    fixture.store.query_signing_keys(&ISSUER.into()).await.unwrap()
}

#[tokio::test]
async fn the_jwk_set_is_public_and_cacheable() {
    let algorithms = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
    let fixture = fixture(RotatingKeys::new(algorithms));
    let answer = fixture.send(get("/jwks")).await;
    assert_eq!(answer.is_ok().headers["cache-control"], "public, max-age=300");
    assert_eq!(answer.headers["content-type"], "application/json");
    let keys = answer.json["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    for key in keys {
        let members: BTreeSet<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(members.is_superset(&["kty", "kid", "use", "alg"].into()), "{members:?}");
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(!members.contains(private), "{private}");
        }
        assert_eq!(key["kid"], Jwk::parse(key).unwrap().thumbprint());
    }
    assert_eq!(published(&fixture).await.len(), 3, "kids are unique");
    let metadata: Value = serde_json::from_slice(fixture.server.metadata()).unwrap();
    assert_eq!(metadata["jwks_uri"], format!("{ISSUER}/jwks"));
    let mut post = get("/jwks");
    *post.method_mut() = Method::POST;
    assert_eq!(fixture.send(post).await.status, 405);
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_until_its_last_token_has_expired() {
    let fixture = fixture(es256());
    let first = signing_kid(&fixture).await;
    fixture.clock.advance(EVERY - AHEAD - 1);
    assert_eq!(published(&fixture).await, [first.clone()].into());

    fixture.clock.advance(101);
    let both = published(&fixture).await;
    assert_eq!(both.len(), 2);
    fixture.clock.advance(AHEAD - 1);
    assert_eq!(signing_kid(&fixture).await, first);
    let last_token = token(&fixture).await;
    fixture.clock.advance(1);
    let second = signing_kid(&fixture).await;
    assert!(both.contains(&second) && second != first);

    fixture.clock.advance(LONGEST + SKEW - 1);
    assert!(published(&fixture).await.contains(&first));
    assert!(is_verified(keys(&fixture), &last_token).await);
    fixture.clock.advance(100);
    keys(&fixture).maintain().await.unwrap();
    assert_eq!(published(&fixture).await, [second].into());
    assert_eq!(stored(&fixture).await.len(), 1);
}

#[tokio::test]
async fn a_server_that_slept_publishes_the_next_key_before_it_signs() {
    let fixture = fixture(es256());
    let first = signing_kid(&fixture).await;
    fixture.clock.advance(10 * EVERY);
    assert_eq!(signing_kid(&fixture).await, first);
    assert_eq!(published(&fixture).await.len(), 2);
    fixture.clock.advance(AHEAD);
    assert_ne!(signing_kid(&fixture).await, first);
}

#[tokio::test]
async fn no_signed_token_outlives_its_key() {
    let fixture = fixture(es256().longest_token(30));
    let answer = fixture.token("cc", &[("grant_type", "client_credentials")]).await;
    assert_eq!(answer.is_ok().json["expires_in"], 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_that_start_together_agree_on_one_key() {
    for _ in 0..20 {
        let first = fixture(es256());
        let replicas =
            [0; 8].map(|_| first.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), es256())));
        let tasks = replicas.map(|replica| tokio::spawn(async move { published(&replica).await }));
        let mut sets = BTreeSet::new();
        for task in tasks {
            sets.insert(task.await.unwrap());
        }
        assert_eq!((sets.len(), sets.first().unwrap().len()), (1, 1));
    }
}

/// Someone else's view of the keys: what the endpoint said, kept for as long as it allows, and looked up again for an
/// unknown `kid` never.
struct Patient {
    fixture: Fixture,
    kept: Option<(u64, BTreeSet<String>)>,
}

impl Patient {
    async fn knows(&mut self, kid: &str, now: u64) -> bool {
        if self.kept.as_ref().is_none_or(|(until, _)| now >= *until) {
            self.kept = Some((now + AHEAD / 4, published(&self.fixture).await));
        }
        self.kept.as_ref().unwrap().1.contains(kid)
    }
}

#[tokio::test]
async fn under_load_on_two_replicas_no_valid_token_is_refused() {
    let first = fixture(es256());
    let second = first.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), es256()));
    let mut readers = [first.clone(), second.clone()].map(|fixture| Patient { fixture, kept: None });
    let (mut live, mut kids) = (Vec::<(u64, String)>::new(), BTreeSet::new());
    for step in 0..1_200_u64 {
        let now = START + step * 25;
        first.clock.set(now);
        // Which replica looks into the store first, and whether both do, must not matter.
        let issuing = if step % 3 == 0 {
            vec![&first, &second]
        } else if step % 2 == 0 {
            vec![&second]
        } else {
            vec![&first]
        };
        for replica in issuing {
            live.push((now + 3_600, token(replica).await));
        }
        live.retain(|(expires_at, _)| now < *expires_at);
        if step % 16 == 0 {
            for (_, token) in &live {
                assert!(is_verified(keys(&first), token).await && is_verified(keys(&second), token).await, "{step}");
            }
        }
        let newest = Jws::parse(&live.last().unwrap().1).unwrap().header().kid.clone().unwrap();
        for reader in &mut readers {
            assert!(reader.knows(&newest, now).await, "step {step}: a key signs that a reader has not seen");
        }
        kids.insert(newest);
    }
    assert!(kids.len() >= 3, "{} keys", kids.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rotation_amid_parallel_requests_refuses_none() {
    let first = fixture(es256());
    let second = first.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), es256()));
    let stop = Arc::new(AtomicBool::new(false));
    let load = [(first.clone(), second.clone()), (second.clone(), first.clone())].map(|(issues, checks)| {
        let stop = stop.clone();
        tokio::spawn(async move {
            let mut kids = BTreeSet::new();
            while !stop.load(Ordering::Relaxed) {
                let issued_after = issues.clock.now();
                let token = token(&issues).await;
                let is_verified = is_verified(keys(&checks), &token).await;
                assert!(is_verified || checks.clock.now() >= issued_after.plus(3_600), "a valid token is refused");
                kids.insert(Jws::parse(&token).unwrap().header().kid.clone());
            }
            kids
        })
    });
    for _ in 0..300 {
        first.clock.advance(100);
        tokio::task::yield_now().await;
        keys(&first).maintain().await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    assert_eq!(published(&first).await, published(&second).await);
}

#[tokio::test]
async fn a_call_begins_the_rotation() {
    let fixture = fixture(es256());
    let first = signing_kid(&fixture).await;
    keys(&fixture).rotate().await.unwrap();
    keys(&fixture).rotate().await.unwrap();
    assert_eq!(published(&fixture).await.len(), 2, "a second call changes nothing");
    assert_eq!(signing_kid(&fixture).await, first);
    fixture.clock.advance(AHEAD);
    assert_ne!(signing_kid(&fixture).await, first);
}

#[tokio::test]
async fn a_clock_that_is_behind_signs_by_the_first_key() {
    let fixture = fixture(es256());
    let first = signing_kid(&fixture).await;
    fixture.clock.set(START - 30);
    let behind = fixture.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), es256()));
    assert_eq!(signing_kid(&behind).await, first);
}

#[tokio::test]
async fn a_key_made_by_a_clock_far_ahead_is_overtaken_by_a_call() {
    let fixture = fixture(es256());
    let first = signing_kid(&fixture).await;
    fixture.clock.set(START + 100 * EVERY);
    keys(&fixture).maintain().await.unwrap();
    fixture.clock.set(START + AHEAD);
    assert_eq!(signing_kid(&fixture).await, first);
    keys(&fixture).rotate().await.unwrap();
    fixture.clock.advance(AHEAD);
    assert_ne!(signing_kid(&fixture).await, first);
}

#[tokio::test]
async fn replacing_wins_against_a_rotation_at_the_same_time() {
    let other = fixture(es256());
    let leaked = signing_kid(&other).await;
    let way = InTheWay::default();
    let replacing = way.over(&other, es256());
    way.is(Way::Overtaken(keys(&other).clone()));
    keys(&replacing).replace().await.unwrap();
    other.clock.advance(60);
    for replica in [&replacing, &other] {
        let kid = signing_kid(replica).await;
        assert_ne!(kid, leaked);
        assert_eq!(published(replica).await, [kid].into());
    }
}

#[tokio::test]
async fn replacing_ends_the_keys_of_every_algorithm() {
    let both = fixture(RotatingKeys::new([Algorithm::EdDSA, Algorithm::ES256]).every(EVERY).publish_ahead(AHEAD));
    let token = token(&both).await;
    let narrowed = both.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), es256()));
    assert!(is_verified(keys(&narrowed), &token).await);
    keys(&narrowed).replace().await.unwrap();
    assert!(!is_verified(keys(&narrowed), &token).await);
    assert_eq!(published(&narrowed).await.len(), 1);
}

#[tokio::test]
async fn an_added_algorithm_is_published_before_it_signs() {
    let old = fixture(es256());
    let before = signing_kid(&old).await;
    let added = || RotatingKeys::new([Algorithm::EdDSA, Algorithm::ES256]).every(EVERY).publish_ahead(AHEAD);
    let new = old.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), added()));
    assert_eq!(signing_kid(&new).await, before);
    assert_eq!(published(&new).await.len(), 2);
    new.clock.advance(AHEAD);
    assert_ne!(signing_kid(&new).await, before);
}

#[tokio::test]
async fn a_shorter_schedule_ends_no_key_whose_tokens_live() {
    let patient =
        || RotatingKeys::new([Algorithm::EdDSA]).every(90 * EVERY).publish_ahead(AHEAD).longest_token(LONGEST);
    for hasty in [es256().every(AHEAD).longest_token(60), patient().every(AHEAD).longest_token(60)] {
        let replaced = fixture(patient());
        keys(&replaced).maintain().await.unwrap();
        replaced.clock.advance(20 * EVERY);
        let shown = token(&replaced).await;
        let new = replaced.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), hasty));
        for _ in 0..10 {
            new.clock.advance((LONGEST - 1) / 10);
            keys(&new).maintain().await.unwrap();
        }
        assert!(is_verified(keys(&new), &shown).await);
    }
}

#[tokio::test]
async fn a_leaked_key_is_replaced_at_once() {
    let fixture = fixture(es256());
    let replica = fixture.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), es256()));
    let token = token(&fixture).await;
    assert!(is_verified(keys(&replica), &token).await);
    keys(&fixture).rotate().await.unwrap();
    keys(&fixture).replace().await.unwrap();
    assert!(!is_verified(keys(&fixture), &token).await);
    assert_eq!(published(&fixture).await.len(), 1);
    fixture.clock.advance(60);
    assert!(!is_verified(keys(&replica), &token).await);
    assert_eq!(signing_kid(&replica).await, signing_kid(&fixture).await);
}

/// What is in the way of the calls about signing keys.
#[derive(Clone, Default)]
struct InTheWay(Arc<Mutex<Way>>);

#[derive(Clone, Default)]
enum Way {
    #[default]
    Free,
    Down,
    Hangs,
    /// Another replica begins a rotation before this one saves.
    Overtaken(SigningKeys),
}

impl InTheWay {
    fn is(&self, way: Way) {
        *self.0.lock().unwrap() = way;
    }

    fn over(&self, fixture: &Fixture, keys: RotatingKeys) -> Fixture {
        fixture.over_the_same_store(|store, clock| {
            signing(builder(ISSUER, &Intercepted::new(store, self.clone()), clock), keys)
        })
    }
}

#[async_trait]
impl Interceptor for InTheWay {
    async fn before(&self, call: &'static str) -> Result<(), StorageError> {
        if !call.contains("signing_key") {
            return Ok(());
        }
        let way = self.0.lock().unwrap().clone();
        match way {
            Way::Free => Ok(()),
            Way::Down => Err(StorageError::new("the store is down")),
            Way::Hangs => std::future::pending().await,
            Way::Overtaken(other) if call == "save_signing_key" => {
                self.is(Way::Free);
                other.rotate().await.map_err(StorageError::new)
            }
            Way::Overtaken(_) => Ok(()),
        }
    }
}

/// Keys cannot be saved.
struct NoSaving;

#[async_trait]
impl Interceptor for NoSaving {
    async fn before(&self, call: &'static str) -> Result<(), StorageError> {
        if call == "save_signing_key" { Err(StorageError::new("read only")) } else { Ok(()) }
    }
}

#[tokio::test]
async fn while_the_store_is_down_what_is_known_is_used_for_half_of_publish_ahead() {
    let way = InTheWay::default();
    let known = way.over(&fixture(es256()), es256());
    let first = published(&known).await;
    way.is(Way::Down);
    known.clock.advance(AHEAD / 2 - 1);
    assert_eq!(published(&known).await, first);
    assert!(keys(&known).maintain().await.is_err());
    assert_eq!(signing_kid(&known).await, *first.first().unwrap());
    known.clock.advance(1);

    let unknown = way.over(&fixture(es256()), es256());
    for replica in [&known, &unknown] {
        replica.send(get("/jwks")).await.is_refused(503, "temporarily_unavailable");
        let answer = replica.token("cc", &[("grant_type", "client_credentials")]).await;
        answer.is_refused(503, "temporarily_unavailable");
    }
    way.is(Way::Free);
    for replica in [&known, &unknown] {
        replica.clock.advance(1);
        token(replica).await;
    }
}

#[tokio::test]
async fn a_store_that_hangs_stops_nobody_while_enough_is_known() {
    let way = InTheWay::default();
    let fixture = way.over(&fixture(es256()), es256());
    let shown = token(&fixture).await;
    way.is(Way::Hangs);
    fixture.clock.advance(AHEAD / 2 - 1);
    let hanging = tokio::spawn({
        let fixture = fixture.clone();
        async move { published(&fixture).await }
    });
    tokio::task::yield_now().await;
    for _ in 0..100 {
        assert!(is_verified(keys(&fixture), &shown).await);
        token(&fixture).await;
    }
    assert!(!hanging.is_finished());
    hanging.abort();
}

#[tokio::test]
async fn a_private_key_is_stored_encrypted() {
    let fixture = fixture(es256());
    signing_kid(&fixture).await;
    let key = stored(&fixture).await.remove(0);
    assert!(key.jwk.get("d").is_none());
    let other = fixture.over_the_same_store(|store, clock| {
        signing(builder(ISSUER, store, clock).secret_keys(SecretKey::from_bytes([8; 32]), []), es256())
    });
    // Another secret key opens nothing, publishes no set that lacks a key, and makes no second key beside the first.
    for _ in 0..2 {
        let answer = other.token("cc", &[("grant_type", "client_credentials")]).await;
        answer.is_refused(503, "temporarily_unavailable");
        other.send(get("/jwks")).await.is_refused(503, "temporarily_unavailable");
        other.clock.advance(EVERY);
    }
    assert_eq!(stored(&other).await.len(), 1);
}

#[tokio::test]
async fn who_can_write_to_the_store_cannot_add_a_key() {
    let fixture = fixture(es256());
    let own = signing_kid(&fixture).await;
    let planted = PrivateKey::generate(Algorithm::ES256).unwrap();
    let genuine = stored(&fixture).await.remove(0);
    let beside = SigningKey {
        generation: 1,
        signs_from: genuine.signs_from.plus(1),
        jwk: planted.jwk().to_value(),
        private_key: "x".to_owned(),
        ..genuine.clone()
    };
    assert!(fixture.store.save_signing_key(&beside).await.unwrap());
    fixture.store.delete_signing_key(&genuine).await.unwrap();
    let swapped = SigningKey { jwk: planted.jwk().to_value(), ..genuine };
    assert!(fixture.store.save_signing_key(&swapped).await.unwrap());
    let fresh = fixture.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), es256()));
    assert_eq!(published(&fresh).await, [own].into());
    fresh.clock.advance(1);
    fresh.send(get("/jwks")).await.is_refused(503, "temporarily_unavailable");
    fresh.clock.advance(1);
    fresh.send(get("/jwks")).await.is_refused(503, "temporarily_unavailable");
}

#[tokio::test]
async fn a_new_secret_key_brings_a_new_signing_key_ahead_of_schedule() {
    let fixture = fixture(es256());
    let first = signing_kid(&fixture).await;
    let (new, old) = (SecretKey::from_bytes([9; 32]), SecretKey::from_bytes([7; 32]));
    let changed = fixture.over_the_same_store(|store, clock| {
        signing(builder(ISSUER, store, clock).secret_keys(new.clone(), [old]), es256())
    });
    assert_eq!(signing_kid(&changed).await, first);
    assert_eq!(published(&changed).await.len(), 2);
    changed.clock.advance(AHEAD);
    let second = signing_kid(&changed).await;
    assert_ne!(second, first);
    changed.clock.advance(LONGEST + SKEW);
    let dropped = changed
        .over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock).secret_keys(new, []), es256()));
    assert_eq!(signing_kid(&dropped).await, second);
}

#[tokio::test]
async fn an_algorithm_that_is_no_longer_configured_fades_out() {
    let fixture = fixture(
        RotatingKeys::new([Algorithm::ES256, Algorithm::EdDSA])
            .every(EVERY)
            .publish_ahead(AHEAD)
            .longest_token(LONGEST),
    );
    assert_eq!(published(&fixture).await.len(), 2);
    let narrowed = fixture.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), es256()));
    assert_eq!(published(&narrowed).await.len(), 2);
    narrowed.clock.advance(EVERY + AHEAD + LONGEST + SKEW);
    keys(&narrowed).maintain().await.unwrap();
    assert!(stored(&narrowed).await.iter().all(|key| key.algorithm == "ES256"));
}

/// A vault with one key under one name; it can be closed, and then neither makes, opens nor uses one.
#[derive(Clone)]
struct Vault {
    key: Arc<PrivateKey>,
    is_closed: Arc<AtomicBool>,
}

impl Vault {
    fn new() -> Self {
        Self { key: Arc::new(PrivateKey::generate(Algorithm::ES256).unwrap()), is_closed: Arc::default() }
    }

    fn close(&self, is_closed: bool) {
        self.is_closed.store(is_closed, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), SigningError> {
        let is_closed = self.is_closed.load(Ordering::Relaxed);
        if is_closed { Err(SigningError::new("the vault is closed")) } else { Ok(()) }
    }
}

struct InVault(Vault);

#[async_trait]
impl KeyVault for Vault {
    async fn generate(&self, _: Algorithm) -> Result<(Jwk, String), SigningError> {
        self.check()?;
        Ok((self.key.jwk().clone(), "vault/key/1".to_owned()))
    }

    async fn open(&self, key: &SigningKey) -> Result<Arc<dyn Signer>, SigningError> {
        assert_eq!(key.private_key, "vault/key/1");
        self.check()?;
        Ok(Arc::new(InVault(self.clone())))
    }
}

#[async_trait]
impl Signer for InVault {
    fn jwk(&self) -> &Jwk {
        self.0.key.jwk()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        self.0.check()?;
        self.0.key.sign(message).await
    }
}

#[tokio::test]
async fn a_vault_of_the_hosts_keeps_the_private_key() {
    let vault = Vault::new();
    let fixture = fixture(es256().vault(vault.clone()));
    assert!(is_verified(keys(&fixture), &token(&fixture).await).await);
    assert_eq!(stored(&fixture).await[0].private_key, "vault/key/1");

    let code = fixture.code("sec").await;
    vault.close(true);
    let before = fixture.snapshot();
    fixture.redeem("sec", &code).await.is_refused(503, "temporarily_unavailable");
    assert_eq!(fixture.snapshot(), before, "the code is still good");
    vault.close(false);
    fixture.redeem("sec", &code).await.is_ok();
}

#[tokio::test]
async fn a_vault_that_is_closed_at_the_start_is_asked_again_soon() {
    let vault = Vault::new();
    let first = fixture(es256().vault(vault.clone()));
    let kid = signing_kid(&first).await;
    vault.close(true);
    let restarted =
        first.over_the_same_store(|store, clock| signing(builder(ISSUER, store, clock), es256().vault(vault.clone())));
    restarted.send(get("/jwks")).await.is_refused(503, "temporarily_unavailable");
    vault.close(false);
    restarted.clock.advance(1);
    assert_eq!(published(&restarted).await, [kid].into());
}

#[tokio::test]
async fn a_key_that_is_due_and_cannot_be_made_stops_none_that_is_there() {
    let fixture = fixture(es256());
    let first = signing_kid(&fixture).await;
    fixture.clock.advance(EVERY);
    let no_saving = fixture.over_the_same_store(|store, clock| {
        signing(builder(ISSUER, &Intercepted::new(store, NoSaving), clock), es256())
    });
    assert_eq!(signing_kid(&no_saving).await, first);
    assert_eq!(published(&no_saving).await, [first].into());
}

#[tokio::test]
async fn fixed_keys_are_the_hosts_to_rotate() {
    let [first, second] = [(); 2].map(|()| PrivateKey::generate(Algorithm::EdDSA).unwrap());
    let retired = second.jwk().clone();
    let fixture = Fixture::with(|builder| {
        builder
            .signing_keys(FixedKeys::new(first).publish(retired.clone()))
            .jwt_access_tokens(JwtAccessTokens::new("https://api.example").by_default())
    });
    assert_eq!(published(&fixture).await.len(), 2);
    assert_ne!(signing_kid(&fixture).await, retired.kid().unwrap());
    keys(&fixture).maintain().await.unwrap();
    assert!(keys(&fixture).rotate().await.is_err());
}

#[test]
fn what_contradicts_itself_is_refused_when_it_is_built() {
    let refused = |change: fn(Builder<MemoryStore>) -> Builder<MemoryStore>| {
        let store = Arc::new(MemoryStore::new());
        change(builder(ISSUER, &store, &ManualClock::new())).build().err()
    };
    assert_eq!(
        refused(|builder| builder.jwt_access_tokens(JwtAccessTokens::new("a"))),
        Some(BuildError::NoSigningKeys)
    );
    let bad: [fn() -> RotatingKeys; 7] = [
        || es256().longest_token(100 * EVERY),
        || RotatingKeys::new([]),
        || RotatingKeys::new([Algorithm::HS256]),
        || RotatingKeys::new([Algorithm::ES256, Algorithm::ES256]),
        || es256().publish_ahead(3),
        || es256().every(AHEAD - 1),
        || es256().longest_token(0),
    ];
    for keys in bad {
        let store = Arc::new(MemoryStore::new());
        let built = builder(ISSUER, &store, &ManualClock::new()).signing_keys(keys()).build();
        assert!(matches!(built, Err(BuildError::Configuration(_))), "{built:?}");
    }
    for format in [JwtAccessTokens::new(""), JwtAccessTokens::new("a").algorithm(Algorithm::RS256)] {
        let store = Arc::new(MemoryStore::new());
        let builder = builder(ISSUER, &store, &ManualClock::new()).signing_keys(es256());
        assert!(matches!(builder.jwt_access_tokens(format).build(), Err(BuildError::Configuration(_))));
    }
    let store = Arc::new(MemoryStore::new());
    let keyless = AuthorizationServer::builder(ISSUER, store.clone(), store).signing_keys(es256());
    let keyless = keyless.grant(grantwell::grants::ClientCredentials::new());
    assert!(matches!(keyless.build(), Err(BuildError::Configuration(text)) if text.contains("secret keys")));
}

#[tokio::test]
async fn a_client_that_asks_for_a_jwt_of_a_server_without_keys_is_told_so() {
    let fixture = Fixture::new();
    let policy = ClientPolicy { access_token_format: Some(AccessTokenFormat::Jwt), ..ClientPolicy::default() };
    let client = clients().into_iter().find(|client| client.id().as_str() == "cc").unwrap();
    fixture.store.insert_client(client.with_policy(policy).unwrap());
    fixture.token("cc", &[("grant_type", "client_credentials")]).await.is_refused(500, "server_error");
}
