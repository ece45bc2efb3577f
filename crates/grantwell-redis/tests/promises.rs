//! What this store promises beyond the traits: what is refused takes nothing, rows last as long as they must, and what
//! cannot be read is an error.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use grantwell::Timestamp;
use grantwell::model::{AuthorizationCode, Consent, Issued, SigningKey};
use grantwell::storage::{
    AccessTokenStore as _, AuthorizationCodeStore as _, AuthorizationStore as _, ClientRegistry as _, ClientStore as _,
    CodeState, ConsentStore as _, KeyStore as _, Redeemed, RefreshTokenStore as _, ReplayStore as _,
    RevocationStore as _, Rotated, Selector, TokenStore as _,
};
use grantwell_redis::RedisStore;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, ValueType, cmd};
use support::{
    Bench, access_token, authorization, client, code, consent, digest, fill, issued, later, own_token, signing_key,
};

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_client_that_was_refused_a_token_does_not_revoke_whose_it_is() {
    let bench = Bench::new().await;
    let (theirs, under) = (own_token(&"other".into()), issued(&authorization()));
    for taken in [&theirs, &under] {
        bench.store.save_token(taken).await.unwrap();
        let mut refused = own_token(&"client".into());
        refused.access_token.token = taken.access_token.token;
        assert!(bench.store.save_token(&refused).await.is_err());
    }
    bench.store.revoke_authorizations(&Selector::Client("client".into())).await.unwrap();
    for taken in [&theirs, &under] {
        assert!(bench.store.query_token(&taken.access_token.token).await.unwrap().is_some());
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn what_is_refused_leaves_no_pointers() {
    let bench = Bench::new().await;
    let (first, code) = (issued(&authorization()), code(&authorization()));
    bench.store.save_token(&first).await.unwrap();
    bench.store.save_authorization_code(&code).await.unwrap();
    bench.store.redeem_authorization_code(&code.code, &issued(&code.authorization)).await.unwrap();
    let before: BTreeSet<String> = bench.keys("token:").await.into_iter().chain(bench.keys("refresh:").await).collect();

    let own = authorization();
    let mut taken_elsewhere = issued(&own);
    taken_elsewhere.refresh_token.as_mut().unwrap().handle = first.refresh_token.as_ref().unwrap().handle;
    assert!(bench.store.save_token(&taken_elsewhere).await.is_err());
    let same = first.authorization.as_ref().unwrap();
    let taken = Issued { refresh_token: first.refresh_token.clone(), ..issued(same) };
    assert!(bench.store.save_token(&taken).await.is_err());
    let again = bench.store.redeem_authorization_code(&code.code, &issued(&code.authorization)).await.unwrap();
    assert_eq!(again, Redeemed::Lost);
    let next = first.refresh_token.clone().unwrap();
    let lost = bench.store.rotate_refresh_token(7, &next, &access_token(same)).await.unwrap();
    assert_eq!(lost, Rotated::Lost(first.refresh_token.clone()));

    let after: BTreeSet<String> = bench.keys("token:").await.into_iter().chain(bench.keys("refresh:").await).collect();
    assert_eq!(after, before);
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn the_loser_of_the_same_redemption_takes_nothing_from_the_winner() {
    let bench = Bench::new().await;
    for _ in 0..50 {
        let code = code(&authorization());
        let issued = issued(&code.authorization);
        bench.store.save_authorization_code(&code).await.unwrap();
        let redeem = || bench.store.redeem_authorization_code(&code.code, &issued);
        let (one, two, three) = tokio::join!(redeem(), redeem(), redeem());
        let saved = [one, two, three].into_iter().filter(|redeemed| matches!(redeemed, Ok(Redeemed::Saved))).count();
        assert_eq!(saved, 1);
        assert!(bench.store.query_token(&issued.access_token.token).await.unwrap().is_some());
        let handle = issued.refresh_token.as_ref().unwrap().handle;
        assert!(bench.store.query_refresh_token(&handle).await.unwrap().is_some());
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn what_is_revoked_or_consumed_keeps_its_place_until_its_end() {
    let bench = Bench::new().await;
    let code = code(&authorization());
    let (id, issued, own) = (code.authorization.id, issued(&code.authorization), own_token(&"client".into()));
    bench.store.save_authorization_code(&code).await.unwrap();
    bench.store.redeem_authorization_code(&code.code, &issued).await.unwrap();
    bench.store.save_token(&own).await.unwrap();
    for token in [&issued.access_token.token, &own.access_token.token] {
        bench.store.revoke_token(token).await.unwrap();
    }
    bench.store.revoke_authorizations(&Selector::Authorization(id)).await.unwrap();
    for (key, end) in [
        (format!("authorization:{{{id}}}"), code.authorization.expires_at),
        (format!("authorization:{{{id}}}:code:{}", code.code), code.retain_until),
        (format!("authorization:{{{id}}}:token:{}", issued.access_token.token), issued.access_token.expires_at),
        (format!("token:{}", own.access_token.token), own.access_token.expires_at),
    ] {
        let expires: u64 = bench.connection.clone().expire_time(format!("{}{key}", bench.prefix)).await.unwrap();
        assert_eq!(Timestamp::from_unix(expires), end, "{key}");
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn generations_beyond_the_numbers_of_lua_are_told_apart() {
    let bench = Bench::new().await;
    let mut issued = issued(&authorization());
    let family = issued.refresh_token.as_mut().unwrap();
    family.generation = u64::MAX;
    let (family, own) = (family.clone(), issued.authorization.clone().unwrap());
    bench.store.save_token(&issued).await.unwrap();
    let lost = bench.store.rotate_refresh_token(u64::MAX - 1, &family, &access_token(&own)).await.unwrap();
    assert_eq!(lost, Rotated::Lost(Some(family.clone())));
    let saved = bench.store.rotate_refresh_token(u64::MAX, &family, &access_token(&own)).await.unwrap();
    assert_eq!(saved, Rotated::Saved);
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn more_authorizations_than_a_page_are_revoked_and_listed() {
    let bench = Bench::new().await;
    let own = authorization();
    let mut codes = Vec::new();
    for n in 0..600 {
        let mut other = authorization();
        (other.subject, other.created_at) = (own.subject.clone(), later(n));
        codes.push(code(&other));
    }
    for code in &codes {
        bench.store.save_authorization_code(code).await.unwrap();
    }
    let listed = bench.store.list_authorizations(&own.subject, later(0)).await.unwrap();
    assert_eq!(listed.len(), 600);
    assert!(listed.is_sorted_by_key(|authorization| std::cmp::Reverse(authorization.created_at)));
    let by_subject = Selector::Subject(own.subject.clone());
    assert_eq!(bench.store.revoke_authorizations(&by_subject).await.unwrap(), 600);
    for code in &codes {
        assert_eq!(bench.store.query_authorization_code(&code.code).await.unwrap(), None);
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn an_index_forgets_what_has_ended_as_it_grows() {
    let bench = Bench::new().await;
    let own = authorization();
    let index = {
        bench.store.save_authorization_code(&code(&own)).await.unwrap();
        let keys = bench.keys("client:").await;
        assert_eq!(keys.len(), 1);
        keys[0].clone()
    };
    let mut connection = bench.connection.clone();
    for n in 0..150 {
        connection.zadd::<_, _, _, ()>(&index, format!("ended {n}"), later(0).as_unix() - 1).await.unwrap();
    }
    for left in [52, 3] {
        let mut next = authorization();
        next.client_id = own.client_id.clone();
        bench.store.save_authorization_code(&code(&next)).await.unwrap();
        assert_eq!(connection.zcard::<_, usize>(&index).await.unwrap(), left);
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn scripts_that_redis_has_forgotten_are_loaded_again() {
    let bench = Bench::new().await;
    let forget = async || cmd("SCRIPT").arg("FLUSH").exec_async(&mut bench.connection.clone()).await.unwrap();
    let code = code(&authorization());
    let issued = issued(&code.authorization);
    forget().await;
    assert!(bench.store.save_authorization_code(&code).await.unwrap());
    forget().await;
    let redeemed = bench.store.redeem_authorization_code(&code.code, &issued).await.unwrap();
    assert_eq!(redeemed, Redeemed::Saved);
    forget().await;
    let (family, token) = (issued.refresh_token.unwrap(), access_token(&code.authorization));
    assert_eq!(bench.store.rotate_refresh_token(0, &family, &token).await.unwrap(), Rotated::Saved);
    forget().await;
    assert!(bench.store.claim(&digest(), later(10)).await.unwrap());
    forget().await;
    let by_subject = Selector::Subject(code.authorization.subject.clone());
    assert_eq!(bench.store.revoke_authorizations(&by_subject).await.unwrap(), 1);
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_claim_that_has_ended_by_redis_clock_is_kept_for_the_skew() {
    let bench = Bench::new().await;
    let store = bench.store.clone().clock_skew(60);
    for expires_at in [Timestamp::from_unix(0), later(0), Timestamp::from_unix(u64::MAX)] {
        let id = digest();
        assert!(store.claim(&id, expires_at).await.unwrap());
        assert!(!store.claim(&id, expires_at).await.unwrap());
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn the_far_ends_of_time_are_taken() {
    let bench = Bench::new().await;
    let mut own = authorization();
    own.expires_at = Timestamp::from_unix(u64::MAX);
    let mut code = code(&own);
    code.retain_until = Timestamp::from_unix(u64::MAX);
    bench.store.save_authorization_code(&code).await.unwrap();
    assert!(bench.store.query_authorization_code(&code.code).await.unwrap().is_some());
    let mut ended = own_token(&own.client_id);
    ended.access_token.expires_at = Timestamp::from_unix(0);
    bench.store.save_token(&ended).await.unwrap();
    assert_eq!(bench.store.revoke_authorizations(&Selector::Client(own.client_id)).await.unwrap(), 1);
}

/// Puts `payload` in the place of every record; what stands before a record in its row stays.
async fn corrupt(bench: &Bench, payload: &str) {
    let mut connection = bench.connection.clone();
    let corrupt = |row: String| format!("{}{payload}", row.split('{').next().unwrap());
    for key in bench.keys("").await {
        match connection.key_type(&key).await.unwrap() {
            ValueType::String => {
                let row: String = connection.get(&key).await.unwrap();
                if row.contains('{') {
                    connection.set::<_, _, ()>(&key, corrupt(row)).await.unwrap();
                }
            }
            ValueType::Hash => {
                for (field, row) in connection.hgetall::<_, BTreeMap<String, String>>(&key).await.unwrap() {
                    connection.hset::<_, _, _, ()>(&key, field, corrupt(row)).await.unwrap();
                }
            }
            _ => {}
        }
    }
}

/// What is looked up by the test of corrupt rows.
struct Kept {
    code: AuthorizationCode,
    issued: Issued,
    own: Issued,
    consent: Consent,
    key: SigningKey,
}

impl Kept {
    async fn by(bench: &Bench) -> Self {
        let code = code(&authorization());
        let (issued, consent) = (issued(&code.authorization), consent(&code.authorization));
        let own = own_token(&consent.client_id);
        bench.store.save_authorization_code(&code).await.unwrap();
        for tokens in [&issued, &own] {
            bench.store.save_token(tokens).await.unwrap();
        }
        bench.store.save_consent(&consent).await.unwrap();
        bench.store.save_client(&client(&consent)).await.unwrap();
        let key = signing_key();
        bench.store.save_signing_key(&key).await.unwrap();
        Self { code, issued, own, consent, key }
    }

    /// Which look-ups are errors.
    async fn errors(&self, store: &RedisStore<MultiplexedConnection>) -> [bool; 9] {
        let Consent { subject, client_id, redirect_uri, .. } = &self.consent;
        let family = self.issued.refresh_token.as_ref().unwrap();
        let other = access_token(&self.code.authorization);
        [
            store.query_authorization_code(&self.code.code).await.is_err(),
            store.query_token(&self.issued.access_token.token).await.is_err(),
            store.query_token(&self.own.access_token.token).await.is_err(),
            store.query_refresh_token(&family.handle).await.is_err(),
            // It is at another generation.
            store.rotate_refresh_token(7, family, &other).await.is_err(),
            store.list_authorizations(subject, later(0)).await.is_err(),
            store.query_consent(subject, client_id, redirect_uri).await.is_err(),
            store.query_client(client_id).await.is_err(),
            store.query_signing_keys(&self.key.issuer).await.is_err(),
        ]
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_corrupt_row_is_an_error_and_can_be_revoked() {
    for payload in ["{\"v\":1,\"r\":{", "{\"v\":99,\"r\":{}}", "{\"v\":1,\"r\":{}}", "{}", "null"] {
        let bench = Bench::new().await;
        let kept = Kept::by(&bench).await;
        assert_eq!(kept.errors(&bench.store).await, [false; 9]);
        corrupt(&bench, payload).await;
        assert_eq!(kept.errors(&bench.store).await, [true; 9], "{payload}");

        let by_client = Selector::Client(kept.consent.client_id.clone());
        assert_eq!(bench.store.revoke_authorizations(&by_client).await.unwrap(), 1);
        assert_eq!(bench.store.query_authorization_code(&kept.code.code).await.unwrap(), None);
        for tokens in [&kept.issued, &kept.own] {
            bench.store.revoke_token(&tokens.access_token.token).await.unwrap();
            assert_eq!(bench.store.query_token(&tokens.access_token.token).await.unwrap(), None);
        }
    }
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn a_row_of_another_form_is_an_error() {
    let bench = Bench::new().await;
    let kept = Kept::by(&bench).await;
    let authorization = format!("{}authorization:{{{}}}", bench.prefix, kept.code.authorization.id);
    let mut rows = bench.keys("authorization:").await;
    rows.retain(|key| *key != authorization);
    rows.push(format!("{}token:{}", bench.prefix, kept.own.access_token.token));
    for key in rows {
        bench.connection.clone().set::<_, _, ()>(key, "broken row").await.unwrap();
    }
    let errors = kept.errors(&bench.store).await;
    assert_eq!(errors, [true, true, true, true, true, false, false, false, false]);
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn it_works_in_the_third_version_of_the_protocol() {
    let address = format!("{}/?protocol=resp3", support::address("GRANTWELL_REDIS").trim_end_matches('/'));
    let client = redis::Client::open(address).unwrap();
    let mut bench = Bench::new().await;
    bench.connection = client.get_multiplexed_async_connection().await.unwrap();
    bench.store = RedisStore::new(bench.connection.clone()).with_prefix(bench.prefix.as_str());
    fill(&bench).await;
    let own = authorization();
    let code = code(&own);
    bench.store.save_authorization_code(&code).await.unwrap();
    let consumed = bench.store.redeem_authorization_code(&code.code, &issued(&own)).await.unwrap();
    assert_eq!(consumed, Redeemed::Saved);
    assert_eq!(bench.store.query_authorization_code(&code.code).await.unwrap(), Some(CodeState::Consumed(code)));
    assert_eq!(bench.store.list_authorizations(&own.subject, later(0)).await.unwrap(), std::slice::from_ref(&own));
    assert_eq!(bench.store.revoke_authorizations(&Selector::Client(own.client_id)).await.unwrap(), 1);
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn stores_of_different_prefixes_know_nothing_of_each_other() {
    let (one, two) = (Bench::new().await, Bench::new().await);
    let code = code(&authorization());
    one.store.save_authorization_code(&code).await.unwrap();
    assert_eq!(two.store.query_authorization_code(&code.code).await.unwrap(), None);
    let by_subject = Selector::Subject(code.authorization.subject.clone());
    assert_eq!(two.store.revoke_authorizations(&by_subject).await.unwrap(), 0);
    assert!(two.keys("").await.is_empty());
}
