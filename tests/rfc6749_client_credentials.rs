//! The client credentials grant (RFC 6749 section 4.4).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use common::*;
use grantwell::model::{AuthMethod, ClientMetadata, ClientPolicy};
use grantwell::storage::Selector;

fn machine(id: &str, scope: &str) -> grantwell::model::Client {
    let metadata = ClientMetadata {
        grant_types: vec!["client_credentials".to_owned(), "refresh_token".to_owned()],
        redirect_uris: Vec::new(),
        scope: scope.parse().unwrap(),
        ..metadata(AuthMethod::CLIENT_SECRET_BASIC)
    };
    confidential(id, metadata)
}

async fn own_token(fixture: &Fixture, client: &str) -> Answer {
    fixture.token(client, &[("grant_type", "client_credentials")]).await
}

#[tokio::test]
async fn a_client_acts_for_itself_and_for_no_user() {
    let fixture = Fixture::new();
    fixture.store.insert_client(machine("alice", "profile"));
    for client in ["cc", "alice"] {
        let answer = own_token(&fixture, client).await;
        assert_eq!((answer.is_ok().text("token_type"), answer.json["expires_in"].as_u64()), ("Bearer", Some(3600)));
        assert_eq!(answer.headers["cache-control"], "no-store");
        let known = fixture.post_as("/introspect", "rs", &[("token", answer.text("access_token"))]).await;
        assert_eq!((known.text("client_id"), known.json.get("sub")), (client, None));
    }
}

#[tokio::test]
async fn there_is_no_refresh_token_and_no_id_token() {
    let fixture = Fixture::new();
    fixture.store.insert_client(machine("cc", "openid offline_access"));
    let request = [("grant_type", "client_credentials"), ("scope", "openid offline_access")];
    let answer = fixture.token("cc", &request).await;
    assert!(answer.is_ok().json.get("refresh_token").is_none() && answer.json.get("id_token").is_none());
}

#[tokio::test]
async fn only_a_client_that_authenticates_and_is_registered_for_it() {
    let fixture = Fixture::new();
    own_token(&fixture, "sec").await.is_refused(400, "unauthorized_client");
    own_token(&fixture, "pub").await.is_refused(400, "unauthorized_client");
    let request = [("grant_type", "client_credentials"), ("client_id", "cc")];
    fixture.send(post("/token", &request)).await.is_refused(401, "invalid_client");
    fixture.send(post_basic("/token", "cc", "wrong", &request)).await.is_refused(401, "invalid_client");
    let metadata = ClientMetadata { grant_types: vec!["client_credentials".to_owned()], ..metadata(AuthMethod::NONE) };
    assert!(grantwell::model::Client::new("anyone".into(), None, metadata).is_err());
}

#[tokio::test]
async fn the_scope_is_within_the_clients_and_all_of_it_when_none_is_named() {
    let fixture = Fixture::new();
    for (asked, given) in [(None, "profile email"), (Some(""), "profile email"), (Some("email"), "email")] {
        let answer = fixture.token("cc", &changed(&[("grant_type", "client_credentials")], "scope", asked)).await;
        assert_eq!(answer.is_ok().text("scope"), given);
    }
    for refused in ["admin", "profile admin", "Profile", "profile  email", "\"", "é"] {
        let request = [("grant_type", "client_credentials"), ("scope", refused)];
        fixture.token("cc", &request).await.is_refused(400, "invalid_scope");
    }
}

#[tokio::test]
async fn the_token_lives_as_long_as_the_clients_policy_says() {
    let fixture = Fixture::new();
    let policy = |lifetime| ClientPolicy { access_token_lifetime: Some(lifetime), ..ClientPolicy::default() };
    assert!(machine("cc", "profile").with_policy(policy(0)).is_err());
    fixture.store.insert_client(machine("cc", "profile").with_policy(policy(10)).unwrap());
    let answer = own_token(&fixture, "cc").await;
    assert_eq!(answer.is_ok().json["expires_in"], 10);
    fixture.clock.advance(9);
    assert!(fixture.is_active(answer.text("access_token")).await);
    fixture.clock.advance(1);
    assert!(!fixture.is_active(answer.text("access_token")).await);
}

#[tokio::test]
async fn it_ends_with_everything_else_of_its_client() {
    let fixture = Fixture::new();
    let (own, other) = (own_token(&fixture, "cc").await, own_token(&fixture, "rs").await);
    for selector in [Selector::Client("sec".into()), Selector::Subject("cc".into())] {
        fixture.revoke(&selector).await;
        assert!(fixture.is_active(own.text("access_token")).await, "{selector:?}");
    }
    fixture.revoke(&Selector::Client("cc".into())).await;
    assert!(!fixture.is_active(own.text("access_token")).await);
    assert!(fixture.is_active(other.text("access_token")).await);
    assert!(fixture.is_active(own_token(&fixture, "cc").await.text("access_token")).await);
}
