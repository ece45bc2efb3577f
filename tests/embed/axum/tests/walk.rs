//! The service, walked by a browser and the `oauth2` crate; each feature's walk is there with the feature.

use embed_walk::{Service, check_protocol_file};

fn start() -> Service {
    Service::start(env!("CARGO_BIN_EXE_embed-axum"))
}

#[test]
fn the_protocol_code_is_one_short_file() {
    check_protocol_file(include_str!("../src/oauth.rs"));
}

#[tokio::test]
async fn a_user_allows_an_app() {
    embed_walk::a_user_allows_an_app(&start()).await;
}

#[tokio::test]
async fn a_user_denies_an_app() {
    embed_walk::a_user_denies_an_app(&start()).await;
}

#[tokio::test]
async fn a_wrong_redemption_costs_nothing() {
    embed_walk::a_wrong_redemption_costs_nothing(&start()).await;
}

#[tokio::test]
async fn a_user_goes_back_to_the_consent_page() {
    embed_walk::a_user_goes_back_to_the_consent_page(&start()).await;
}

#[tokio::test]
async fn a_client_acts_for_itself() {
    embed_walk::a_client_acts_for_itself(&start()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_is_redeemed_once() {
    embed_walk::a_code_is_redeemed_once(&start()).await;
}

#[tokio::test]
async fn the_metadata_says_what_is_there_and_nothing_else() {
    let mut grants = vec![];
    let mut endpoints = vec![];
    if cfg!(feature = "introspection") {
        endpoints.push("introspection_endpoint");
    }
    if cfg!(feature = "revocation") {
        endpoints.push("revocation_endpoint");
    }
    if cfg!(feature = "refresh") {
        grants.push("refresh_token");
    }
    embed_walk::advertises(&start(), &grants, &endpoints).await;
}

#[cfg(feature = "introspection")]
#[tokio::test]
async fn tokens_are_introspected() {
    embed_walk::tokens_are_introspected(&start()).await;
}

#[cfg(feature = "revocation")]
#[tokio::test]
async fn a_client_revokes_its_token() {
    embed_walk::a_client_revokes_its_token(&start()).await;
}

#[cfg(feature = "revocation")]
#[tokio::test]
async fn a_replayed_code_revokes_what_it_bought() {
    embed_walk::a_replayed_code_revokes_what_it_bought(&start()).await;
}

#[cfg(feature = "refresh")]
#[tokio::test]
async fn a_client_refreshes() {
    embed_walk::a_client_refreshes(&start()).await;
}

#[cfg(feature = "refresh")]
#[tokio::test]
async fn revoking_a_refresh_token_ends_everything() {
    embed_walk::revoking_a_refresh_token_ends_everything(&start()).await;
}
