//! What this store promises beyond the traits: how it survives being cut off between two steps, and what its keys are.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use grantwell::Timestamp;
use grantwell::model::{AuthMethod, Client, ClientMetadata, Consent, Issued};
use grantwell::storage::{
    AccessTokenStore as _, AuthorizationCodeStore as _, AuthorizationStore as _, ClientRegistry as _, CodeState,
    ConsentStore as _, Redeemed, RefreshTokenStore as _, ReplayStore as _, RevocationStore as _, Rotated, Selector,
    TokenStore as _,
};
use redis::{AsyncCommands as _, cmd};
use support::{Bench, access_token, authorization, code, digest, family, issued, later, own_token};

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

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn rows_that_cannot_be_read_are_faults() {
    let bench = Bench::new().await;
    let code = code(&authorization());
    let issued = issued(&code.authorization);
    let family = issued.refresh_token.clone().unwrap();
    bench.store.save_authorization_code(&code).await.unwrap();
    bench.store.save_token(&issued).await.unwrap();
    let own = own_token(&code.authorization.client_id).access_token.token;
    let mut connection = bench.connection.clone();
    let keys = bench.keys("authorization:").await.into_iter().filter(|key| !key.ends_with('}'));
    for key in keys.chain([format!("{}token:{own}", bench.prefix)]) {
        connection.set::<_, _, ()>(key, "broken row").await.unwrap();
    }
    assert!(bench.store.query_authorization_code(&code.code).await.is_err());
    assert!(bench.store.query_token(&issued.access_token.token).await.is_err());
    assert!(bench.store.query_refresh_token(&family.handle).await.is_err());
    assert!(bench.store.rotate_refresh_token(0, &family, &access_token(&code.authorization)).await.is_err());
    assert!(bench.store.query_token(&own).await.is_err());
}

#[tokio::test]
#[ignore = "needs a Redis: GRANTWELL_REDIS=redis://.."]
async fn it_works_in_the_third_version_of_the_protocol() {
    let address = format!("{}/?protocol=resp3", support::address("GRANTWELL_REDIS").trim_end_matches('/'));
    let client = redis::Client::open(address).unwrap();
    let mut bench = Bench::new().await;
    bench.connection = client.get_multiplexed_async_connection().await.unwrap();
    bench.store = grantwell_redis::RedisStore::new(bench.connection.clone()).with_prefix(bench.prefix.as_str());
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
